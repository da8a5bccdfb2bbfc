//! Counters and histograms made of atomics alone, and the sheet that they are read off for whoever exports them.
//!
//! Each figure is right by itself; together they are a moment's blur. A sheet holds labels that are bounded by the
//! configuration: whoever fills it in answers for that.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::names::Metric;
use crate::lanes::Lanes;

/// Only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Where the buckets of a histogram end, in whole numbers of its own small unit, and how many of them make one of the
/// exported unit.
#[derive(Debug)]
pub(crate) struct Scale {
    bounds: &'static [u64],
    per_unit: f64,
}

const MS: u64 = 1_000_000;

/// Upstream calls, as the generative conventions want them: 10 ms and doubled up to 82 s.
pub(crate) static CALL_TIMES: Scale = Scale {
    bounds: &[
        10 * MS,
        20 * MS,
        40 * MS,
        80 * MS,
        160 * MS,
        320 * MS,
        640 * MS,
        1_280 * MS,
        2_560 * MS,
        5_120 * MS,
        10_240 * MS,
        20_480 * MS,
        40_960 * MS,
        81_920 * MS,
    ],
    per_unit: 1e9,
};

/// Whole requests: the bounds of the HTTP conventions, and longer ones, for streams take minutes.
pub(crate) static REQUEST_TIMES: Scale = Scale {
    bounds: &[
        5 * MS,
        10 * MS,
        25 * MS,
        50 * MS,
        75 * MS,
        100 * MS,
        250 * MS,
        500 * MS,
        750 * MS,
        1_000 * MS,
        2_500 * MS,
        5_000 * MS,
        7_500 * MS,
        10_000 * MS,
        30_000 * MS,
        60_000 * MS,
        120_000 * MS,
        300_000 * MS,
    ],
    per_unit: 1e9,
};

/// Tokens, as the generative conventions want them: powers of four.
pub(crate) static TOKENS: Scale = Scale {
    bounds: &[
        1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
        67_108_864,
    ],
    per_unit: 1.0,
};

/// How many were how large.
#[derive(Debug)]
pub(crate) struct Histogram {
    scale: &'static Scale,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn new(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, counts, sum: AtomicU64::new(0) }
    }

    pub(crate) fn took(&self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One value, in the scale's own unit.
    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.scale.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Spread {
        let per_unit = self.scale.per_unit;
        Spread {
            bounds: self.scale.bounds.iter().map(|bound| *bound as f64 / per_unit).collect(),
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: self.sum.load(Relaxed) as f64 / per_unit,
        }
    }
}

/// A histogram as it was read, in the exported unit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Where all buckets but the last one end; that one has no end.
    pub(crate) bounds: Vec<f64>,
    /// What each of them holds, one more than bounds.
    pub(crate) counts: Vec<u64>,
    /// Of all values.
    pub(crate) sum: f64,
}

impl Spread {
    /// How many values it holds.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// This one and another of the same scale, as one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
        self
    }
}

/// What all lanes came to.
impl<T> Lanes<T> {
    pub(super) fn sum(&self, counter: impl Fn(&T) -> &Counter) -> u64 {
        self.all().map(|lane| counter(lane).get()).sum()
    }

    /// None where no lane has this histogram.
    pub(super) fn spread<'a>(&'a self, histogram: impl Fn(&'a T) -> Option<&'a Histogram>) -> Option<Spread> {
        self.all().filter_map(histogram).map(Histogram::read).reduce(Spread::and)
    }
}

/// A label and its value.
pub(crate) type Label = (&'static str, Cow<'static, str>);

/// One series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) labels: Vec<Label>,
    pub(crate) value: Value,
}

/// What a series came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of a counter, or of a gauge that counts things.
    Whole(u64),
    /// Of a counter or gauge of something that can be halved.
    Real(f64),
    /// Of a histogram.
    Spread(Spread),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::Real(value.as_secs_f64())
    }
}

impl From<&Counter> for Value {
    fn from(counter: &Counter) -> Self {
        Self::Whole(counter.get())
    }
}

impl From<Spread> for Value {
    fn from(spread: Spread) -> Self {
        Self::Spread(spread)
    }
}

/// All series of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<Point>,
}

/// Everything that is exported, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    families: Vec<Family>,
}

impl Sheet {
    /// Writes one series down.
    pub(crate) fn put(
        &mut self,
        metric: &'static Metric,
        labels: impl IntoIterator<Item = Label>,
        value: impl Into<Value>,
    ) {
        let point = Point { labels: labels.into_iter().collect(), value: value.into() };
        debug_assert!(
            point.labels.iter().all(|(key, _)| metric.labels.contains(key)),
            "{point:?} of {metric:?}"
        );
        // Series of one metric mostly come together.
        match self.families.iter_mut().rev().find(|family| family.metric == metric) {
            Some(family) => family.points.push(point),
            None => self.families.push(Family { metric, points: vec![point] }),
        }
    }

    /// All metrics that have a series.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }
}
