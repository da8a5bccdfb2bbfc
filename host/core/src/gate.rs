//! Gates: reasons not to call a target now that say nothing about its health. A rate limit, a refused credential, a
//! used-up allowance and an unknown model each have their own gate, so that each is seen and ends for its own reason; so
//! have the learned pace and the learned number of calls under way.
//!
//! Asking a gate is one atomic load while all is well. A gate with a time only ever closes for longer: a later, shorter
//! hint does not shorten a longer one. Nothing here fails.

mod limit;
mod pace;
#[cfg(test)]
mod tests;

pub(crate) use limit::Limit;
pub(crate) use pace::Pace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::random::Random;

/// How long a refused credential rests, unless the configuration changes.
pub const CREDENTIAL_PAUSE: Duration = Duration::from_mins(30);
/// How long a used-up allowance rests when its reset is not known.
pub const QUOTA_PAUSE: Duration = Duration::from_mins(30);
/// The longest a known reset is believed; some allowances come back by the month, and somebody may pay earlier.
pub const QUOTA_CAP: Duration = Duration::from_hours(24);
/// How long a model rests that its provider does not know.
pub const MISSING_MODEL_PAUSE: Duration = Duration::from_mins(5);
/// The longest a rate limit's hint is believed.
pub const RATE_HINT_CAP: Duration = Duration::from_mins(5);

const BACKOFF_BASE: Duration = Duration::from_secs(1);
const BACKOFF_CAP: Duration = Duration::from_mins(1);
const BACKOFF_JITTER: f64 = 0.2;
const STORM_LIMITS: usize = 5;
const STORM_SPAN: Duration = Duration::from_secs(10);

/// Closed until a moment.
#[derive(Debug)]
pub(crate) struct Until {
    epoch: Instant,
    /// Nanoseconds after the epoch; 0 = open, and then the clock does not matter.
    end_ns: AtomicU64,
}

impl Until {
    /// An open gate. Moments are kept relative to `epoch`.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, end_ns: AtomicU64::new(0) }
    }

    /// What is left, `None` when open.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let end = self.end_ns.load(Ordering::Relaxed);
        if end == 0 {
            return None;
        }
        let left = Duration::from_nanos(end.saturating_sub(self.nanos(now)));
        (!left.is_zero()).then_some(left)
    }

    /// Closes for at least `time`; `true` when it was open before.
    pub(crate) fn close(&self, now: Instant, time: Duration) -> bool {
        let now_ns = self.nanos(now);
        let end = now_ns.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let before = self.end_ns.fetch_max(end, Ordering::Relaxed);
        before <= now_ns && end > now_ns
    }

    /// Opens.
    pub(crate) fn open(&self) {
        self.end_ns.store(0, Ordering::Relaxed);
    }

    fn nanos(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What closing a rate gate led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// It was open before.
    pub(crate) newly: bool,
    /// Too many limits without a hint and without a success between: counts as one failure of the target.
    pub(crate) storm: bool,
}

/// A rate limit of a target or of a whole credential.
///
/// With a hint it closes until the hint. Without one it backs off, 1 s doubling to 60 s; limits that arrive while it is
/// closed belong to the burst that closed it and do not double again. A provider that says when to come back is
/// healthy; one that only ever says no, five times in ten seconds, is reported as failing, at most once in ten seconds,
/// so that one burst never opens a breaker.
#[derive(Debug)]
pub(crate) struct RateGate {
    until: Until,
    /// Limits since the last success; lets a success skip the lock.
    dirty: AtomicU64,
    backoff: Mutex<Backoff>,
}

#[derive(Debug, Default)]
struct Backoff {
    doublings: u32,
    /// When the last limits without a hint came, oldest first.
    recent: [Option<Instant>; STORM_LIMITS],
    /// Outlives a success: where one call in ten is served, storms must not be half of what the breaker hears.
    reported: Option<Instant>,
}

impl RateGate {
    /// An open gate.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { until: Until::new(epoch), dirty: AtomicU64::new(0), backoff: Mutex::default() }
    }

    /// What is left, `None` when open.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.left(now)
    }

    /// The provider asked for a pause. A hint of zero is none: closing for no time would invite the next refusal.
    pub(crate) fn limited(&self, now: Instant, hint: Option<Duration>, random: &Random) -> Limited {
        self.dirty.fetch_add(1, Ordering::Relaxed);
        if let Some(hint) = hint.filter(|hint| !hint.is_zero()) {
            return Limited { newly: self.until.close(now, hint.min(RATE_HINT_CAP)), storm: false };
        }
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        let storm = backoff.count(now);
        if self.until.left(now).is_some() {
            return Limited { newly: false, storm };
        }
        let pause = BACKOFF_BASE.saturating_mul(2_u32.saturating_pow(backoff.doublings)).min(BACKOFF_CAP);
        backoff.doublings = backoff.doublings.saturating_add(1);
        let jittered = pause.mul_f64(random.between(1.0 - BACKOFF_JITTER, 1.0 + BACKOFF_JITTER));
        Limited { newly: self.until.close(now, jittered.min(BACKOFF_CAP)), storm }
    }

    /// A call brought content: the back-off starts afresh. A closed gate stays closed until its time.
    pub(crate) fn succeeded(&self) {
        if self.dirty.swap(0, Ordering::Relaxed) != 0 {
            let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
            *backoff = Backoff { reported: backoff.reported, ..Backoff::default() };
        }
    }

    /// Opens and forgets.
    pub(crate) fn reset(&self) {
        self.until.open();
        self.succeeded();
    }
}

impl Backoff {
    fn count(&mut self, now: Instant) -> bool {
        let in_span = |start: Option<Instant>| {
            start.is_some_and(|start| now.saturating_duration_since(start) < STORM_SPAN)
        };
        self.recent.rotate_left(1);
        if let Some(newest) = self.recent.last_mut() {
            *newest = Some(now);
        }
        let storm = in_span(self.recent.first().copied().flatten()) && !in_span(self.reported);
        if storm {
            self.reported = Some(now);
        }
        storm
    }
}

/// Whether a credential is accepted and has an allowance left; for a provider as a whole, or for one model of it.
#[derive(Debug)]
pub(crate) struct CredentialGate {
    refused: Until,
    used_up: Until,
}

impl CredentialGate {
    /// An open gate.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { refused: Until::new(epoch), used_up: Until::new(epoch) }
    }

    /// The provider refuses the credential; `true` when that is new.
    pub(crate) fn refuse(&self, now: Instant) -> bool {
        self.refused.close(now, CREDENTIAL_PAUSE)
    }

    /// The allowance is used up until the known reset; says whether that is new, and for how long.
    pub(crate) fn use_up(&self, now: Instant, reset: Option<Duration>) -> (bool, Duration) {
        let time = reset.filter(|reset| !reset.is_zero()).map_or(QUOTA_PAUSE, |reset| reset.min(QUOTA_CAP));
        (self.used_up.close(now, time), time)
    }

    /// What is left of a refusal.
    pub(crate) fn refused(&self, now: Instant) -> Option<Duration> {
        self.refused.left(now)
    }

    /// What is left until the allowance comes back.
    pub(crate) fn used_up(&self, now: Instant) -> Option<Duration> {
        self.used_up.left(now)
    }

    /// Opens both: the operator changed something.
    pub(crate) fn reset(&self) {
        self.refused.open();
        self.used_up.open();
    }
}
