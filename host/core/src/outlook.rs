//! The outlook on a target: how long its next call will take, judged by the calls that ended and by those that wait.
//!
//! Streamed calls are judged by the time to their first content, plain ones by the time of their whole answer; these are
//! different histories of one target. Times are divided by the request's [`SizeFactor`], so that a few long prompts do
//! not make a target look slow.
//!
//! | evidence | says | room |
//! |---|---|---|
//! | times of calls | where the 90th percentile will be in ten seconds | `trend` |
//! | calls that still wait | at least half as long again as the oldest has waited, once two and three of ten are late | `waiting` |
//! | the last 64 calls within 30 s | slow, once five and 7 % of them were | `recent` |
//! | failures | a price that grows with the square of their share | `errors` |
//! | the last 200 times | quantiles for time limits and hedging delays | `quantiles` |
//! | pauses inside streams | the limit for stalls | `gaps` |
//!
//! A call that was given up (a time limit, a loser, a client that left) took at least as long as it had waited; that is a
//! sample if it had waited for longer than the median, and else says nothing. Estimates of times change by evidence only.
//!
//! One short lock a target and kind; nothing allocates but the first samples of a target and a growing crowd of waiting
//! calls.

mod errors;
mod gaps;
mod quantiles;
mod recent;
#[cfg(test)]
mod tests;
mod trend;
mod waiting;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use errors::Errors;
pub(crate) use gaps::Gaps;
use quantiles::Quantiles;
use recent::Recent;
use trend::Trend;
use waiting::{Slot, Waiting};

/// What counts as slow unless an alias says otherwise: a conversation feels broken.
pub const STREAMED_SLO: Duration = Duration::from_millis(2_500);
/// The same of a whole answer; half the time that a plain call gets by default.
pub const PLAIN_SLO: Duration = Duration::from_secs(30);

/// Calls below which quantiles come from the trend instead of from counting.
const ENOUGH: usize = 20;
/// Late calls, and late calls of ten, from which on waiting says more than history.
const LATE: u32 = 2;
/// Late calls from which on calls under way are doubled.
const SUSPECT: u32 = 3;
/// A call that is late now will take at least so much of the oldest wait.
const LATE_FACTOR: f64 = 1.5;
/// What a target is scored whose recent calls are slow too often, in parts of what counts as slow.
const SLOW_FACTOR: f64 = 1.6;
/// What certain failure would cost, in parts of what counts as slow; 8 s at the default. Squared shares, so that a few
/// failures, which a retry hides, cost next to nothing.
const ERROR_FACTOR: f64 = 3.2;
/// A target without a sample for this long is not known any more.
const QUIET: Duration = Duration::from_secs(10);

/// Standard deviations up to the 95th and 99th percentile.
const Z_95: f64 = 1.64;
const Z_99: f64 = 2.33;

/// Which history a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Judged by its first content.
    Streamed,
    /// Judged by its whole answer.
    Plain,
}

impl CallKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Streamed, Self::Plain];

    /// Label for the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::Plain => "plain",
        }
    }

    /// What counts as slow unless an alias says otherwise.
    pub fn slo(self) -> Duration {
        match self {
            Self::Streamed => STREAMED_SLO,
            Self::Plain => PLAIN_SLO,
        }
    }
}

/// How much longer a request takes than a small one, because its prompt is larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeFactor(f64);

impl SizeFactor {
    /// A small request.
    pub const ONE: Self = Self(1.0);

    /// Of a prompt of this estimated size: one more for every 4096 tokens.
    pub fn of_tokens(tokens: u32) -> Self {
        const TOKENS_A_UNIT: f64 = 4_096.0;
        Self(1.0 + f64::from(tokens) / TOKENS_A_UNIT)
    }

    /// At least 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What is expected of the next call of one kind. Times are seconds of a request of size 1: multiply by the request's
/// [`SizeFactor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// What candidates are compared by: the time within which nine of ten calls start, ten seconds from now, plus a price
    /// for failures.
    pub score_s: f64,
    /// Half of the calls take no longer.
    pub p50_s: f64,
    /// 95 of 100 calls take no longer.
    pub p95_s: f64,
    /// 99 of 100 calls take no longer.
    pub q99_s: f64,
    /// 99 of 100 pauses inside streams are no longer; an upper bound, none while too few are known.
    pub gap_p99_s: Option<f64>,
    /// So many waiting calls are late that those under way are better doubled elsewhere.
    pub suspect: bool,
    /// How many calls that rests on, at most 200. Without any the times are a guess, below twenty an estimate.
    pub samples: u32,
    /// Share of failed calls, 0 to 1.
    pub error_rate: f64,
    /// Calls that wait.
    pub waiting: u32,
    /// Of those, how many have waited for longer than 95 of 100 calls lately did.
    pub late: u32,
}

/// What the end of a call's wait says about times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// It took this long.
    Took(Duration),
    /// It would have taken longer than this.
    Outlasted(Duration),
    /// Nothing.
    Silent,
}

