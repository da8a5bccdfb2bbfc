//! Chance, from one seed. Every party of a simulation has dice of its own, so that one more throw here moves nothing
//! there.

use std::f64::consts::PI;
use std::time::Duration;

use seawall_core::random::{mix, unit_of};

/// SplitMix64 with the distributions that providers and clients need.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same throws.
    pub fn seeded(seed: u64) -> Self {
        Self(mix(seed ^ 0x5ea_a11))
    }

    /// Other dice, independent of these, for the party of this number.
    pub fn for_party(seed: u64, party: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(mix(party.wrapping_add(1)))))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        unit_of(self.bits())
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..n; 0 for an empty range.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.bits() % n).unwrap_or(0)
    }

    /// True in this share of throws.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of these; the first of a single one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// Any order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (2.0 * PI * angle).cos()
    }

    /// Log-normal by its median.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Time to the next arrival at this many a second.
    pub fn arrival(&mut self, per_second: f64) -> Duration {
        seconds(-(1.0 - self.unit()).ln() / per_second)
    }
}

/// A duration that is never negative and never absurd.
pub fn seconds(value: f64) -> Duration {
    const LONGEST: f64 = 86_400.0;
    Duration::from_secs_f64(if value.is_finite() { value.clamp(0.0, LONGEST) } else { LONGEST })
}
