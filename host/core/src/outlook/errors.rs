//! The share of failed calls, forgotten within half a minute.

use tokio::time::Instant;

/// A call's weight.
const WEIGHT: f64 = 0.08;
/// After this time a failure weighs a third.
const MEMORY_S: f64 = 30.0;

/// A moving share of failures. Unlike times it fades by itself: failures that nobody has seen for a minute are the
/// breaker's to remember.
#[derive(Debug, Default)]
pub(super) struct Errors {
    share: f64,
    last: Option<Instant>,
}

impl Errors {
    /// One call failed, or did not.
    pub(super) fn observe(&mut self, now: Instant, failed: bool) {
        let share = self.share(now);
        self.share = share + WEIGHT * (f64::from(u8::from(failed)) - share);
        self.last = self.last.max(Some(now));
    }

    /// The share now, 0 to 1.
    pub(super) fn share(&self, now: Instant) -> f64 {
        match self.last {
            Some(last) if self.share > 0.0 => {
                self.share * (-now.saturating_duration_since(last).as_secs_f64() / MEMORY_S).exp()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_count_and_fade() {
        let mut errors = Errors::default();
        let start = Instant::now();
        assert!(errors.share(start).abs() < f64::EPSILON);
        for n in 0..100 {
            errors.observe(start + Duration::from_millis(50 * n), n % 10 < 3);
        }
        let end = start + Duration::from_secs(5);
        let share = errors.share(end);
        assert!((0.1..0.4).contains(&share), "{share}");
        let later = errors.share(end + Duration::from_secs(30));
        assert!((later / share - (-1.0_f64).exp()).abs() < 0.01, "{later}");
    }
}
