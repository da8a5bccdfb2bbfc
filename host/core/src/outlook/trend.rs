//! Where a target's times are going: fast and slow moving averages of their logarithms, and the spread.
//!
//! Logarithms, because such times are spread by factors, not by seconds. The averages move with samples only: a target
//! that nobody calls stays as good or as bad as it was last seen, for an estimate that grows better by waiting sends
//! clients back to a dead target again and again.

use std::time::Duration;

use tokio::time::Instant;

use super::CallKind;

/// Memory of the fast average.
const FAST_S: f64 = 5.0;
/// Memory of the slow average.
const SLOW_S: f64 = 60.0;
/// A sample's weight in the fast average: a burst still moves it, and one odd call does not own it.
const FAST_WEIGHT: (f64, f64) = (0.05, 0.5);
/// A sample's weight in the slow average.
const SLOW_WEIGHT: (f64, f64) = (0.005, 0.1);
/// What is assumed beforehand weighs as much as this many calls.
const ASSUMED_CALLS: f64 = 3.0;
/// The largest weight of a sample in the spread.
const SPREAD_WEIGHT: f64 = 0.05;
/// Logarithms further off than this (squared) say no more about the spread.
const SPREAD_CAP: f64 = 4.0;
/// The spread is believed within these bounds.
const SPREAD: (f64, f64) = (0.2, 1.0);
/// A fast average above the slow one by less than about two standard errors is noise.
const NOISE: f64 = 0.15;
/// The largest gap that is extrapolated.
const LARGEST_GAP: f64 = 1.5;
/// How far a gap grows in the ten seconds of the forecast: the averages lie 55 s apart.
const AHEAD: f64 = 10.0 / (SLOW_S - FAST_S);
/// Standard deviations up to the 90th and 95th percentile.
const Z_90: f64 = 1.28;
const Z_95: f64 = 1.64;

/// Averages of one kind of call.
#[derive(Debug)]
pub(super) struct Trend {
    fast: f64,
    slow: f64,
    variance: f64,
    samples: u32,
    last: Option<Instant>,
    derived: Derived,
}

/// Kept, because it is asked for more often than it changes.
#[derive(Clone, Copy, Debug, Default)]
struct Derived {
    median_s: f64,
    p95_s: f64,
    p90_ahead_s: f64,
}

impl Trend {
    /// What is assumed of a target without history. Its 90th percentile is within the default of what is acceptable, so
    /// that the operator's first choice is tried first.
    pub(super) fn assumed(kind: CallKind) -> Self {
        const VARIANCE: f64 = 0.25;
        let median = match kind {
            CallKind::Streamed => 1.0_f64,
            CallKind::Plain => 8.0,
        };
        let (fast, slow) = (median.ln(), median.ln());
        let derived = Derived::default();
        let mut trend = Self { fast, slow, variance: VARIANCE, samples: 0, last: None, derived };
        trend.derived = trend.derive();
        trend
    }

