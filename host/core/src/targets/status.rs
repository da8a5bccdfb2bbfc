//! Targets in numbers, for policies and for the status page.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::TargetState;
use crate::class::Scope;
use crate::note::{Circuit, Gate};
use crate::outlook::{CallKind, Forecast, SizeFactor};
use crate::ports::CandidateStats;
use crate::target::Capabilities;

/// What the last calls of a target were like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetStats {
    /// Moving average of the first-token time in ms, -1 without samples.
    pub first_token_ewma_ms: f64,
    /// 95th percentile of the last 64 first-token times in ms, -1 without samples.
    pub first_token_p95_ms: f64,
    /// Share of good ones among the last 64 calls that said anything about health, 1 without samples.
    pub success_rate: f64,
    /// How many calls that rests on.
    pub samples: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// The smallest estimated prompt that did not fit, in tokens.
    pub learned_context_window: Option<u32>,
}

/// One closed gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateStatus {
    /// Which.
    pub gate: &'static str,
    /// `model`, or `credential` when it holds for everything behind the provider's credential.
    pub scope: &'static str,
    /// Until it opens; none when that depends on calls under way.
    pub remaining_ms: Option<u64>,
}

/// The last change of a breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeStatus {
    /// Before.
    pub from: &'static str,
    /// After.
    pub to: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How long ago.
    pub ago_ms: u64,
    /// The requests that caused it, oldest first, at most three.
    pub requests: Vec<String>,
}

/// What is expected of the next call of one kind, as of a small request. Times in ms.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ForecastStatus {
    /// `streamed`: times to the first content; `plain`: times of whole answers.
    pub kind: &'static str,
    /// What candidates are compared by.
    pub score_ms: f64,
    /// Half of the calls take no longer.
    pub p50_ms: f64,
    /// 95 of 100 calls take no longer.
    pub p95_ms: f64,
    /// 99 of 100 calls take no longer.
    pub p99_ms: f64,
    /// 99 of 100 pauses inside streams are no longer; none while too few are known.
    pub gap_p99_ms: Option<f64>,
    /// How many calls that rests on; of 0 the times are a guess.
    pub samples: u32,
    /// Share of failed calls, 0 to 1.
    pub error_rate: f64,
    /// Calls that wait now.
    pub waiting: u32,
    /// Of those, how many are late.
    pub late: u32,
    /// Calls under way are doubled elsewhere.
    pub suspect: bool,
}

/// One target on the status page.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetStatus {
    /// `provider/model`.
    pub target: String,
    /// The breaker's state.
    pub circuit: &'static str,
    /// Counts its changes.
    pub generation: u64,
    /// How often it opened.
    pub opens: u64,
    /// Until it admits a call; none when it would now.
    pub retry_in_ms: Option<u64>,
    /// The operator's words while it is forced.
    pub forced_reason: Option<String>,
    /// Votes of calls from before a change, ignored.
    pub stale_votes: u64,
    /// Times it would have opened, had it not been forced closed.
    pub would_open: u64,
    /// Calls that it would get at once, while it rests, of requests that have nobody else.
    pub last_resorts: u32,
    /// What last changed its state, and whose requests did it; none while nothing has.
    pub last_change: Option<ChangeStatus>,
    /// Every closed gate.
    pub gates: Vec<GateStatus>,
    /// Calls a second that are let through, while a pace is kept.
    pub pace_per_s: Option<f64>,
    /// Calls that may be under way, while there is a limit.
    pub concurrency_limit: Option<u32>,
    /// What is expected of each kind of call.
    pub forecasts: [ForecastStatus; 2],
    /// The last calls.
    pub stats: TargetStats,
}

impl TargetState {
    /// The last calls in numbers.
    pub fn stats(&self) -> TargetStats {
        let summary = self.history().summary();
        TargetStats {
            first_token_ewma_ms: summary.ewma_ms,
            first_token_p95_ms: summary.p95_ms,
            success_rate: summary.success_rate,
            samples: summary.samples,
            in_flight: self.limit.under_way(),
            learned_context_window: self.learned_context_window(),
        }
    }

