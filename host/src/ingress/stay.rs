//! A request's stay: the place that it takes, and the visit that is counted when it leaves.

use super::admission::Place;
use crate::telemetry::Visit;

/// Held until the last byte of the answer.
#[derive(Debug)]
pub(super) struct Stay {
    _place: Place,
    visit: Visit,
}

impl Stay {
    pub(super) fn new(place: Place, visit: Visit) -> Self {
        Self { _place: place, visit }
    }

    /// The answer begins with this status.
    pub(super) fn answered(mut self, status: u16) -> Self {
        self.visit.answered(status);
        self
    }
}
