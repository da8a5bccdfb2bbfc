//! Targets in numbers, for policies and for the status page.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::TargetState;
use crate::class::Scope;
use crate::note::Circuit;
use crate::ports::CandidateStats;
use crate::target::Capabilities;

/// What the last calls of a target were like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateStatus {
    /// Which.
    pub gate: &'static str,
    /// `model`, or `credential` when it holds for everything behind the provider's credential.
    pub scope: &'static str,
    /// Until it opens.
    pub remaining_ms: u64,
}

/// One target on the status page.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Every closed gate.
    pub gates: Vec<GateStatus>,
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
            in_flight: self.in_flight.load(Ordering::Relaxed),
            learned_context_window: self.learned_context_window(),
        }
    }

    /// The breaker's state as it is now.
    pub fn circuit(&self) -> Circuit {
        let (view, changes) = self.breaker.view(self.outside.clock.now());
        self.announce(changes);
        view.circuit
    }

    /// This target as a policy sees it. The expected time of the next call is the moving average until something
    /// better predicts it.
    pub fn candidate(&self, weight: f64, capabilities: Option<&Capabilities>) -> CandidateStats {
        let now = self.outside.clock.now();
        let stats = self.stats();
        CandidateStats {
            id: self.id.clone(),
            weight,
            circuit: self.circuit(),
            gated: self.gates(now).iter().any(|(_, _, left)| left.is_some()),
            first_token_ewma_ms: stats.first_token_ewma_ms,
            first_token_p95_ms: stats.first_token_p95_ms,
            predicted_ms: stats.first_token_ewma_ms,
            success_rate: stats.success_rate,
            samples: stats.samples,
            in_flight: stats.in_flight,
            input_price_per_1m: capabilities.and_then(|known| known.input_price_per_1m),
            output_price_per_1m: capabilities.and_then(|known| known.output_price_per_1m),
        }
    }

    /// Everything about this target.
    pub fn status(&self) -> TargetStatus {
        let now = self.outside.clock.now();
        let (view, changes) = self.breaker.view(now);
        self.announce(changes);
        let closed = |(gate, scope, left): (crate::note::Gate, Scope, Option<Duration>)| {
            let scope = match scope {
                Scope::Model => "model",
                Scope::Credential => "credential",
            };
            Some(GateStatus { gate: gate.label(), scope, remaining_ms: millis(left?) })
        };
        TargetStatus {
            target: self.id.to_string(),
            circuit: view.circuit.label(),
            generation: view.generation,
            opens: view.opens,
            retry_in_ms: view.retry_in.map(millis),
            forced_reason: view.forced_reason.as_deref().map(str::to_owned),
            stale_votes: view.stale_votes,
            would_open: view.would_open,
            gates: self.gates(now).into_iter().filter_map(closed).collect(),
            stats: self.stats(),
        }
    }
}

/// Rounded up: nobody is told to come back too early.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
