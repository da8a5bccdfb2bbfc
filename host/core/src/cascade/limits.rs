//! How long a call may take, predicted from what its target usually takes. What is configured is a ceiling, and all
//! there is to go by until enough is known of the target.

use std::time::Duration;

use tokio::time::Instant;

use super::candidates::kind_of;
use super::{Candidate, Case};
use crate::outlook::{CallKind, SizeFactor};
use crate::targets::Ask;

/// Fewer samples say nothing about quantiles.
pub(super) const ENOUGH_SAMPLES: u32 = 20;
/// A call is given up after so many times what 99 of 100 take.
const BEYOND_Q99: f64 = 2.0;
/// No streamed call is given up earlier, however fast its target is: new connections and queues take their time.
const FIRST_TOKEN_FLOOR: Duration = Duration::from_millis(1_500);
/// No plain call is given up earlier: lengths of answers differ more than first tokens do.
const ANSWER_FLOOR: Duration = Duration::from_secs(10);
/// A stream is given up after so many times the pause that 99 of 100 stay below.
const BEYOND_GAPS: f64 = 10.0;
/// No stream is given up earlier: models stop to think.
const STALL_FLOOR: Duration = Duration::from_secs(5);
/// More than any limit; keeps nonsense from overflowing.
const LONGEST_S: f64 = 86_400.0;
/// Beyond the time to first content, so that the attempt's own timer strikes before its lease ends.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

impl Case {
    pub(crate) fn kind(&self) -> CallKind {
        kind_of(&self.request)
    }

    pub(crate) fn size(&self) -> SizeFactor {
        SizeFactor::of_tokens(self.request.facts.input_tokens_estimate)
    }

    /// What the operator allows a call to this candidate: to its first content, or plain to its whole answer. A long
    /// prompt takes longer to its first token; how long a whole answer takes depends on its output.
    pub(crate) fn ceiling(&self, candidate: &Candidate) -> Duration {
        let (timeouts, own) = (&self.alias.timeouts, self.alias.targets.get(candidate.wish));
        match self.kind() {
            CallKind::Streamed => {
                let configured = own.and_then(|own| own.first_token).unwrap_or(timeouts.first_token);
                configured.mul_f64(self.size().get())
            }
            CallKind::Plain => own.and_then(|own| own.answer).unwrap_or(timeouts.answer),
        }
    }

    /// How long a call to this candidate may take by itself.
    pub(crate) fn patience(&self, candidate: &Candidate) -> Duration {
        let ceiling = self.ceiling(candidate);
        let forecast = &candidate.forecast;
        if forecast.samples < ENOUGH_SAMPLES {
            return ceiling;
        }
        let floor = match self.kind() {
            CallKind::Streamed => FIRST_TOKEN_FLOOR,
            CallKind::Plain => ANSWER_FLOOR,
        };
        self.predicted(BEYOND_Q99 * forecast.q99_s).max(floor).min(ceiling)
    }

    /// How long a stream of this candidate may be silent after content. Comments and pings are no sign of life.
    pub(crate) fn stall(&self, candidate: &Candidate) -> Duration {
        let ceiling = self.alias.timeouts.stall;
        let usual = candidate
            .forecast
            .gap_p99_s
            .map(|gap| Duration::from_secs_f64(BEYOND_GAPS * gap.clamp(0.0, LONGEST_S)));
        usual.map_or(ceiling, |usual| usual.max(STALL_FLOOR).min(ceiling))
    }

    /// A time of a small request as one of this request.
    pub(crate) fn predicted(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds * self.size().get()).clamp(0.0, LONGEST_S))
    }

    /// When a request that came at `started` must have content: its first-token budget, raised where one candidate alone
    /// may take longer. A plain request has its whole deadline.
    pub(super) fn content_by(&self, started: Instant, candidates: &[Candidate]) -> Instant {
        if self.kind() == CallKind::Plain {
            return self.deadline;
        }
        let slowest = candidates.iter().map(|candidate| self.ceiling(candidate)).max().unwrap_or_default();
        self.deadline.min(started + self.alias.first_token_budget.max(slowest))
    }

    /// What gates and breaker are asked for a call to this candidate.
    pub(crate) fn ask(&self, candidate: &Candidate, only_one_left: bool) -> Ask {
        Ask {
            request: self.request.id,
            lease: self.patience(candidate) + LEASE_MARGIN,
            only_one_left,
            kind: self.kind(),
            size: self.size(),
        }
    }
}
