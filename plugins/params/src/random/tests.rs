use super::*;

#[test]
fn draws_follow_from_the_seed_alone() {
    let five = |seed| {
        let mut draws = Draws::new(seed);
        [(); 5].map(|()| draws.next_u64())
    };
    assert_eq!(five(1), five(1));
    assert_ne!(five(1), five(2));
    // The reference sequence of SplitMix64 for seed 0.
    assert_eq!(five(0)[0], 0xe220_a839_7b1d_cdaf);
}

#[test]
fn units_fill_their_interval_evenly() {
    assert_eq!((unit(0), unit(u64::MAX) < 1.0), (0.0, true));
    let mut draws = Draws::new(3);
    let mean = (0..10_000).map(|_| draws.unit()).sum::<f64>() / 10_000.0;
    assert!((mean - 0.5).abs() < 0.02, "{mean}");
}

#[test]
fn normal_draws_have_mean_0_and_deviation_1() {
    let mut draws = Draws::new(9);
    let values: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
    let mean = values.iter().sum::<f64>() / 20_000.0;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
}

#[test]
fn a_hash_never_changes() {
    // FNV-1a's published values, mixed.
    assert_eq!(hash(""), mix(0xcbf2_9ce4_8422_2325));
    assert_eq!(hash("a"), mix(0xaf63_dc4c_8601_ec8c));
}
