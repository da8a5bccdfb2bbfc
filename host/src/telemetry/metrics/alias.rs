//! What is counted of one alias.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::note::Outcome;

use super::super::figures::{Counter, Histogram, REQUEST_TIMES, Sheet};
use super::super::names::{self, key};
use super::of;
use crate::lanes::Lanes;

/// Every outcome, in the order of its counters.
pub(super) const OUTCOMES: [Outcome; 5] =
    [Outcome::Primary, Outcome::Fallback, Outcome::Failed, Outcome::Interrupted, Outcome::Cancelled];

#[derive(Debug)]
pub(super) struct AliasFigures {
    pub(super) name: Arc<str>,
    ends: Lanes<Ends>,
}

/// Requests that ended.
#[derive(Debug)]
struct Ends {
    by_outcome: [Counter; OUTCOMES.len()],
    duration: Histogram,
}

impl AliasFigures {
    pub(super) fn new(name: Arc<str>) -> Self {
        let none = || Ends { by_outcome: Default::default(), duration: Histogram::new(&REQUEST_TIMES) };
        Self { name, ends: Lanes::new(none) }
    }

    pub(super) fn ended(&self, outcome: Outcome, after: Duration) {
        let ends = self.ends.mine();
        of(&OUTCOMES, &ends.by_outcome, outcome).into_iter().for_each(Counter::one);
        ends.duration.took(after);
    }

    pub(super) fn by_outcome(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let sum = |outcome| {
            let counters = self.ends.all().filter_map(|ends| of(&OUTCOMES, &ends.by_outcome, outcome));
            counters.map(Counter::get).sum()
        };
        OUTCOMES.into_iter().map(move |outcome| (outcome, sum(outcome)))
    }

    pub(super) fn is_used(&self) -> bool {
        self.by_outcome().any(|(_, count)| count > 0)
    }

    pub(super) fn gather(&self, sheet: &mut Sheet) {
        let alias = || (key::ALIAS, Cow::Owned(self.name.to_string()));
        for (outcome, count) in self.by_outcome() {
            sheet.put(&names::REQUESTS, [alias(), (key::OUTCOME, outcome.label().into())], count);
        }
        if let Some(durations) = self.ends.spread(|ends| Some(&ends.duration)) {
            sheet.put(&names::REQUEST_DURATION, [alias()], durations);
        }
    }
}