    /// The breaker's state as it is now.
    pub fn circuit(&self) -> Circuit {
        if self.breaker.is_free() {
            return Circuit::Closed;
        }
        let (view, changes) = self.breaker.view(self.outside.clock.now());
        self.announce(changes);
        view.circuit
    }

    /// This target as a policy sees it, for a request of this kind and size. The expected time is the score that the
    /// native policy goes by.
    pub fn candidate(
        &self,
        kind: CallKind,
        size: SizeFactor,
        weight: f64,
        capabilities: Option<&Capabilities>,
    ) -> CandidateStats {
        let stats = self.stats();
        let forecast = self.forecast(kind);
        let predicted_ms = if forecast.samples == 0 { -1.0 } else { 1_000.0 * forecast.score_s * size.get() };
        CandidateStats {
            id: self.id.clone(),
            weight,
            circuit: self.circuit(),
            gated: self.is_gated(),
            first_token_ewma_ms: stats.first_token_ewma_ms,
            first_token_p95_ms: stats.first_token_p95_ms,
            predicted_ms,
            success_rate: stats.success_rate,
            samples: stats.samples,
            in_flight: stats.in_flight,
            input_price_per_1m: capabilities.and_then(|known| known.input_price_per_1m),
            output_price_per_1m: capabilities.and_then(|known| known.output_price_per_1m),
        }
    }

    fn closed_gates(&self, now: Instant) -> Vec<GateStatus> {
        let of_gate = |(gate, scope, left): (Gate, Scope, Option<Duration>)| {
            let scope = match scope {
                Scope::Model => "model",
                Scope::Credential => "credential",
            };
            Some(GateStatus { gate: gate.label(), scope, remaining_ms: Some(millis(left?)) })
        };
        let learned = self.learned_refusal(now).map(|refusal| GateStatus {
            gate: refusal.gate.label(),
            scope: "model",
            remaining_ms: refusal.retry_in.map(millis),
        });
        self.gates(now).into_iter().filter_map(of_gate).chain(learned).collect()
    }

    /// Everything about this target.
    pub fn status(&self) -> TargetStatus {
        let now = self.outside.clock.now();
        let (view, changes) = self.breaker.view(now);
        self.announce(changes);
        TargetStatus {
            target: self.id.to_string(),
            circuit: view.circuit.label(),
            generation: view.generation,
            opens: view.opens,
            retry_in_ms: view.retry_in.map(millis),
            forced_reason: view.forced_reason.as_deref().map(str::to_owned),
            stale_votes: view.stale_votes,
            would_open: view.would_open,
            last_resorts: self.credit.left(now),
            last_change: self.last_change().as_ref().map(|change| ChangeStatus {
                from: change.from.label(),
                to: change.to.label(),
                reason: change.reason,
                ago_ms: millis(now.saturating_duration_since(change.at)),
                requests: change.causes.iter().map(ToString::to_string).collect(),
            }),
            gates: self.closed_gates(now),
            pace_per_s: self.pace.per_s(now),
            concurrency_limit: self.limit.most(),
            forecasts: CallKind::ALL.map(|kind| forecast_status(kind, &self.forecast(kind))),
            stats: self.stats(),
        }
    }
}

fn forecast_status(kind: CallKind, forecast: &Forecast) -> ForecastStatus {
    let ms = |seconds: f64| 1_000.0 * seconds;
    ForecastStatus {
        kind: kind.label(),
        score_ms: ms(forecast.score_s),
        p50_ms: ms(forecast.p50_s),
        p95_ms: ms(forecast.p95_s),
        p99_ms: ms(forecast.q99_s),
        gap_p99_ms: forecast.gap_p99_s.map(ms),
        samples: forecast.samples,
        error_rate: forecast.error_rate,
        waiting: forecast.waiting,
        late: forecast.late,
        suspect: forecast.suspect,
    }
}

/// Rounded up: nobody is told to come back too early.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
