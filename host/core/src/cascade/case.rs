//! One request, and all that is settled about it before the first call.

use std::sync::Arc;

use tokio::time::Instant;

use super::Engine;
use crate::ports::PluginSet;
use crate::request::Request;
use crate::settings::Alias;
use crate::targets::{Lesson, Permit};

/// Borrows nothing and costs a few reference counts to clone, so that whatever outlives the walk (a committed stream, a
/// hidden call) can take its own along.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) engine: Arc<Engine>,
    /// One generation of plugins for the whole request.
    pub(crate) plugins: Arc<PluginSet>,
    pub(crate) request: Arc<Request>,
    pub(crate) alias: Arc<Alias>,
    /// When the client must have its answer.
    pub(crate) deadline: Instant,
}

impl Case {
    /// A handle for whoever may inject a fault into this call; none while nothing is armed.
    pub(crate) fn lesson(&self, permit: &mut Permit) -> Option<Arc<Lesson>> {
        self.engine.chaos.is_armed().then(|| permit.lesson())
    }

    /// The name that answers report; none = the upstream's own.
    pub(crate) fn report_model(&self) -> Option<&Arc<str>> {
        self.alias.report_alias.then_some(&self.alias.name)
    }
}
