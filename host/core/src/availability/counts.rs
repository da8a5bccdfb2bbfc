//! Counts that fade, and what they say.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::beta;

/// How far back a figure looks: what is older by this time counts half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfLife {
    /// Five minutes: what is going on.
    Minutes,
    /// An hour.
    Hour,
    /// Thirty days: what to plan with.
    Month,
}

impl HalfLife {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Month];

    /// How long it is.
    pub fn time(self) -> Duration {
        match self {
            Self::Minutes => Duration::from_mins(5),
            Self::Hour => Duration::from_hours(1),
            Self::Month => Duration::from_hours(24 * 30),
        }
    }
}

/// Fewer say nothing.
pub const ENOUGH_SAMPLES: f64 = 30.0;
/// Of a standard normal: 95 % lie within.
const Z: f64 = 1.959_964;

/// Good and bad ends in one half-life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) good: f64,
    pub(crate) bad: f64,
}

impl Count {
    pub(crate) fn samples(self) -> f64 {
        self.good + self.bad
    }

    pub(crate) fn is_enough(self) -> bool {
        self.samples() >= ENOUGH_SAMPLES
    }

    /// The mean of the posterior of a failure, from Jeffreys' prior. Never 0: nobody is perfect for having been so far.
    pub(crate) fn failure(self) -> f64 {
        (self.bad + 0.5) / (self.samples() + 1.0)
    }

    /// How uncertain the logarithm of it is (delta method).
    pub(crate) fn variance_of_ln(self) -> f64 {
        let q = self.failure();
        (1.0 - q) / (q * (self.samples() + 1.0))
    }

    /// Its availability with the equal-tailed 95 % band of the posterior.
    pub(crate) fn estimate(self) -> Estimate {
        if !self.is_enough() {
            return Estimate::too_few(self.samples());
        }
        let (a, b) = (self.good + 0.5, self.bad + 0.5);
        Estimate::known(
            self.samples(),
            1.0 - self.failure(),
            (beta::quantile(0.025, a, b), beta::quantile(0.975, a, b)),
        )
    }
}

/// Good and bad ends in every half-life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faded {
    counts: [Count; 3],
    at: Instant,
}

impl Faded {
    pub(crate) fn new(now: Instant) -> Self {
        Self { counts: [Count::default(); 3], at: now }
    }

    /// Counts one end.
    pub(crate) fn add(&mut self, good: bool, now: Instant) {
        for (count, half_life) in self.counts.iter_mut().zip(HalfLife::ALL) {
            let faded = count.faded(half_life, self.at, now);
            *count = if good {
                Count { good: faded.good + 1.0, ..faded }
            } else {
                Count { bad: faded.bad + 1.0, ..faded }
            };
        }
        self.at = self.at.max(now);
    }

    /// What is left of them now.
    pub(crate) fn within(&self, half_life: HalfLife, now: Instant) -> Count {
        let found = HalfLife::ALL.iter().zip(&self.counts).find(|(known, _)| **known == half_life);
        found.map_or_else(Count::default, |(_, count)| count.faded(half_life, self.at, now))
    }
}

impl Count {
    fn faded(self, half_life: HalfLife, since: Instant, now: Instant) -> Self {
        let age = now.saturating_duration_since(since);
        if age.is_zero() {
            return self;
        }
        let left = (-age.as_secs_f64() / half_life.time().as_secs_f64()).exp2();
        Self { good: self.good * left, bad: self.bad * left }
    }
}

/// A share with its 95 % band, or the word that there are too few samples for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// Samples that it stands on, with older ones counting less. Of a product: of its thinnest factor.
    pub samples: f64,
    /// There are too few to say anything; then nothing follows.
    pub too_few: bool,
    /// The share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Where its band begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Estimate {
    fn known(samples: f64, value: f64, (low, high): (f64, f64)) -> Self {
        Self { samples, too_few: false, value: Some(value), low: Some(low), high: Some(high) }
    }

    fn too_few(samples: f64) -> Self {
        Self { samples, too_few: true, value: None, low: None, high: None }
    }

    /// One minus the product of the chances to fail. The band is the delta method's on the product's logarithm.
    pub(crate) fn of_all_failing(counts: &[Count]) -> Self {
        let samples = counts.iter().map(|count| count.samples()).fold(f64::INFINITY, f64::min);
        if counts.is_empty() || !counts.iter().all(|count| count.is_enough()) {
            return Self::too_few(if samples.is_finite() { samples } else { 0.0 });
        }
        let q: f64 = counts.iter().map(|count| count.failure()).product();
        let spread = (Z * counts.iter().map(|count| count.variance_of_ln()).sum::<f64>().sqrt()).exp();
        Self::known(samples, 1.0 - q, (1.0 - (q * spread).min(1.0), 1.0 - q / spread))
    }

    /// How far apart two are, measured by how far apart 95 % of such estimates of one and the same share would be at
    /// most. Up to 1 they agree. `None` if one of them is not known.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (value, theirs) = (self.value?, other.value?);
        // From each only the half of the band that looks towards the other.
        let (below, above) = if value < theirs { (self, other) } else { (other, self) };
        let reach = (below.high? - below.value?).hypot(above.value? - above.low?);
        Some((value - theirs).abs() / reach.max(f64::MIN_POSITIVE))
    }
}
