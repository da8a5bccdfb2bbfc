//! How often the writer looks at what is handed over.
//!
//! Many records are given back soon, so that requests write theirs where memory is still warm: a tenth of a second's
//! worth of them left lying costs requests as much as all the writing. Few are not worth a thread's waking. And a small
//! queue is looked at before it is full.

use std::time::Duration;

/// Shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(5);
/// Entries that a look should find, so many at most and so many at least.
const ARMFUL: usize = 128;
const FEW: usize = ARMFUL / 2;

/// The pause between two looks, as entries come now.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    longest: Duration,
}

impl Pace {
    /// Longest where the queue holds `usual` entries or more, shorter by as much as it holds fewer.
    pub(super) fn new(longest: Duration, queue: usize, usual: usize) -> Self {
        let room = queue.min(usual) as f64 / usual as f64;
        let longest = longest.mul_f64(room).max(SHORTEST);
        Self { pause: longest, longest }
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// So many had come at a look.
    pub(super) fn came(&mut self, count: usize) {
        let pause = match count {
            0..FEW => self.pause * 2,
            FEW..=ARMFUL => self.pause,
            _ => self.pause / 2,
        };
        self.pause = pause.clamp(SHORTEST, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries at this rate, from nothing: the most that waited at a look, and the pause in the end.
    fn check(queue: usize, per_second: f64, pause_ms: u64) {
        let mut pace = Pace::new(Duration::from_millis(100), queue, 8_192);
        for _ in 0..50 {
            let waits = (pace.pause().as_secs_f64() * per_second) as usize;
            assert!(waits <= queue, "{waits} wait in a queue of {queue}");
            pace.came(waits);
        }
        assert_eq!(pace.pause(), Duration::from_millis(pause_ms), "{queue} {per_second}");
    }

    #[test]
    fn it_looks_for_an_armful_and_before_a_queue_is_full() {
        check(8_192, 100.0, 100);
        check(8_192, 5_000.0, 25);
        check(8_192, 80_000.0, 5);
        check(100_000, 80_000.0, 5);
        // Regression: an armful is more than these hold, and they were looked at as seldom as large ones.
        check(64, 100.0, 5);
        check(64, 12_000.0, 5);
        check(1, 200.0, 5);
    }
}
