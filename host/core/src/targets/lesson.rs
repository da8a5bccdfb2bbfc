//! What a call may teach. An injected fault is no news about a target: breaker and gates still act on it, for that is the
//! point, but statistics and estimates do not hear of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::TargetState;
use crate::outlook::{CallKind, Evidence, Place};

/// Shared by a call's permit and by whoever may inject a fault into the call.
#[derive(Debug)]
pub struct Lesson {
    state: Arc<TargetState>,
    kind: CallKind,
    /// Among the calls that wait.
    place: Mutex<Option<Place>>,
    spoilt: AtomicBool,
}

impl Lesson {
    pub(super) fn new(state: Arc<TargetState>, kind: CallKind, place: Option<Place>) -> Self {
        Self { state, kind, place: Mutex::new(place), spoilt: AtomicBool::new(false) }
    }

    /// Whatever happens to the call from now on says nothing about its target. At once, not when the call ends: a call
    /// that waits for long is evidence before it has ended.
    pub fn spoil(&self) {
        self.spoilt.store(true, Ordering::Release);
        if let Some(place) = self.take_place() {
            let now = self.state.outside.clock.now();
            self.state.outlook(self.kind).end(place, now, Evidence::Silent, None);
        }
    }

    /// Whether a fault was injected.
    pub fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Acquire)
    }

    pub(super) fn teaches(&self) -> bool {
        !self.is_spoilt()
    }

    pub(super) fn take_place(&self) -> Option<Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
