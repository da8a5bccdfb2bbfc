//! Notes: what the core tells whoever watches (logs, metrics, the live view, the audit). Never content, never secrets.

use std::sync::Arc;
use std::time::Duration;

use crate::class::{Class, Failure};
use crate::ports::TemplateRef;
use crate::record::{Record, Twin};
use crate::request::{Protocol, RequestId};
use crate::splice::Splice;
use crate::target::TargetId;
use crate::trace::Trace;

/// Health of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// Calls pass.
    Closed,
    /// Calls are refused until the open time ends.
    Open,
    /// One probe at a time decides.
    HalfOpen,
    /// Held open by an operator.
    ForcedOpen,
    /// Held closed by an operator.
    ForcedClosed,
}

impl Circuit {
    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
        }
    }
}

/// Why a target may not be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// The breaker is open, or another probe is under way.
    Breaker,
    /// A rate limit asks for a pause.
    Rate,
    /// The provider refuses our credential.
    Credential,
    /// The credential's allowance is used up.
    Quota,
    /// The provider does not know the model.
    MissingModel,
    /// Faster than the rate that the target accepted before it refused.
    Pace,
    /// As many calls under way as the target took before it was overloaded.
    Concurrency,
    /// Not expected to answer in the time that the request has left.
    TooSlow,
    /// No adapter of that name is loaded.
    NoAdapter,
}

impl Gate {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Breaker,
        Self::Rate,
        Self::Credential,
        Self::Quota,
        Self::MissingModel,
        Self::Pace,
        Self::Concurrency,
        Self::TooSlow,
        Self::NoAdapter,
    ];

    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Breaker => "breaker_open",
            Self::Rate => "rate_limited",
            Self::Credential => "credential_refused",
            Self::Quota => "quota_exhausted",
            Self::MissingModel => "model_missing",
            Self::Pace => "paced",
            Self::Concurrency => "concurrency_limited",
            Self::TooSlow => "too_slow",
            Self::NoAdapter => "no_adapter",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The first target in order answered.
    Primary,
    /// Another target answered.
    Fallback,
    /// A typed error went out.
    Failed,
    /// A committed stream ended in a typed error.
    Interrupted,
    /// The client left.
    Cancelled,
}

impl Outcome {
    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Fallback => "fallback",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What one request found out about a target in its first turn there: the call, and the retry at once if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It answered, whole.
    Served,
    /// The last call failed.
    Failed(Class),
    /// The last call was given up before it could be judged: it lost a race, or the client left.
    Unknown,
}

/// A target that a request was tried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub target: TargetId,
    /// It was called because it stood first, not because a better one had failed, was late or was resting. Only such
    /// calls say how good a target is on its own.
    pub unprompted: bool,
    /// What was found out.
    pub verdict: Verdict,
}

/// What became of a call that was made beside a late one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HedgeEnd {
    /// It had content first; the late call was cancelled.
    Won,
    /// The late call had content first, or ended the request otherwise; the double was cancelled.
    Lost,
    /// It failed.
    Failed,
}

