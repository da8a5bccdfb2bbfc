//! What one simulation leaves behind, for the checkers and for people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use seawall_core::targets::TargetStatus;

use crate::log::{Entry, Event, hash};
use crate::order::Order;
use crate::phases::Phases;

/// Everything about one finished simulation.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// It makes all of this again.
    pub seed: u64,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// The targets of each alias.
    pub aliases: BTreeMap<Arc<str>, Vec<TargetId>>,
    /// Index of each provider in the script.
    pub providers: BTreeMap<Arc<str>, usize>,
    /// Providers that never fail outside the script.
    pub steady: Vec<usize>,
    /// The script.
    pub script: Phases,
    /// Most time that a request has.
    pub longest: Duration,
    /// Most time that a streamed request has to its first content.
    pub first_content: Duration,
    /// Health some time after the healing, and when that was.
    pub after_heal: Option<(Duration, Vec<TargetStatus>)>,
    /// Health when all was over.
    pub at_end: Vec<TargetStatus>,
    /// Upstream calls still open when all was over.
    pub calls_left: u32,
    /// Clients still waiting when all was over.
    pub clients_left: usize,
    /// Background work still running when all was over.
    pub background_left: usize,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub invariant: &'static str,
    /// When, as far as that can be said.
    pub at: Duration,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// A broken rule.
    pub fn new(invariant: &'static str, at: Duration, what: impl Into<String>) -> Self {
        Self { invariant, at, what: what.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:.6}: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}

impl Record {
    /// The hash of the event log.
    pub fn hash(&self) -> u64 {
        hash(&self.entries)
    }

    /// Every order, with the moment of asking.
    pub fn orders(&self) -> BTreeMap<RequestId, (Duration, &Order)> {
        let asked = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Asked(order) => Some((order.id, (entry.at, order))),
            _ => None,
        });
        asked.collect()
    }

    /// When this order's time is over, counted from its asking.
    pub fn time_of(&self, order: &Order) -> Duration {
        order.deadline.map_or(self.longest, |wish| wish.min(self.longest))
    }

    /// By when this order must have content, counted from its asking.
    pub fn content_time_of(&self, order: &Order) -> Duration {
        let limit = self.time_of(order);
        if order.stream { limit.min(self.first_content) } else { limit }
    }
}
