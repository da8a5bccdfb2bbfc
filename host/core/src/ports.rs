//! What the core needs from outside: plugins, an upstream transport, a clock, somebody who listens.
//!
//! Plugin calls are futures only because a slow plugin may be run elsewhere; one of a fast plugin is over when it is made.

mod adapter;
mod call;
mod fault;
mod policy;
mod prompt;
mod transport;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

pub use self::adapter::{
    Adapter, AdapterError, AdapterTarget, Answer, Auth, BodyPlan, Decoder, Framing, PlainReply, RawFailure,
    ReplyFormat, Shape, WirePlan,
};
pub use self::call::Call;
pub use self::fault::{
    FaultAction, FaultAttempt, FaultInjector, FaultKind, FaultStep, FaultVerdict, Transform,
};
pub use self::policy::{CandidateStats, Policy, RoutePlan, RouteQuestion};
pub use self::prompt::{PromptFacts, PromptTemplate, TemplateRef};
pub use self::transport::{ByteSource, TransportFailure, Upstream, WireReply, WireRequest};
use crate::note::Note;
use crate::target::ProviderName;

/// Time, given from outside. Timers are tokio's, so that paused time drives both.
pub trait Clock: Send + Sync + Debug {
    /// Monotonic now.
    fn now(&self) -> Instant;
    /// Wall clock, for dates that providers send.
    fn wall(&self) -> SystemTime;
}

/// The runtime's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Who listens to what the core does. Called on the request path: must neither block nor fail.
pub trait Observer: Send + Sync + Debug {
    /// One thing happened.
    fn note(&self, note: Note);
}

/// Runs what outlives the request that began it. The core spawns nothing itself.
pub trait Background: Send + Sync + Debug {
    /// Runs this to its end, or drops it when the process ends. The name is the same for all work of a kind.
    fn run(&self, name: &'static str, work: Call<'static, ()>);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence;

impl Observer for Silence {
    fn note(&self, _note: Note) {}
}

/// A plugin that did not do its job: the price is one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFault {
    /// Stable diagnostic code (`P0xx`).
    pub code: &'static str,
    /// Cause and fix in words.
    pub message: String,
    /// Every instance is in use: back-pressure, not the plugin's fault; nothing is held against plugin or provider.
    pub busy: bool,
}

/// Which version of which plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginRef {
    /// The file's stem in the plugins directory.
    pub id: Arc<str>,
    /// Counts up with each version loaded.
    pub generation: u64,
    /// SHA-256 of its file, in hexadecimal digits. The same version has the same digest everywhere.
    pub digest: Arc<str>,
}

impl PluginRef {
    /// A version that no file stands for; for tests and simulations.
    pub fn made_up(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), generation: 1, digest: Arc::from("") }
    }
}

/// A problem in an operator's settings for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: Option<String>,
}

/// All plugins at one moment. A request takes one snapshot and keeps it, so it never sees two generations.
#[derive(Clone, Debug, Default)]
pub struct PluginSet {
    /// By configured provider.
    pub adapters: HashMap<ProviderName, Arc<dyn Adapter>>,
    /// By plugin id.
    pub policies: HashMap<Arc<str>, Arc<dyn Policy>>,
    /// By plugin id.
    pub faults: HashMap<Arc<str>, Arc<dyn FaultInjector>>,
}

/// Where the current plugins come from.
pub trait PluginSource: Send + Sync + Debug {
    /// The set that serves now. Cheap: one atomic load and a reference count.
    fn current(&self) -> Arc<PluginSet>;
}
