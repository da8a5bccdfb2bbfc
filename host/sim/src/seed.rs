//! Everything that looks random comes from one seed and a counter, so that a run can be repeated.

/// The finaliser of SplitMix64: a good hash of a number.
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in [0, 1) from a seed.
pub(crate) fn unit(seed: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let bits = (mix(seed) >> 11) as f64;
    bits / (1_u64 << 53) as f64
}

/// Hexadecimal digits from a seed, as providers make their ids.
pub(crate) fn letters(seed: u64, count: usize) -> String {
    let mut state = seed;
    let mut all = String::with_capacity(count + 16);
    while all.len() < count {
        state = mix(state);
        all.push_str(&format!("{state:016x}"));
    }
    all.truncate(count);
    all
}
