//! A script as a list of phases: from here to there this provider behaves like that. After the healing all are perfect.

use std::time::Duration;

use crate::provider::{Conduct, Fault, Script};

/// One phase of one provider.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Index of the provider.
    pub provider: usize,
    /// Begin.
    pub from: Duration,
    /// End.
    pub until: Duration,
    /// What is different.
    pub change: Change,
}

/// What a phase changes.
#[derive(Clone, Debug)]
pub enum Change {
    /// This share of calls meets this fault.
    Fault(f64, Fault),
    /// First tokens take this many times as long at the end of the phase, growing from its begin.
    Slower(f64),
    /// This share of calls is late by this factor.
    Tail(f64, f64),
    /// Requests a second, and whether a 429 says when to come back.
    RateLimit(f64, bool),
}

/// Phases, and an end to all of them.
#[derive(Clone, Debug, Default)]
pub struct Phases {
    /// In any order; of two that overlap both count.
    pub phases: Vec<Phase>,
    /// From here on every provider is perfect.
    pub heal_at: Option<Duration>,
}

impl Phases {
    /// Whether anything is scripted for the provider between these moments.
    pub fn disturbed(&self, provider: usize, from: Duration, until: Duration) -> bool {
        self.phases.iter().any(|phase| {
            let ends = self.heal_at.map_or(phase.until, |heal| heal.min(phase.until));
            phase.provider == provider && phase.from < until && from < ends
        })
    }
}

impl Script for Phases {
    fn conduct(&self, provider: usize, usual: &Conduct, at: Duration) -> Conduct {
        if self.heal_at.is_some_and(|heal| at >= heal) {
            return Conduct::PERFECT;
        }
        let mut conduct = usual.clone();
        let now = |phase: &&Phase| phase.provider == provider && phase.from <= at && at < phase.until;
        for phase in self.phases.iter().filter(now) {
            match phase.change {
                Change::Fault(share, fault) => conduct.faults.push((share, fault)),
                Change::Slower(factor) => {
                    let length = phase.until.saturating_sub(phase.from).as_secs_f64();
                    let passed = at.saturating_sub(phase.from).as_secs_f64() / length.max(f64::MIN_POSITIVE);
                    conduct.slow *= 1.0 + (factor - 1.0) * passed;
                }
                Change::Tail(share, factor) => {
                    (conduct.tail_share, conduct.tail_factor) = (share, factor);
                }
                Change::RateLimit(limit, hint) => {
                    (conduct.rate_limit, conduct.rate_hint) = (limit, hint);
                }
            }
        }
        conduct
    }
}
