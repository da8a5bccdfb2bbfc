//! What an alias may spend on calls beside those that its clients wait for: a share of its own traffic, and a few at
//! once. Counted in twentieths of a call, so that each request pays in one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A call costs so many requests: 5 % of the traffic.
const PRICE: u32 = 20;
/// Most hedges at once.
const HEDGES: u32 = 10;
/// Most sampling twins at once.
const TWINS: u32 = 2;
/// Aliases whose purse is remembered; names may be a client's.
const ALIASES_CAP: usize = 1_024;

/// One alias' means.
#[derive(Debug)]
pub struct Purse {
    hedges: Bucket,
    twins: Bucket,
}

#[derive(Debug)]
struct Bucket {
    twentieths: AtomicU32,
    most: u32,
}

impl Bucket {
    /// Full, so that a young gateway may hedge too.
    fn new(calls: u32) -> Self {
        Self { twentieths: AtomicU32::new(calls * PRICE), most: calls * PRICE }
    }

    fn credit(&self) {
        // Nearly always full: a look costs less than a change.
        if self.twentieths.load(Ordering::Relaxed) < self.most {
            let more = |has: u32| (has < self.most).then_some(has + 1);
            let _full = self.twentieths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    fn has(&self) -> bool {
        self.twentieths.load(Ordering::Relaxed) >= PRICE
    }

    fn take(&self) -> bool {
        let less = |has: u32| has.checked_sub(PRICE);
        self.twentieths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Purse {
    fn new() -> Self {
        Self { hedges: Bucket::new(HEDGES), twins: Bucket::new(TWINS) }
    }

    pub(super) fn credit(&self) {
        self.hedges.credit();
        self.twins.credit();
    }

    /// Whether a hedge could be paid now.
    pub fn may_hedge(&self) -> bool {
        self.hedges.has()
    }

    /// Pays one hedge.
    pub fn take_hedge(&self) -> bool {
        self.hedges.take()
    }

    /// Pays one sampling twin.
    pub fn take_twin(&self) -> bool {
        self.twins.take()
    }
}

/// Every alias' purse.
#[derive(Debug, Default)]
pub(super) struct Purses(RwLock<HashMap<Arc<str>, Arc<Purse>>>);

impl Purses {
    pub(super) fn get(&self, alias: &Arc<str>) -> Option<Arc<Purse>> {
        if let Some(purse) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(alias) {
            return Some(Arc::clone(purse));
        }
        let mut purses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if purses.len() >= ALIASES_CAP && !purses.contains_key(alias) {
            return None;
        }
        Some(Arc::clone(purses.entry(Arc::clone(alias)).or_insert_with(|| Arc::new(Purse::new()))))
    }
}
