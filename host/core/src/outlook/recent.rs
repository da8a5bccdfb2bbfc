//! The share of slow calls among the last ones: averages hide a second mode, counting does not.

/// How many calls are looked at.
const KEPT: usize = 64;
/// Older ones say nothing.
const SPAN_MS: i32 = 30_000;
/// Fewer slow calls than this are chance.
const LEAST_SLOW: u32 = 5;
/// Share of slow calls, in percent, that makes a target slow.
const SLOW_PERCENT: u32 = 7;

/// The last calls with the moment at which each became known.
#[derive(Debug, Default)]
pub(super) struct Recent {
    at_ms: Vec<u32>,
    seconds: Vec<f32>,
    next: usize,
}

impl Recent {
    /// Adds a call that became known at `now_ms`.
    pub(super) fn push(&mut self, now_ms: u32, seconds: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "compared with a limit, no more")]
        let seconds = seconds as f32;
        match (self.at_ms.get_mut(self.next), self.seconds.get_mut(self.next)) {
            (Some(at), Some(time)) => (*at, *time) = (now_ms, seconds),
            _ => {
                self.at_ms.reserve_exact(KEPT - self.at_ms.len());
                self.seconds.reserve_exact(KEPT - self.seconds.len());
                self.at_ms.push(now_ms);
                self.seconds.push(seconds);
            }
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// Whether so many of the last calls took longer than this that the target is to be taken as slow.
    pub(super) fn is_slow(&self, now_ms: u32, limit_s: f64) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "a limit, no more")]
        let limit = limit_s as f32;
        let (mut fresh, mut slow) = (0_u32, 0_u32);
        for (at, seconds) in self.at_ms.iter().zip(&self.seconds) {
            let in_span = now_ms.wrapping_sub(*at).cast_signed() < SPAN_MS;
            fresh += u32::from(in_span);
            slow += u32::from(in_span & (*seconds > limit));
        }
        slow >= LEAST_SLOW && slow * 100 >= fresh * SLOW_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many calls at these milliseconds, of so many seconds; slow at another millisecond?
    fn check(calls: &[(u32, u32, f64)], at_ms: u32, expect: bool) {
        let mut recent = Recent::default();
        for (count, ms, seconds) in calls {
            for _ in 0..*count {
                recent.push(*ms, *seconds);
            }
        }
        assert_eq!(recent.is_slow(at_ms, 2.5), expect, "{calls:?} at {at_ms}");
    }

    #[test]
    fn a_share_of_slow_calls_is_seen_while_it_is_new() {
        check(&[], 0, false);
        check(&[(59, 0, 0.5), (5, 10, 6.0)], 20, true);
        check(&[(60, 0, 0.5), (4, 10, 6.0)], 20, false);
        check(&[(5, 10, 6.0)], 30_009, true);
        check(&[(5, 10, 6.0)], 30_010, false);
        // Of a hundred calls only the last 64 are looked at.
        check(&[(5, 0, 6.0), (64, 10, 0.5)], 20, false);
        check(&[(5, 10, 2.5)], 20, false);
    }

    #[test]
    fn the_clock_may_wrap_and_be_read_early() {
        check(&[(5, u32::MAX - 5, 6.0)], 10, true);
        check(&[(5, 100, 6.0)], 95, true);
    }
}
