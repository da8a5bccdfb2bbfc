//! Exact counts over the last moments, in a ring of ten buckets. Not a moving average: an average depends on the
//! rate of calls and can hide a burst.

use std::time::Duration;

use tokio::time::Instant;

const BUCKETS: u32 = 10;

/// Counts of `K` kinds of event; an event leaves the count nine to ten tenths of the span after it came.
#[derive(Debug)]
pub(crate) struct Window<const K: usize> {
    epoch: Instant,
    span: Duration,
    /// The tick at the epoch. Grows with each clearing, so that no tick is ever given twice.
    first: u64,
    newest: u64,
    buckets: [[u32; K]; BUCKETS as usize],
}

impl<const K: usize> Window<K> {
    /// An empty window whose buckets are counted from `epoch`.
    pub(crate) fn new(epoch: Instant, span: Duration) -> Self {
        let span = span.max(Duration::from_millis(u64::from(BUCKETS)));
        Self { epoch, span, first: 0, newest: 0, buckets: [[0; K]; BUCKETS as usize] }
    }

    /// Empty, of another span, from `now` on: counts in buckets of another width are not comparable.
    pub(crate) fn restart(&mut self, now: Instant, span: Duration) {
        self.clear();
        *self = Self { first: self.newest, newest: self.newest, ..Self::new(now, span) };
    }

    /// Counts one event and says in which tick, for [`Window::take_back`].
    pub(crate) fn add(&mut self, now: Instant, kind: usize) -> u64 {
        self.roll(now);
        let tick = self.newest;
        if let Some(count) = self.slot(tick, kind) {
            *count = count.saturating_add(1);
        }
        tick
    }

    /// Takes an event back that was counted in `tick`; nothing happens once that tick has left the window.
    pub(crate) fn take_back(&mut self, now: Instant, tick: u64, kind: usize) {
        self.roll(now);
        if self.newest.saturating_sub(tick) < u64::from(BUCKETS)
            && let Some(count) = self.slot(tick, kind)
        {
            *count = count.saturating_sub(1);
        }
    }

    /// The sums as of `now`.
    pub(crate) fn sums(&mut self, now: Instant) -> [u64; K] {
        self.roll(now);
        let mut sums = [0; K];
        for bucket in &self.buckets {
            for (sum, count) in sums.iter_mut().zip(bucket) {
                *sum += u64::from(*count);
            }
        }
        sums
    }

    /// Forgets everything; what was counted before can no longer be taken back.
    pub(crate) fn clear(&mut self) {
        self.buckets = [[0; K]; BUCKETS as usize];
        self.first = self.first.saturating_add(u64::from(BUCKETS));
        self.newest = self.newest.saturating_add(u64::from(BUCKETS));
    }

    /// Empties the buckets that time has passed over. A `now` from before the newest bucket (threads read the clock
    /// before they take the lock) counts into the newest.
    fn roll(&mut self, now: Instant) {
        let width = self.span / BUCKETS;
        let passed = now.saturating_duration_since(self.epoch).as_nanos() / width.as_nanos().max(1);
        let tick = u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(self.first);
        let first_stale = self.newest.saturating_add(1);
        let last_stale = tick.min(self.newest.saturating_add(u64::from(BUCKETS)));
        for stale in first_stale..=last_stale {
            let index = usize::try_from(stale % u64::from(BUCKETS)).unwrap_or(0);
            if let Some(bucket) = self.buckets.get_mut(index) {
                *bucket = [0; K];
            }
        }
        self.newest = self.newest.max(tick);
    }

    fn slot(&mut self, tick: u64, kind: usize) -> Option<&mut u32> {
        let index = usize::try_from(tick % u64::from(BUCKETS)).ok()?;
        self.buckets.get_mut(index)?.get_mut(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events at these milliseconds in a window of one second, and the sum at another millisecond.
    fn check(events_ms: &[u64], at_ms: u64, expect: u64) {
        let epoch = Instant::now();
        let mut window = Window::<1>::new(epoch, Duration::from_secs(1));
        for event in events_ms {
            window.add(epoch + Duration::from_millis(*event), 0);
        }
        let [sum] = window.sums(epoch + Duration::from_millis(at_ms));
        assert_eq!(sum, expect, "{events_ms:?} at {at_ms}");
    }

    #[tokio::test(start_paused = true)]
    async fn counts_leave_with_their_bucket() {
        check(&[0, 50, 99], 99, 3);
        check(&[0, 50, 99], 999, 3);
        check(&[0, 50, 99], 1_000, 0);
        check(&[0, 150], 1_050, 1);
        check(&[0, 150], 1_100, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn gaps_of_any_length_clear_and_do_not_wedge() {
        check(&[0, 500, 3_600_000], 3_600_000, 1);
        check(&[3_600_000, 7_200_000_000, 7_200_000_050], 7_200_000_060, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_now_counts_into_the_newest_bucket() {
        check(&[500, 100], 1_450, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_can_be_taken_back_while_it_is_inside() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let mut window = Window::<2>::new(epoch, Duration::from_secs(1));
        let tick = window.add(at(0), 1);
        window.add(at(100), 1);
        window.take_back(at(200), tick, 1);
        assert_eq!(window.sums(at(200)), [0, 1]);
        window.take_back(at(1_050), tick, 1);
        assert_eq!(window.sums(at(1_050)), [0, 1], "the tick has left, its bucket belongs to another");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_cleared_away_cannot_be_taken_back() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let mut window = Window::<1>::new(epoch, Duration::from_secs(1));
        let cleared = window.add(at(50), 0);
        window.clear();
        window.add(at(60), 0);
        window.take_back(at(60), cleared, 0);
        assert_eq!(window.sums(at(70)), [1]);
        // Ticks of the old width never meet ticks of the new one.
        let before = window.add(at(2_000), 0);
        window.restart(at(2_000), Duration::from_secs(10));
        for second in 0..40 {
            let now = at(2_000 + second * 1_000);
            window.add(now, 0);
            window.take_back(now, before, 0);
            assert_eq!(window.sums(now), [(second + 1).min(10)], "after {second} s");
        }
    }
}
