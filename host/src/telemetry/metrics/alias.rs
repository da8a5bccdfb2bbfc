//! What is counted of one alias.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::note::Outcome;

use super::super::figures::{Counter, Histogram, REQUEST_TIMES, Sheet};
use super::super::names::{self, key};

/// Every outcome, in the order of its counters.
pub(super) const OUTCOMES: [Outcome; 5] =
    [Outcome::Primary, Outcome::Fallback, Outcome::Failed, Outcome::Interrupted, Outcome::Cancelled];

#[derive(Debug)]
pub(super) struct AliasFigures {
    pub(super) name: Arc<str>,
    ended: [Counter; OUTCOMES.len()],
    duration: Histogram,
}

impl AliasFigures {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, ended: Default::default(), duration: Histogram::new(&REQUEST_TIMES) }
    }

    pub(super) fn ended(&self, outcome: Outcome, after: Duration) {
        if let Some((_, counter)) = self.by_outcome().find(|(known, _)| *known == outcome) {
            counter.one();
        }
        self.duration.took(after);
    }

    pub(super) fn by_outcome(&self) -> impl Iterator<Item = (Outcome, &Counter)> {
        OUTCOMES.into_iter().zip(&self.ended)
    }

    pub(super) fn is_used(&self) -> bool {
        self.ended.iter().any(|counter| counter.get() > 0)
    }

    pub(super) fn gather(&self, sheet: &mut Sheet) {
        let alias = || (key::ALIAS, Cow::Owned(self.name.to_string()));
        for (outcome, counter) in self.by_outcome() {
            sheet.put(&names::REQUESTS, [alias(), (key::OUTCOME, outcome.label().into())], counter);
        }
        sheet.put(&names::REQUEST_DURATION, [alias()], &self.duration);
    }
}
