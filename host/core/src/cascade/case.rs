//! One request, and all that is settled about it before the first call.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Bodies, Candidate, Engine};
use crate::body::RequestBody;
use crate::class::{Class, Failure};
use crate::note::Note;
use crate::ports::{PluginSet, PromptFacts};
use crate::protocol;
use crate::reply::Degraded;
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
    /// The request as this candidate is to be given it: in a protocol that its adapter takes, with the system prompt that
    /// its template makes. Where the template fails, the client's own prompt is sent, and somebody is told.
    pub(crate) fn body(
        &self,
        bodies: &mut Bodies,
        candidate: &Candidate,
    ) -> Result<Arc<RequestBody>, Failure> {
        let body = bodies.for_adapter(candidate.adapter.as_ref()).map_err(|error| {
            let failure = Failure::new(Class::BadRequest, error.message);
            Failure { param: error.param, ..failure }
        })?;
        let Some(prompt) = &candidate.prompt else { return Ok(body) };
        let (target, degraded) = (candidate.target(), candidate.degraded != Degraded::None);
        let written =
            protocol::with_system(&body, |system| prompt.render(&PromptFacts { target, degraded, system }));
        Ok(match written {
            Ok(Some(body)) => Arc::new(body),
            Ok(None) => body,
            Err(message) => {
                let (id, target, template) = (self.request.id, target.clone(), prompt.template().clone());
                self.engine.observer.note(Note::PromptFailed { id, target, template, message });
                body
            }
        })
    }

    /// A handle for whoever may inject a fault into this call; none while nothing is armed.
    pub(crate) fn lesson(&self, permit: &mut Permit) -> Option<Arc<Lesson>> {
        self.engine.chaos.is_armed().then(|| permit.lesson())
    }

    /// The name that answers report; none = the upstream's own.
    pub(crate) fn report_model(&self) -> Option<&Arc<str>> {
        self.alias.report_alias.then_some(&self.alias.name)
    }
}
