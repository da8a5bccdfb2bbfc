//! Calls that wait for their first content (plain: for their answer). A call that has waited long is evidence before it
//! has ended: a target that falls silent is seen after one usual time, not after a time limit.
//!
//! Slots are reused and never move, so that a call keeps its number; a free slot has no weight and is never late. The scan
//! is a pass over two flat arrays, of at most [`LISTED`] calls; of more, those that are listed stand for all.

use super::SizeFactor;

/// Most calls that are listed.
const LISTED: usize = 1_024;

/// Everyone who waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Milliseconds, wrapping.
    since_ms: Vec<u32>,
    /// 1 / size; 0 = free.
    weight: Vec<f32>,
    free: Vec<u16>,
    unlisted: u32,
}

/// One call's place among those that wait.
#[derive(Debug)]
pub(super) struct Slot(Option<u16>);

/// What waiting calls say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Late {
    /// Calls that wait.
    pub(super) waiting: u32,
    /// Of those that are listed, how many wait longer than they should.
    pub(super) late: u32,
    /// Calls that are listed.
    pub(super) listed: u32,
    /// The longest wait, as of a small request.
    pub(super) oldest_s: f64,
}

impl Late {
    /// At least so many are late, and they are three of ten.
    pub(super) fn at_least(self, count: u32) -> bool {
        self.late >= count && self.late * 10 >= self.listed * 3
    }
}

impl Waiting {
    /// A call begins to wait.
    pub(super) fn enter(&mut self, now_ms: u32, size: SizeFactor) -> Slot {
        #[expect(clippy::cast_possible_truncation, reason = "compared with a limit, no more")]
        let weight = (1.0 / size.get()) as f32;
        let Some(index) = self.free_index() else {
            self.unlisted = self.unlisted.saturating_add(1);
            return Slot(None);
        };
        match (self.since_ms.get_mut(usize::from(index)), self.weight.get_mut(usize::from(index))) {
            (Some(since), Some(slot)) => (*since, *slot) = (now_ms, weight),
            _ => {
                self.since_ms.push(now_ms);
                self.weight.push(weight);
            }
        }
        Slot(Some(index))
    }

    /// It no longer waits.
    pub(super) fn leave(&mut self, slot: Slot) {
        let Slot(Some(index)) = slot else {
            self.unlisted = self.unlisted.saturating_sub(1);
            return;
        };
        if let Some(weight) = self.weight.get_mut(usize::from(index)) {
            *weight = 0.0;
            self.free.push(index);
        }
        if self.free.len() == self.weight.len() {
            // After a burst the scan becomes short again.
            self.since_ms.clear();
            self.weight.clear();
            self.free.clear();
        }
    }

    /// Nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.listed() == 0 && self.unlisted == 0
    }

    /// Who has waited for longer than this.
    pub(super) fn late(&self, now_ms: u32, limit_s: f64) -> Late {
        #[expect(clippy::cast_possible_truncation, reason = "a limit in ms needs no more digits")]
        let limit = (limit_s * 1_000.0) as f32;
        let (mut late, mut oldest) = (0_u32, 0_i32);
        for (since, weight) in self.since_ms.iter().zip(&self.weight) {
            // Signed, because threads read the clock before they take the lock.
            #[expect(clippy::cast_precision_loss, reason = "seven digits of an age are plenty")]
            let age = now_ms.wrapping_sub(*since).cast_signed() as f32 * weight;
            late += u32::from(age > limit);
            // Floats that are not negative are ordered as their bits; whole numbers are compared many at a time.
            oldest = oldest.max(age.to_bits().cast_signed());
        }
        let oldest_s = f64::from(f32::from_bits(oldest.cast_unsigned())) / 1_000.0;
        let listed = self.listed();
        let waiting = listed.saturating_add(self.unlisted);
        Late { waiting, late, listed, oldest_s }
    }

    fn listed(&self) -> u32 {
        u32::try_from(self.weight.len() - self.free.len()).unwrap_or(u32::MAX)
    }

    fn free_index(&mut self) -> Option<u16> {
        self.free.pop().or_else(|| {
            let next = self.weight.len();
            (next < LISTED).then(|| u16::try_from(next).ok())?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_divided_by_size() {
        let mut waiting = Waiting::default();
        let small = waiting.enter(1_000, SizeFactor::ONE);
        let large = waiting.enter(0, SizeFactor::of_tokens(7 * 4_096));
        let late = waiting.late(4_000, 1.0);
        assert_eq!((late.waiting, late.late), (2, 1), "the large one has waited half a second");
        assert!((late.oldest_s - 3.0).abs() < 1e-6);
        waiting.leave(small);
        assert!((waiting.late(4_000, 1.0).oldest_s - 0.5).abs() < 1e-6);
        waiting.leave(large);
        assert!(waiting.is_empty());
        assert_eq!(waiting.late(99_000, 0.0), Late::default());
    }

    #[test]
    fn a_share_and_a_count_are_needed() {
        let mut waiting = Waiting::default();
        let mut slots: Vec<_> = (0..3).map(|_| waiting.enter(0, SizeFactor::ONE)).collect();
        slots.extend((0..7).map(|_| waiting.enter(2_000, SizeFactor::ONE)));
        assert!(waiting.late(2_500, 1.0).at_least(3));
        assert!(!waiting.late(2_500, 1.0).at_least(4));
        let one_more = waiting.enter(2_000, SizeFactor::ONE);
        assert!(!waiting.late(2_500, 1.0).at_least(3), "three of eleven");
        waiting.leave(one_more);
        assert!(waiting.late(2_500, 1.0).at_least(3));
    }

    #[test]
    fn more_than_are_listed_are_counted() {
        let mut waiting = Waiting::default();
        let slots: Vec<_> = (0..LISTED + 100).map(|_| waiting.enter(0, SizeFactor::ONE)).collect();
        let late = waiting.late(5_000, 1.0);
        assert_eq!((late.waiting, late.listed, late.late), (1_124, 1_024, 1_024));
        for slot in slots {
            waiting.leave(slot);
        }
        assert!(waiting.is_empty());
        assert_eq!(waiting.weight.len(), 0, "a burst leaves nothing behind");
    }

    #[test]
    fn the_clock_may_wrap_and_be_read_early() {
        let mut waiting = Waiting::default();
        let _slot = waiting.enter(u32::MAX - 499, SizeFactor::ONE);
        assert!((waiting.late(500, 9.0).oldest_s - 1.0).abs() < 1e-6);
        let _other = waiting.enter(600, SizeFactor::ONE);
        assert_eq!(waiting.late(500, 0.9).late, 1);
    }
}
