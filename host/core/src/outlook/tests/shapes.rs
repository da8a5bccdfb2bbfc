//! Targets of known shapes: log-normal times with a tail, sound, slowing down, silent. What is asked is when the outlook
//! on them stops being acceptable.

use super::*;
use crate::random::Random;

/// Calls go to one target, whatever is thought of it.
struct Shape {
    random: Random,
    outlook: Outlook,
    start: Instant,
    /// Calls under way with the moment at which each comes.
    under_way: Vec<(Instant, Duration, Place)>,
}

impl Shape {
    fn new(seed: u64) -> Self {
        let start = Instant::now();
        let outlook = Outlook::new(CallKind::Streamed, start);
        Self { random: Random::seeded(seed), outlook, start, under_way: Vec::new() }
    }

    /// Median 0.6 s, spread 0.45, one of a hundred five times as long; none in a thousand comes never.
    fn time_s(&self, times: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.random.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.random.unit()).cos();
        let tail = if self.random.unit() < 0.01 { 5.0 } else { 1.0 };
        let hang = if self.random.unit() < 0.001 { 100.0 } else { 1.0 };
        0.6 * (0.45 * normal).exp() * tail * hang * times
    }

    /// Calls at this rate from second to second; `times` says how much longer than usual a call takes that begins then.
    /// Gives the second of each call, and whether the outlook was acceptable then.
    fn run(&mut self, from_s: f64, to_s: f64, per_s: f64, times: impl Fn(f64) -> f64) -> Vec<(f64, bool)> {
        let mut seen = Vec::new();
        let mut at = from_s;
        while at < to_s {
            let now = self.start + Duration::from_secs_f64(at);
            self.settle(now);
            seen.push((at, self.outlook.forecast(now, STREAMED_SLO).score_s <= 2.5));
            // A time limit of ten seconds.
            let took = Duration::from_secs_f64(self.time_s(times(at)).min(10.0));
            self.under_way.push((now + took, took, self.outlook.begin(now, SizeFactor::ONE)));
            at -= (1.0 - self.random.unit()).ln() / per_s;
        }
        seen
    }

    fn settle(&mut self, now: Instant) {
        while let Some(next) = (0..self.under_way.len())
            .min_by_key(|n| self.under_way[*n].0)
            .filter(|n| self.under_way[*n].0 <= now)
        {
            let (at, took, place) = self.under_way.swap_remove(next);
            let (evidence, failed) = match took < Duration::from_secs(10) {
                true => (Evidence::Took(took), false),
                false => (Evidence::Outlasted(took), true),
            };
            self.outlook.end(place, at, evidence, Some(failed));
        }
    }
}

const RATES: [f64; 3] = [0.5, 2.0, 20.0];

/// Percent of calls that saw an unacceptable outlook.
fn bad_percent(seen: &[(f64, bool)]) -> f64 {
    100.0 * seen.iter().filter(|(_, good)| !good).count() as f64 / seen.len() as f64
}

#[tokio::test(start_paused = true)]
async fn noise_does_not_move_a_sound_target() {
    for per_s in RATES {
        let seen: Vec<_> =
            (0..10).flat_map(|seed| Shape::new(seed).run(0.0, 600.0, per_s, |_| 1.0)).collect();
        let bad = bad_percent(&seen);
        assert!(bad < 3.0, "{bad:.1} % of {} calls at {per_s}/s", seen.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_slows_down_is_left_before_it_hangs() {
    for per_s in RATES {
        // Eight times as slow after two minutes; it would hang at 420 s.
        let slower = |at: f64| 1.0 + 7.0 * (at - 300.0) / 120.0;
        let last_seconds = |seed| {
            let mut shape = Shape::new(seed);
            shape.run(0.0, 300.0, per_s, |_| 1.0);
            shape.run(300.0, 405.0, per_s, slower);
            shape.run(405.0, 420.0, per_s, slower)
        };
        let seen: Vec<_> = (0..20).flat_map(last_seconds).collect();
        let bad = bad_percent(&seen);
        assert!(bad > 99.0, "{bad:.1} % of {} calls at {per_s}/s", seen.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_falls_silent_is_seen_by_who_waits() {
    let last_good = |seed| {
        let mut shape = Shape::new(seed);
        shape.run(0.0, 120.0, 20.0, |_| 1.0);
        let seen = shape.run(120.0, 128.0, 20.0, |_| 1_000.0);
        seen.iter().filter(|(_, good)| *good).map(|(at, _)| at - 120.0).fold(0.0, f64::max)
    };
    let mut seen_after: Vec<f64> = (0..20).map(last_good).collect();
    seen_after.sort_by(f64::total_cmp);
    assert!(
        seen_after[10] < 3.0,
        "{seen_after:.2?} s after the first silent call, long before any time limit"
    );
    assert!(seen_after[19] < 5.0, "{seen_after:.2?}");
}
