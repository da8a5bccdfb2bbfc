//! One random source for the process, seeded from outside, so that a simulation replays exactly.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea, Flood 2014) over an atomic counter: lock-free, and good enough for jitter and sampling.
/// Not for secrets.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// A source that gives the same values for the same seed and order of calls.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        mix(self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA))
    }

    /// Uniform in [0, 1).
    pub fn unit(&self) -> f64 {
        unit_of(self.next_u64())
    }

    /// Uniform in [low, high).
    pub fn between(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// 64 random bits as a number, uniform in [0, 1).
pub fn unit_of(bits: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let kept = (bits >> 11) as f64;
    kept / (1_u64 << 53) as f64
}

/// SplitMix64's finaliser; also a good hash of a number.
pub fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