    /// One call took, or would have taken at least, this long.
    pub(super) fn observe(&mut self, now: Instant, seconds: f64) {
        let since =
            self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last)).as_secs_f64();
        self.samples = self.samples.saturating_add(1);
        // The first samples share their weight evenly, so that both averages start out equal.
        let young = 1.0 / (f64::from(self.samples) + ASSUMED_CALLS);
        let weight = |memory: f64, (least, most): (f64, f64)| {
            (1.0 - (-since / memory).exp()).clamp(least, most).max(young)
        };
        let log = seconds.max(0.001).ln();
        let off = log - self.fast;
        let fast = weight(FAST_S, FAST_WEIGHT);
        self.fast += fast * off;
        self.slow += weight(SLOW_S, SLOW_WEIGHT) * (log - self.slow);
        let spread = (fast / 2.0).min(SPREAD_WEIGHT);
        self.variance = (1.0 - spread) * (self.variance + spread * (off * off).min(SPREAD_CAP));
        self.last = self.last.max(Some(now));
        self.derived = self.derive();
    }

    /// The 90th percentile ten seconds from now.
    pub(super) fn p90_ahead_s(&self) -> f64 {
        self.derived.p90_ahead_s
    }

    /// The present median.
    pub(super) fn median_s(&self) -> f64 {
        self.derived.median_s
    }

    /// The present 95th percentile.
    pub(super) fn p95_s(&self) -> f64 {
        self.derived.p95_s
    }

    /// The present time at `z` standard deviations.
    pub(super) fn quantile_s(&self, z: f64) -> f64 {
        (self.fast + z * self.variance.sqrt().max(SPREAD.0)).exp()
    }

    /// When the last sample came.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    fn derive(&self) -> Derived {
        let gap = (self.fast - self.slow - NOISE).clamp(0.0, LARGEST_GAP);
        let ahead = self.fast + gap * AHEAD + Z_90 * self.variance.sqrt().clamp(SPREAD.0, SPREAD.1);
        Derived { median_s: self.fast.exp(), p95_s: self.quantile_s(Z_95), p90_ahead_s: ahead.exp() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `calls` of so many seconds, one in `every`, and gives the forecast.
    fn feed(trend: &mut Trend, from: Instant, calls: u32, every: Duration, seconds: f64) -> Instant {
        let mut now = from;
        for _ in 0..calls {
            now += every;
            trend.observe(now, seconds);
        }
        now
    }

    fn near(got: f64, expect: f64) {
        assert!((got / expect - 1.0).abs() < 0.05, "{got} is not near {expect}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_target_is_forecast_as_it_is() {
        let mut trend = Trend::assumed(CallKind::Streamed);
        near(trend.p90_ahead_s(), 1.9);
        feed(&mut trend, Instant::now(), 400, Duration::from_millis(50), 0.6);
        near(trend.quantile_s(0.0), 0.6);
        near(trend.p90_ahead_s(), 0.6 * (1.28_f64 * 0.2).exp());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_call_does_not_decide() {
        let mut trend = Trend::assumed(CallKind::Streamed);
        trend.observe(Instant::now(), 2.4);
        assert!(trend.p90_ahead_s() < 2.5, "{trend:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rise_is_extrapolated_and_a_fall_is_not() {
        let (mut rising, mut falling) =
            (Trend::assumed(CallKind::Streamed), Trend::assumed(CallKind::Streamed));
        let every = Duration::from_millis(100);
        let start = Instant::now();
        for (trend, seconds) in [(&mut rising, 0.5), (&mut falling, 4.0)] {
            feed(trend, start, 2_000, every, seconds);
        }
        let later = start + every * 2_000;
        feed(&mut rising, later, 100, every, 2.0);
        feed(&mut falling, later, 100, every, 2.0);
        let now = |trend: &Trend| trend.quantile_s(Z_90);
        assert!(rising.p90_ahead_s() > 1.1 * now(&rising), "{rising:?}");
        near(falling.p90_ahead_s(), now(&falling));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_changes_nothing() {
        let mut trend = Trend::assumed(CallKind::Streamed);
        let end = feed(&mut trend, Instant::now(), 50, Duration::from_millis(100), 9.0);
        let before = trend.p90_ahead_s();
        assert!((trend.p90_ahead_s() - before).abs() < f64::EPSILON);
        // After an hour one good call has the weight of one call.
        trend.observe(end + Duration::from_hours(1), 0.5);
        assert!(trend.p90_ahead_s() > 2.5, "{trend:?}");
    }

    /// How many good calls a target that was bad needs to be acceptable again.
    #[tokio::test(start_paused = true)]
    async fn a_handful_of_good_calls_rehabilitates() {
        let mut trend = Trend::assumed(CallKind::Streamed);
        let mut now = feed(&mut trend, Instant::now(), 400, Duration::from_millis(50), 7.0);
        let mut calls = 0;
        while trend.p90_ahead_s() > 2.5 {
            now += Duration::from_secs(10);
            trend.observe(now, 0.6);
            calls += 1;
        }
        assert!((2..=5).contains(&calls), "one is not enough: {calls}");
    }
}
