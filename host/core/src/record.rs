//! The record of a request: everything that happened to it, gathered by its ledger and handed over once, when it ends.
//!
//! Counters, availability, logs and the audit trail read the same record, so nothing about a request is told twice and
//! their figures cannot drift apart. It holds names, numbers and times: no content, no secret. Its size is bounded by
//! the request's budget of attempts and by the targets of its alias.

mod attempt;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::attempt::{Attempted, Broke, End, Injected, Injection, Price, Purpose};
use crate::class::Class;
use crate::event::Usage;
use crate::note::{Gate, Outcome, Tried};
use crate::ports::PluginRef;
use crate::request::{Protocol, RequestId, default_tenant};
use crate::splice::Splice;
use crate::target::TargetId;
use crate::trace::{Leg, Trace};

/// What happened to one request, from its beginning to its end. Times are counted from `started`.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which.
    pub id: RequestId,
    /// When it was resolved, by the wall clock.
    pub started: SystemTime,
    /// Its place in a distributed trace, where it has one.
    pub trace: Option<Arc<Trace>>,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// The alias or target asked for.
    pub model: Arc<str>,
    /// The client's protocol.
    pub protocol: Protocol,
    /// Streamed.
    pub stream: bool,
    /// In which order its candidates stood, and why.
    pub routing: Routing,
    /// Candidates that were passed over without a call.
    pub skipped: Vec<Skipped>,
    /// Upstream calls; the first is number 1.
    pub attempts: Vec<Attempted>,
    /// The targets that were called, in the order of their first calls.
    pub tried: Vec<Tried>,
    /// Where another target went on in the stream.
    pub splices: Vec<Spliced>,
    /// How often the candidates were gone over, at least once.
    pub rounds: u32,
    /// Who answered.
    pub target: Option<TargetId>,
    /// When the client could be given its first content (streamed) or the whole answer (plain).
    pub committed: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// The failure that decided what the client saw; none when all went well, or no target was asked.
    pub class: Option<Class>,
    /// When it ended.
    pub after: Duration,
    /// Tokens of the answer as the client got it: as its upstream counted them, or put together after a splice.
    pub usage: Option<Usage>,
    /// Tokens that were paid for, where more than one upstream wrote a part of the answer, or wrote it in vain. Where
    /// an upstream broke off without a count, its part is an estimate.
    pub spent_together: Option<Usage>,
}

/// A hidden call that has ended, with what is needed to tell about it without its request.
#[derive(Clone, Debug)]
pub struct Twin {
    /// The call itself; its times are counted from `started`.
    pub call: Attempted,
    /// When it began, by the wall clock.
    pub started: SystemTime,
    /// Which of the request's calls it was.
    pub leg: Leg,
    /// The client's protocol.
    pub protocol: Protocol,
    /// Streamed.
    pub stream: bool,
    /// The request's place in a distributed trace, where it has one.
    pub trace: Option<Arc<Trace>>,
}

impl Twin {
    /// A call of a plain chat request that nobody traces.
    pub fn new(call: Attempted) -> Self {
        let (protocol, leg) = (Protocol::Chat, Leg::Twin(0));
        Self { call, started: UNIX_EPOCH, leg, protocol, stream: false, trace: None }
    }
}

/// In which order candidates stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Best first; those that cannot serve the request are left out.
    pub order: Vec<TargetId>,
    /// Who put them so.
    pub by: RoutedBy,
}

/// Who decided about an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RoutedBy {
    /// The alias' own order.
    #[default]
    Operator,
    /// The alias' order, with the first moved ahead that is expected to be good enough.
    Forecast,
    /// A policy component.
    Policy {
        /// Which.
        plugin: PluginRef,
        /// In its own words.
        reason: String,
    },
}

impl RoutedBy {
    /// Label for logs and the API.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Forecast => "forecast",
            Self::Policy { .. } => "policy",
        }
    }
}

/// A candidate that was passed over, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub target: TargetId,
    /// Why.
    pub gate: Gate,
    /// How long it was going to rest when last asked, where known.
    pub retry_in: Option<Duration>,
    /// How often.
    pub times: u32,
}

/// A splice, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spliced {
    /// From where to where, and how.
    pub splice: Splice,
    /// When.
    pub at: Duration,
}

impl Record {
    /// A request that has just been resolved. Until it ends it counts as cancelled.
    pub fn new(id: RequestId, model: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            started: UNIX_EPOCH,
            trace: None,
            tenant: default_tenant(),
            model: model.into(),
            protocol: Protocol::Chat,
            stream: false,
            routing: Routing::default(),
            skipped: Vec::new(),
            attempts: Vec::new(),
            tried: Vec::new(),
            splices: Vec::new(),
            rounds: 1,
            target: None,
            committed: None,
            outcome: Outcome::Cancelled,
            class: None,
            after: Duration::ZERO,
            usage: None,
            spent_together: None,
        }
    }

    /// Tokens that were paid for.
    pub fn spent(&self) -> Option<&Usage> {
        self.spent_together.as_ref().or(self.usage.as_ref())
    }

    /// US dollars that its attempts cost, as far as prices and counts are known; none where nothing is known.
    pub fn cost_usd(&self) -> Option<f64> {
        self.attempts
            .iter()
            .filter_map(Attempted::cost_usd)
            .fold(None, |sum, cost| Some(sum.unwrap_or(0.0) + cost))
    }

    /// Whether chaos acted on any of its attempts in a way that estimates are not to learn from.
    pub fn misleads(&self) -> bool {
        self.attempts.iter().any(Attempted::misleads)
    }

    /// Kinds of the armed faults that acted on its attempts, each once.
    pub fn faults_met(&self) -> Vec<String> {
        let mut kinds = Vec::new();
        for injected in self.attempts.iter().filter_map(Attempted::injected) {
            if !kinds.contains(&injected.kind) {
                kinds.push(injected.kind.clone());
            }
        }
        kinds
    }
}
