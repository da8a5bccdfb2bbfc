//! Budgets: how many upstream calls the gateway may make in all, so that its own retries never become the outage.
//!
//! Four limits, from narrow to wide. Per request: at most max(4, candidates) attempts, and a second one on a target only
//! while the attempts left outnumber the candidates not yet tried. Per alias, calls beside those that clients wait for: a
//! [`Purse`]. Per process, same-target retries: a fifth of the requests under way, and three. Per process, all attempts
//! of ten seconds, hidden ones included: twice the requests, and twenty. None of them refuses the first attempt on a
//! candidate that was not tried yet: moving all traffic away from a dead target is what a cascade is for.

mod purse;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use purse::Purse;
use purse::Purses;

use crate::breaker::window::Window;
use crate::ports::Clock;

/// Fewest attempts a request may make.
const ATTEMPTS_MIN: u32 = 4;
/// Same-target retries under way: this share of the requests under way, in percent ...
const RETRY_PERCENT: u32 = 20;
/// ... and these, so that a lone request may retry.
const RETRY_FLOOR: u32 = 3;
/// Over this time ...
const CEILING_SPAN: Duration = Duration::from_secs(10);
/// ... attempts stay below this many times the requests ...
const CEILING_FACTOR: u64 = 2;
/// ... and these.
const CEILING_FLOOR: u64 = 20;

const REQUESTS: usize = 0;
const ATTEMPTS: usize = 1;

/// What an attempt is, before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// The first on a candidate; never refused.
    First,
    /// The same target once more, right after it failed.
    Retry,
    /// A candidate that was tried before, in a later round.
    Again,
    /// The first on a candidate, beside a call that is late. It may still help, so the process' ceiling refuses it.
    Hedge,
}

/// Why an attempt may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The request made as many as it may, or the rest is kept for candidates not yet tried.
    Request,
    /// Too many same-target retries are under way.
    Retries,
    /// The process made too many attempts in the last seconds.
    Process,
}

/// The process' budget.
#[derive(Debug)]
pub struct Budget {
    clock: Arc<dyn Clock>,
    requests: AtomicU32,
    retries: AtomicU32,
    recent: Mutex<Window<2>>,
    purses: Purses,
}

/// One request's share. Dropping it ends the request for the budget.
#[derive(Debug)]
pub struct RequestBudget {
    process: Arc<Budget>,
    cap: u32,
    made: u32,
    untried: u32,
}

/// The leave to make one attempt. Keep it while the attempt runs to its first content or failure.
#[derive(Debug)]
#[must_use = "an attempt counts as over when its leave is dropped"]
pub struct Leave {
    /// Only a retry occupies something.
    retry_of: Option<Arc<Budget>>,
    /// When the process counted it.
    tick: u64,
}

impl Budget {
    /// Nothing spent.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let recent = Mutex::new(Window::new(clock.now(), CEILING_SPAN));
        Self {
            clock,
            requests: AtomicU32::new(0),
            retries: AtomicU32::new(0),
            recent,
            purses: Purses::default(),
        }
    }

    /// A request with this many candidates begins.
    pub fn request(self: &Arc<Self>, candidates: usize) -> RequestBudget {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.recent().add(self.clock.now(), REQUESTS);
        let untried = u32::try_from(candidates).unwrap_or(u32::MAX);
        RequestBudget { process: Arc::clone(self), cap: untried.max(ATTEMPTS_MIN), made: 0, untried }
    }

    /// The purse of an alias, credited with one request; none when too many aliases are known.
    pub fn purse(&self, alias: &Arc<str>) -> Option<Arc<Purse>> {
        let purse = self.purses.get(alias)?;
        purse.credit();
        Some(purse)
    }

    /// Counts a hidden call; `false` when it would go over the ceiling. A probe never does: breakers must be able to
    /// close while everything fails.
    pub fn twin(&self, probe: bool) -> bool {
        self.count_attempt(!probe).is_some()
    }

    /// Takes one place among the same-target retries.
    fn take_retry(&self) -> bool {
        let limit = self.requests.load(Ordering::Relaxed).saturating_mul(RETRY_PERCENT) / 100 + RETRY_FLOOR;
        let room = |running: u32| (running < limit).then_some(running.saturating_add(1));
        self.retries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    /// Counts an attempt and says in which tick, unless it would go over the ceiling and may be refused.
    fn count_attempt(&self, may_refuse: bool) -> Option<u64> {
        let now: Instant = self.clock.now();
        let mut recent = self.recent();
        if may_refuse {
            let sums = recent.sums(now);
            let [requests, attempts] = sums;
            if attempts >= requests.saturating_mul(CEILING_FACTOR).saturating_add(CEILING_FLOOR) {
                return None;
            }
        }
        Some(recent.add(now, ATTEMPTS))
    }

    fn recent(&self) -> MutexGuard<'_, Window<2>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestBudget {
    /// Asks for one attempt and counts it when granted.
    pub fn attempt(&mut self, kind: AttemptKind) -> Result<Leave, Spent> {
        let left = self.cap.saturating_sub(self.made);
        let affordable = match kind {
            // Only in a later round may this refuse: what was passed over gave its place to second attempts.
            AttemptKind::First | AttemptKind::Hedge => left > 0,
            AttemptKind::Retry | AttemptKind::Again => left > self.untried,
        };
        if !affordable {
            return Err(Spent::Request);
        }
        let retry_of = match kind {
            AttemptKind::Retry if !self.process.take_retry() => return Err(Spent::Retries),
            AttemptKind::Retry => Some(Arc::clone(&self.process)),
            AttemptKind::First | AttemptKind::Again | AttemptKind::Hedge => None,
        };
        // Dropped with its place among the retries if the process has none left.
        let mut leave = Leave { retry_of, tick: 0 };
        leave.tick = self.process.count_attempt(kind != AttemptKind::First).ok_or(Spent::Process)?;
        if matches!(kind, AttemptKind::First | AttemptKind::Hedge) {
            self.untried = self.untried.saturating_sub(1);
        }
        self.made = self.made.saturating_add(1);
        Ok(leave)
    }

    /// The retry was not made after all: it was never counted.
    pub fn give_back(&mut self, leave: Leave) {
        self.made = self.made.saturating_sub(1);
        self.process.recent().take_back(self.process.clock.now(), leave.tick, ATTEMPTS);
    }

    /// A candidate was passed over (refused, unfit): nothing is kept for it any more in this round.
    pub fn passed_over(&mut self) {
        self.untried = self.untried.saturating_sub(1);
    }

    /// Everybody has had a turn, and so many were never tried. `false` when no attempt is left.
    pub fn new_round(&mut self, untried: usize) -> bool {
        self.untried = u32::try_from(untried).unwrap_or(u32::MAX);
        self.has_attempts()
    }

    /// Whether any attempt is left.
    pub fn has_attempts(&self) -> bool {
        self.made < self.cap
    }

    /// Attempts granted so far.
    pub fn made(&self) -> u32 {
        self.made
    }
}

impl Drop for RequestBudget {
    fn drop(&mut self) {
        self.process.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(process) = &self.retry_of {
            process.retries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
