//! What a caller says when it asks for a permit, and hidden calls.

use std::sync::Arc;
use std::time::Duration;

use super::{Permit, TargetState};
use crate::note::Circuit;
use crate::outlook::{CallKind, SizeFactor};
use crate::request::RequestId;

/// One call that wants to be made.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// For which request.
    pub request: RequestId,
    /// How long the call may take to its first content (or to its whole answer when plain), plus a second; a probe that
    /// is silent for longer counts as failed.
    pub lease: Duration,
    /// The request has no other candidate, so that the ramp after closing does not refuse it.
    pub only_one_left: bool,
    /// Which history the call belongs to.
    pub kind: CallKind,
    /// How large the request is.
    pub size: SizeFactor,
}

/// Why a call is doubled in secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TwinReason {
    /// A half-open breaker wants a probe, and no client is to wait for it.
    Probe,
}

impl TargetState {
    /// A hidden call in place of a client's, if this target needs one: its breaker's open time is over, or it is half-open
    /// without a probe.
    pub fn try_twin(self: &Arc<Self>, ask: &Ask) -> Option<(Permit, TwinReason)> {
        if !matches!(self.circuit(), Circuit::Open | Circuit::HalfOpen) || self.refusal().is_some() {
            return None;
        }
        let permit = self.try_acquire(ask).ok()?;
        permit.is_probe().then_some((permit, TwinReason::Probe))
    }
}
