//! The class table: what the host does about each class of failure. Data, so that it can be read, shown and tested as
//! a table; nothing else in the house decides by class.
//!
//! An adapter says what happened ([`Class`]), this table alone says what follows: whether the same target is asked
//! again, whether the next one is, whether the breaker counts it, which gate closes, and what the client sees when
//! nothing is left.

mod final_error;
mod scrub;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use final_error::{LONGEST_OBEYED_HINT, final_error};
pub use scrub::scrub;

use crate::class::Class;
use crate::random::Random;

/// What follows from one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether the same target is asked again.
    pub same_target: SameTarget,
    /// Whether the next candidate is tried; behind the commit point, whether it may go on in the stream.
    pub next_target: NextTarget,
    /// What the breaker hears.
    pub vote: Vote,
    /// Which gate closes.
    pub gate: GateAction,
    /// What the client sees when nothing is left.
    pub client: ClientAnswer,
}

/// A second call to the target that failed. Every one is also subject to the retry budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameTarget {
    /// No.
    Never,
    /// Once, when the provider's pause is short enough; without a hint, once with back-off.
    AfterHint,
    /// Once, after a short random pause.
    Once,
    /// Once and without a pause: on a fresh connection, or in a fresh plugin instance.
    OnceAtOnce,
}

/// The next candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTarget {
    /// Is tried.
    Yes,
    /// Is not: it would fail there too, or there is no time left.
    No,
    /// Is tried if it declares a larger context window.
    OnlyLargerWindow,
    /// Is tried if the operator said so for this alias.
    OptIn,
    /// Is tried if it declares everything that the request needs.
    IfCapable,
}

/// What the breaker hears of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Nothing: it says nothing about the target's health.
    None,
    /// A failure.
    Fail,
    /// A failure that counts in the rate, not in a run.
    Soft,
    /// A failure if no content came although the attempt had a whole first-token time. Else a client with tiny
    /// deadlines could open breakers for everybody.
    IfFairShare,
    /// A failure if the attempt was given at least a quarter of its first-token time. It may be given less than all of
    /// it when the request's time is short, and that shortness is the client's, not the target's.
    IfPatient,
}

/// The gate that a failure closes; its scope comes from the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateAction {
    /// None.
    None,
    /// The rate gate.
    Rate,
    /// The allowance is used up.
    Quota,
    /// The credential is refused.
    Credential,
    /// The model is unknown.
    MissingModel,
    /// None, but the target's context window is smaller than thought: whoever knows the prompt's size tells it
    /// (`TargetState::learn_context_window`).
    LearnWindow,
}

/// The last word to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAnswer {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'static str,
    /// Whether trying again is suggested.
    pub again: Again,
}

/// What the last word says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// One honest `retry-after`.
    After,
    /// `x-should-retry: false`: the cascade was the retry.
    No,
}

impl Rule {
    /// Whether it may be over a moment later: nothing is wrong with the request, the credential or the model.
    pub fn may_pass(self) -> bool {
        self.next_target == NextTarget::Yes && matches!(self.gate, GateAction::None | GateAction::Rate)
    }
}

impl Class {
    /// What follows from this class.
    pub const fn rule(self) -> Rule {
        use SameTarget::{AfterHint, Never, Once, OnceAtOnce};
        use Vote::{Fail, IfFairShare, IfPatient, Soft};
        match self {
            Self::RateLimited => Rule {
                same_target: AfterHint,
                next_target: NextTarget::Yes,
                vote: Vote::None,
                gate: GateAction::Rate,
                client: after(429, "rate_limited"),
            },
            Self::QuotaExhausted => {
                Rule { gate: GateAction::Quota, ..row(Never, Vote::None, 429, "quota_exhausted") }
            }
            Self::Overloaded => {
                Rule { client: after(503, "overloaded"), ..row(Once, Fail, 503, "overloaded") }
            }
            Self::ServerError => row(Once, Fail, 502, "server_error"),
            Self::Connect => row(OnceAtOnce, Fail, 502, "connect"),
            Self::TimeoutConnect => row(Never, Fail, 504, "timeout_connect"),
            Self::TimeoutFirstToken => row(Never, IfPatient, 504, "timeout_first_token"),
            Self::TimeoutStall => row(Never, Fail, 504, "timeout_stall"),
            Self::TimeoutTotal => {
                Rule { next_target: NextTarget::No, ..row(Never, IfFairShare, 504, "timeout_total") }
            }
            Self::StreamBroken => row(Never, Fail, 502, "stream_broken"),
            Self::Malformed => row(Never, Fail, 502, "malformed"),
            // The same model would most likely say nothing again.
            Self::EmptyAnswer => row(Never, Soft, 502, "empty_answer"),
            Self::ContextLength => Rule {
                next_target: NextTarget::OnlyLargerWindow,
                gate: GateAction::LearnWindow,
                ..row(Never, Vote::None, 400, "context_length_exceeded")
            },
            Self::ContentFilter => {
                Rule { next_target: NextTarget::OptIn, ..row(Never, Vote::None, 400, "content_filter") }
            }
            Self::Auth => {
                Rule { gate: GateAction::Credential, ..row(Never, Vote::None, 502, "upstream_auth") }
            }
            Self::ModelNotFound => {
                Rule { gate: GateAction::MissingModel, ..row(Never, Vote::None, 404, "model_not_found") }
            }
            Self::BadRequest => {
                Rule { next_target: NextTarget::No, ..row(Never, Vote::None, 400, "bad_request") }
            }
            Self::UnsupportedParameter => Rule {
                next_target: NextTarget::IfCapable,
                ..row(Never, Vote::None, 400, "unsupported_parameter")
            },
            Self::ToolCallInvalid => row(Once, Vote::None, 502, "tool_call_invalid"),
            Self::ClientCancelled => {
                Rule { next_target: NextTarget::No, ..row(Never, Vote::None, 499, "client_cancelled") }
            }
            Self::PluginFault => row(OnceAtOnce, Vote::None, 502, "plugin_fault"),
        }
    }
}

/// The common row: the next target is tried, no gate closes, the client had better not repeat.
const fn row(same_target: SameTarget, vote: Vote, status: u16, code: &'static str) -> Rule {
    Rule {
        same_target,
        next_target: NextTarget::Yes,
        vote,
        gate: GateAction::None,
        client: ClientAnswer { status, code, again: Again::No },
    }
}

const fn after(status: u16, code: &'static str) -> ClientAnswer {
    ClientAnswer { status, code, again: Again::After }
}

/// No request waits longer for one target.
const LONGEST_WAIT: Duration = Duration::from_millis(2_500);
/// Of the time left, in percent: the rest must still suffice for the other candidates.
const LARGEST_SHARE_PERCENT: u32 = 25;

impl SameTarget {
    /// The pause before the one retry on the same target; `None` = no retry. `hint` is the provider's, `time_left` the
    /// request's. Without a hint the pause outlasts the first step of the rate gate, which would refuse otherwise.
    pub fn pause(self, hint: Option<Duration>, time_left: Duration, random: &Random) -> Option<Duration> {
        let jittered = |low, high| Duration::from_secs_f64(random.between(low, high));
        let pause = match self {
            Self::Never => return None,
            Self::OnceAtOnce => return (!time_left.is_zero()).then_some(Duration::ZERO),
            Self::Once => jittered(0.1, 0.4),
            Self::AfterHint => hint.filter(|hint| !hint.is_zero()).unwrap_or_else(|| jittered(1.25, 1.5)),
        };
        (pause <= LONGEST_WAIT.min(time_left * LARGEST_SHARE_PERCENT / 100)).then_some(pause)
    }
}
