//! Hidden calls: doubles of a request that is served elsewhere, so that no client waits while a target proves itself.

use std::sync::Arc;

use super::{Ask, Permit, TargetState};
use crate::note::Circuit;

/// Share of asked-for twins of a healthy target that are made.
const SAMPLED: f64 = 0.02;

/// Why a call is doubled in secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TwinReason {
    /// A half-open breaker wants a probe.
    Probe,
    /// Nobody has heard of such calls to the target for ten seconds.
    Quiet,
    /// One of fifty.
    Sampled,
}

impl TwinReason {
    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Quiet => "quiet",
            Self::Sampled => "sampled",
        }
    }
}

impl TargetState {
    /// A hidden call to a target that a request goes past although it is better ranked, if the target needs one: a probe,
    /// or a sample, so that what is believed of it stays true. Every gate is respected, pace and limit too. For a target
    /// ranked lower than the one that serves, [`TargetState::try_probe`] is enough: nobody needs to know how fast it is.
    pub fn try_twin(self: &Arc<Self>, ask: &Ask) -> Option<(Permit, TwinReason)> {
        if let Some(permit) = self.try_probe(ask) {
            return Some((permit, TwinReason::Probe));
        }
        if !matches!(self.circuit(), Circuit::Closed | Circuit::ForcedClosed) {
            return None;
        }
        let reason = if self.outlook(ask.kind).is_quiet(self.outside.clock.now()) {
            TwinReason::Quiet
        } else if self.outside.random.unit() < SAMPLED {
            TwinReason::Sampled
        } else {
            return None;
        };
        let permit = self.try_acquire(&hidden(ask)).ok()?;
        Some((permit, reason))
    }

    /// A hidden call that is the probe of a breaker whose open time is over, or which is half-open without one.
    pub fn try_probe(self: &Arc<Self>, ask: &Ask) -> Option<Permit> {
        if !matches!(self.circuit(), Circuit::Open | Circuit::HalfOpen) || self.refusal().is_some() {
            return None;
        }
        // Somebody else's probe may have closed the breaker since.
        self.try_acquire(&hidden(ask)).ok().filter(Permit::is_probe)
    }
}

/// A hidden call is never the only one left.
fn hidden(ask: &Ask) -> Ask {
    Ask { only_one_left: false, ..*ask }
}
