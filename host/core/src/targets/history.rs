//! What the last calls of a target were like.

use std::time::Duration;

/// How many calls and first-token times are remembered.
const REMEMBERED: usize = 64;
/// Weight of a new first-token time in the moving average: the last ten calls make nine tenths of it.
const EWMA_WEIGHT: f64 = 0.2;

/// First-token times and results of the last calls.
#[derive(Debug)]
pub(super) struct History {
    first_tokens_ms: [f64; REMEMBERED],
    first_tokens_seen: usize,
    ewma_ms: f64,
    /// One bit a call, the newest lowest; 1 = good.
    results: u64,
    results_seen: u32,
}

/// The history in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    /// -1 without samples.
    pub(super) ewma_ms: f64,
    /// -1 without samples.
    pub(super) p95_ms: f64,
    /// 1 without samples.
    pub(super) success_rate: f64,
    pub(super) samples: u32,
}

impl Default for History {
    fn default() -> Self {
        Self {
            first_tokens_ms: [0.0; REMEMBERED],
            first_tokens_seen: 0,
            ewma_ms: -1.0,
            results: 0,
            results_seen: 0,
        }
    }
}

impl History {
    pub(super) fn first_token(&mut self, after: Duration) {
        let ms = after.as_secs_f64() * 1_000.0;
        if let Some(slot) = self.first_tokens_ms.get_mut(self.first_tokens_seen % REMEMBERED) {
            *slot = ms;
        }
        self.ewma_ms = match self.first_tokens_seen {
            0 => ms,
            _ => self.ewma_ms + EWMA_WEIGHT * (ms - self.ewma_ms),
        };
        self.first_tokens_seen = self.first_tokens_seen.saturating_add(1);
    }

    pub(super) fn ended(&mut self, good: bool) {
        self.results = (self.results << 1) | u64::from(good);
        self.results_seen = self.results_seen.saturating_add(1);
    }

    pub(super) fn summary(&self) -> Summary {
        let samples = self.results_seen.min(u64::BITS);
        let good = f64::from(self.results.count_ones());
        let success_rate = if samples == 0 { 1.0 } else { good / f64::from(samples) };
        Summary { ewma_ms: self.ewma_ms, p95_ms: self.p95_ms(), success_rate, samples }
    }

    /// Nearest rank over what is remembered.
    fn p95_ms(&self) -> f64 {
        let known = self.first_tokens_seen.min(REMEMBERED);
        let mut times: Vec<f64> = self.first_tokens_ms.iter().take(known).copied().collect();
        times.sort_unstable_by(f64::total_cmp);
        let rank = (known * 95).div_ceil(100).saturating_sub(1);
        times.get(rank).copied().unwrap_or(-1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_is_said_so() {
        let summary = History::default().summary();
        assert_eq!(summary, Summary { ewma_ms: -1.0, p95_ms: -1.0, success_rate: 1.0, samples: 0 });
    }

    #[test]
    fn only_the_last_calls_count() {
        let mut history = History::default();
        for n in 0..200 {
            history.first_token(Duration::from_millis(if n < 136 { 9_000 } else { n - 135 }));
            history.ended(n >= 152);
        }
        let summary = history.summary();
        assert!((summary.p95_ms - 61.0).abs() < 1e-9, "{summary:?}");
        assert!((summary.success_rate - 0.75).abs() < 1e-9, "{summary:?}");
        assert_eq!(summary.samples, 64);
        assert!((50.0..64.0).contains(&summary.ewma_ms), "{summary:?}");
    }
}