impl HedgeEnd {
    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Note {
    /// A request came in and was resolved.
    RequestStarted {
        /// Which.
        id: RequestId,
        /// In which protocol.
        protocol: Protocol,
        /// The alias or target asked for.
        model: Arc<str>,
        /// Streamed.
        stream: bool,
    },
    /// A request was refused before it was resolved: no key, no such model, no room.
    RequestRefused {
        /// Which.
        id: RequestId,
        /// In which protocol the client was told.
        protocol: Protocol,
        /// With which status.
        status: u16,
        /// And which code.
        code: String,
        /// How long after it had come in; 0 where it was resolved by the gateway already.
        after: Duration,
        /// Its place in a distributed trace, where it has one.
        trace: Option<Arc<Trace>>,
    },
    /// A candidate was passed over without a call.
    Skipped {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// Why.
        gate: Gate,
        /// How long it will rest, where known.
        retry_in: Option<Duration>,
    },
    /// An upstream call starts.
    AttemptStarted {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// 1 for the first.
        number: u32,
        /// It carries a half-open probe.
        probe: bool,
    },
    /// An upstream call failed.
    AttemptFailed {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// 1 for the first.
        number: u32,
        /// Why.
        failure: Failure,
        /// After how long.
        after: Duration,
    },
    /// A late call gets another one beside it, which also has an `AttemptStarted`.
    HedgeStarted {
        /// Which request.
        id: RequestId,
        /// Who is called beside.
        target: TargetId,
        /// Who is late.
        late: TargetId,
        /// Many calls to the late target wait too long: failover ahead of the failure, not speculation.
        rescue: bool,
        /// How long the late call had waited.
        after: Duration,
    },
    /// What became of it.
    HedgeEnded {
        /// Which request.
        id: RequestId,
        /// Who was called beside.
        target: TargetId,
        /// How it ended.
        end: HedgeEnd,
        /// Estimated prompt tokens of the call that was cancelled; providers usually bill them.
        wasted_tokens: u32,
    },
    /// A hidden copy of a request that another target serves. Not one of the request's attempts.
    TwinStarted {
        /// Whose copy.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// Why, low-cardinality.
        reason: &'static str,
    },
    /// It had its first content and was cancelled, or failed.
    TwinEnded {
        /// Whose copy.
        id: RequestId,
        /// The call.
        twin: Arc<Twin>,
    },
    /// Every candidate had its turn and none could serve: once more after a pause.
    RoundStarted {
        /// Which request.
        id: RequestId,
        /// 2 behind a first round of calls; the same again where everybody was refused.
        round: u32,
        /// How long until it begins.
        pause: Duration,
    },
    /// The client gets this target's answer from now on.
    Committed {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// First content (streamed) or the whole answer (plain) after how long, from the request's start.
        after: Duration,
    },
    /// A request ended: all that happened to it.
    RequestEnded(Arc<Record>),
    /// A stream broke after content had gone to the client, and another target goes on in it.
    Spliced {
        /// Which request.
        id: RequestId,
        /// From where to where, and how.
        splice: Splice,
    },
    /// A breaker changed its state.
    CircuitChanged {
        /// Which target.
        target: TargetId,
        /// Before.
        from: Circuit,
        /// After.
        to: Circuit,
        /// Why, low-cardinality.
        reason: &'static str,
        /// How long it stays open.
        open_for: Option<Duration>,
        /// The requests that caused it, oldest first.
        causes: Vec<RequestId>,
    },
    /// A breaker would have opened, were it not forced closed.
    WouldOpen {
        /// Which target.
        target: TargetId,
        /// Why, low-cardinality.
        reason: &'static str,
        /// The requests that would have caused it, oldest first.
        causes: Vec<RequestId>,
    },
    /// A gate closed.
    GateClosed {
        /// Which target (for credential gates, the one that found out).
        target: TargetId,
        /// Which gate.
        gate: Gate,
        /// For how long.
        for_time: Duration,
        /// Which request.
        id: RequestId,
    },
    /// An armed fault acted on an attempt.
    FaultInjected {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// The fault's kind.
        kind: String,
        /// What it did, low-cardinality.
        action: &'static str,
        /// The experiment it belongs to.
        experiment: Option<Arc<str>>,
    },
    /// A prompt template could not be used on a request; the client's own prompt was sent.
    PromptFailed {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// Which template.
        template: TemplateRef,
        /// What is wrong with it.
        message: String,
    },
    /// A plugin misbehaved; its candidate is lost.
    PluginFault {
        /// Which request.
        id: RequestId,
        /// Which target.
        target: TargetId,
        /// Diagnostic code.
        code: &'static str,
        /// What happened.
        message: String,
    },
}

impl Note {
    /// Whose request it is about; none where it is about a target alone.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::RequestStarted { id, .. }
            | Self::RequestRefused { id, .. }
            | Self::Skipped { id, .. }
            | Self::AttemptStarted { id, .. }
            | Self::AttemptFailed { id, .. }
            | Self::HedgeStarted { id, .. }
            | Self::HedgeEnded { id, .. }
            | Self::TwinStarted { id, .. }
            | Self::TwinEnded { id, .. }
            | Self::RoundStarted { id, .. }
            | Self::Committed { id, .. }
            | Self::Spliced { id, .. }
            | Self::GateClosed { id, .. }
            | Self::FaultInjected { id, .. }
            | Self::PromptFailed { id, .. }
            | Self::PluginFault { id, .. } => Some(*id),
            Self::RequestEnded(record) => Some(record.id),
            Self::CircuitChanged { .. } | Self::WouldOpen { .. } => None,
        }
    }
}