/// A call's place among those that wait; given back exactly once.
#[derive(Debug)]
#[must_use = "a call that never ends to wait makes its target look dead"]
pub(crate) struct Place {
    slot: Slot,
    size: SizeFactor,
}

/// What is known of one target's calls of one kind.
#[derive(Debug)]
pub(crate) struct Outlook {
    epoch: Instant,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    trend: Trend,
    recent: Recent,
    quantiles: Quantiles,
    errors: Errors,
    gaps: Gaps,
    waiting: Waiting,
}

impl Known {
    fn nothing(kind: CallKind, waiting: Waiting) -> Self {
        Self {
            trend: Trend::assumed(kind),
            recent: Recent::default(),
            quantiles: Quantiles::default(),
            errors: Errors::default(),
            gaps: Gaps::default(),
            waiting,
        }
    }
}

impl Outlook {
    /// Nothing known yet. Moments are kept relative to `epoch`.
    pub(crate) fn new(kind: CallKind, epoch: Instant) -> Self {
        Self { epoch, known: Mutex::new(Known::nothing(kind, Waiting::default())) }
    }

    /// Forgets what was learned; calls under way go on waiting.
    pub(crate) fn reset(&self, kind: CallKind) {
        let mut known = self.lock();
        let waiting = std::mem::take(&mut known.waiting);
        *known = Known::nothing(kind, waiting);
    }

    /// A call begins to wait.
    pub(crate) fn begin(&self, now: Instant, size: SizeFactor) -> Place {
        let now_ms = self.ms(now);
        Place { slot: self.lock().waiting.enter(now_ms, size), size }
    }

    /// A call no longer waits. `failed` says whether it is known to be good or bad.
    pub(crate) fn end(&self, place: Place, now: Instant, evidence: Evidence, failed: Option<bool>) {
        let now_ms = self.ms(now);
        let mut known = self.lock();
        known.waiting.leave(place.slot);
        let normalised = |time: Duration| time.as_secs_f64() / place.size.get();
        let sample = match evidence {
            Evidence::Took(time) => Some(normalised(time)),
            Evidence::Outlasted(age) => Some(normalised(age)).filter(|age| *age > known.trend.median_s()),
            Evidence::Silent => None,
        };
        if let Some(seconds) = sample {
            known.trend.observe(now, seconds);
            known.recent.push(now_ms, seconds);
            known.quantiles.push(seconds);
        }
        if let Some(failed) = failed {
            known.errors.observe(now, failed);
        }
    }

    /// A call that had come broke later.
    pub(crate) fn broke(&self, now: Instant) {
        self.lock().errors.observe(now, true);
    }

    /// A stream's pauses.
    pub(crate) fn paused(&self, stream: &Gaps) {
        self.lock().gaps.add(stream);
    }

    /// Nobody has heard of such calls for a while, and nobody is about to.
    pub(crate) fn is_quiet(&self, now: Instant) -> bool {
        let known = self.lock();
        let last = known.trend.last();
        known.waiting.is_empty() && last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET)
    }

    /// What is expected of the next call, for those to whom more than `slo` is slow.
    pub(crate) fn forecast(&self, now: Instant, slo: Duration) -> Forecast {
        let now_ms = self.ms(now);
        let slo = slo.as_secs_f64();
        let known = self.lock();
        let waits = known.waiting.late(now_ms, known.trend.p95_s());
        let error_rate = known.errors.share(now);
        let mut score_s = known.trend.p90_ahead_s();
        if waits.at_least(LATE) {
            score_s = score_s.max(LATE_FACTOR * waits.oldest_s);
        }
        if known.recent.is_slow(now_ms, slo) {
            score_s = score_s.max(SLOW_FACTOR * slo);
        }
        score_s += ERROR_FACTOR * slo * error_rate * error_rate;
        Forecast {
            score_s,
            p50_s: known.quantile_s(500, 0.0),
            p95_s: known.quantile_s(950, Z_95),
            q99_s: known.quantile_s(990, Z_99),
            gap_p99_s: known.gaps.p99_s(),
            suspect: waits.at_least(SUSPECT),
            samples: u32::try_from(known.quantiles.len()).unwrap_or(u32::MAX),
            error_rate,
            waiting: waits.waiting,
            late: waits.late,
        }
    }

    fn ms(&self, moment: Instant) -> u32 {
        let since = moment.saturating_duration_since(self.epoch);
        let ms = since.as_secs().wrapping_mul(1_000).wrapping_add(u64::from(since.subsec_millis()));
        // Ages are told apart up to half of what fits: 24 days.
        u32::try_from(ms & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// Each step leaves valid estimates, so a lock poisoned by a foreign panic is still good.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Counted where enough is known, else by the trend.
    fn quantile_s(&self, per_mille: usize, z: f64) -> f64 {
        match self.quantiles.at(per_mille) {
            Some(counted) if self.quantiles.len() >= ENOUGH => counted,
            _ => self.trend.quantile_s(z),
        }
    }
}
