//! Pauses inside streams: how long a target is silent between two pieces of an answer, for the limit that calls silence a
//! stall.
//!
//! A histogram with two buckets an octave: a stream counts for itself, and adds its counts when it ends. A quantile is
//! the upper edge of its bucket, at most half too large and never too small.

use std::time::Duration;

/// The last one holds everything from 4 s on.
const BUCKETS: usize = 24;
/// Fewer pauses say nothing about the longest in a hundred.
const ENOUGH: u32 = 100;
/// When this many are counted, all count half: newer streams outweigh older ones.
const MANY: u32 = 20_000;

/// Pauses of one stream, or of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    counts: [u32; BUCKETS],
    total: u32,
}

impl Gaps {
    /// One pause.
    pub(crate) fn push(&mut self, gap: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(gap)) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    /// Adds what a stream counted.
    pub(super) fn add(&mut self, stream: &Self) {
        for (count, more) in self.counts.iter_mut().zip(stream.counts) {
            *count = count.saturating_add(more);
        }
        self.total = self.total.saturating_add(stream.total);
        if self.total >= MANY {
            for count in &mut self.counts {
                *count /= 2;
            }
            self.total = self.counts.iter().sum();
        }
    }

    /// 99 of 100 pauses are not longer; none while too few are known.
    pub(super) fn p99_s(&self) -> Option<f64> {
        if self.total < ENOUGH {
            return None;
        }
        let mut longer = self.total / 100;
        let last = self.counts.iter().rposition(|count| {
            let inside = longer < *count;
            longer = longer.saturating_sub(*count);
            inside
        })?;
        Some(edge_s(last + 1))
    }
}

/// 0 and 1 ms share a bucket; then 2, 3, 4, 6, 8, 12, ... ms begin one each.
fn bucket(gap: Duration) -> usize {
    let ms = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX).max(1);
    let octave = ms.ilog2();
    let upper_half = if octave == 0 { 0 } else { (ms >> (octave - 1)) & 1 };
    usize::try_from((2 * octave + upper_half).saturating_sub(1)).map_or(0, |index| index.min(BUCKETS - 1))
}

/// Where a bucket begins.
fn edge_s(bucket: usize) -> f64 {
    let step = u32::try_from(bucket + 1).unwrap_or(u32::MAX);
    let half = if step.is_multiple_of(2) { 1.0 } else { 1.5 };
    half * f64::from(1_u32 << (step / 2).min(31)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lies_below_its_buckets_end() {
        for ms in (0..6_000).chain([u64::from(u32::MAX), 1 << 40]) {
            let bucket = bucket(Duration::from_millis(ms));
            let ms = ms as f64;
            assert!(bucket == BUCKETS - 1 || ms < 1_000.0 * edge_s(bucket + 1), "{ms} in {bucket}");
            assert!(bucket == 0 || ms >= 1_000.0 * edge_s(bucket), "{ms} in {bucket}");
        }
    }

    #[test]
    fn one_in_a_hundred_is_longer() {
        let check = |short: usize, long: usize, expect: Option<f64>| {
            let (mut all, mut stream) = (Gaps::default(), Gaps::default());
            (0..short).for_each(|_| stream.push(Duration::from_millis(20)));
            (0..long).for_each(|_| stream.push(Duration::from_millis(800)));
            all.add(&stream);
            assert_eq!(all.p99_s(), expect, "{short} {long}");
        };
        check(90, 9, None);
        check(99, 1, Some(0.024));
        check(98, 2, Some(1.024));
        check(1_000, 0, Some(0.024));
        check(0, 1_000, Some(1.024));
    }

    #[test]
    fn newer_streams_outweigh_older_ones() {
        let mut all = Gaps::default();
        let mut streams = |ms: u64, count: usize| {
            let mut stream = Gaps::default();
            (0..300).for_each(|_| stream.push(Duration::from_millis(ms)));
            (0..count).for_each(|_| all.add(&stream));
            all.p99_s()
        };
        streams(800, 1_000);
        assert_eq!(streams(20, 50), Some(1.024));
        assert_eq!(streams(20, 400), Some(0.024));
    }
}
