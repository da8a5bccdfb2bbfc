//! Chance that can be repeated: a seed is printed by whoever uses it and taken from `SEAWALL_SEED` where that is set.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator of good enough numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    ///
    /// # Panics
    /// When the limit is zero.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// The seed that was asked for, or a new one; printed either way.
///
/// # Panics
/// When `SEAWALL_SEED` is no number.
pub fn seed(what: &str) -> u64 {
    let asked = std::env::var("SEAWALL_SEED").ok();
    let seed = asked.map(|text| text.parse().expect("SEAWALL_SEED is a number"));
    let fresh = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
    };
    let seed = seed.unwrap_or_else(fresh) & 0xffff_ffff;
    println!("{what}: seed {seed} (SEAWALL_SEED={seed} repeats it)");
    seed
}
