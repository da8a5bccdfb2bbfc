use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

/// Limits at these seconds with these hints, then what is left at another second.
fn check_rate(limits: &[(u64, Option<u64>)], at: u64, expect: std::ops::RangeInclusive<f64>) {
    let epoch = Instant::now();
    let gate = RateGate::new(epoch);
    let random = Random::seeded(7);
    for (second, hint) in limits {
        gate.limited(epoch + S(*second), hint.map(S), &random);
    }
    let left = gate.left(epoch + S(at)).unwrap_or_default().as_secs_f64();
    assert!(expect.contains(&left), "{limits:?} at {at}: {left} not in {expect:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_kept_and_never_shortened() {
    check_rate(&[(0, Some(2))], 0, 2.0..=2.0);
    check_rate(&[(0, Some(2))], 2, 0.0..=0.0);
    check_rate(&[(0, Some(20)), (1, Some(2))], 1, 19.0..=19.0);
    check_rate(&[(0, Some(2)), (1, Some(20))], 1, 20.0..=20.0);
    check_rate(&[(0, Some(86_400))], 0, 300.0..=300.0);
}

#[tokio::test(start_paused = true)]
async fn without_a_hint_it_backs_off() {
    check_rate(&[(0, None)], 0, 0.8..=1.2);
    check_rate(&[(0, Some(0))], 0, 0.8..=1.2);
    check_rate(&[(0, None), (2, None)], 2, 1.6..=2.4);
    check_rate(&[(0, None), (2, None), (5, None)], 5, 3.2..=4.8);
    // A burst is one limit, however many calls it hits.
    check_rate(&[(0, None), (0, None), (0, None), (0, None)], 0, 0.8..=1.2);
    let long: Vec<_> = (0..40).map(|n| (n * 100, None)).collect();
    check_rate(&long, 3_900, 48.0..=60.0);
}

#[tokio::test(start_paused = true)]
async fn a_success_starts_the_back_off_afresh_but_keeps_the_pause() {
    let epoch = Instant::now();
    let gate = RateGate::new(epoch);
    let random = Random::seeded(7);
    for second in [0, 2, 5, 10] {
        gate.limited(epoch + S(second), None, &random);
    }
    gate.succeeded();
    assert!(gate.left(epoch + S(10)).is_some());
    gate.limited(epoch + S(60), None, &random);
    assert!(gate.left(epoch + S(60)).unwrap() <= Duration::from_millis(1_200));
}

/// How many of these unhinted limits (in seconds) were reported as a storm.
fn storms(seconds: &[u64], hint: Option<u64>) -> usize {
    let epoch = Instant::now();
    let gate = RateGate::new(epoch);
    let random = Random::seeded(7);
    let limited = |second: &&u64| gate.limited(epoch + S(**second), hint.map(S), &random).storm;
    seconds.iter().filter(limited).count()
}

#[tokio::test(start_paused = true)]
async fn five_in_ten_seconds_are_one_storm() {
    assert_eq!(storms(&[0, 1, 2, 3], None), 0);
    assert_eq!(storms(&[0, 1, 2, 3, 4], None), 1);
    assert_eq!(storms(&[0, 3, 6, 9, 12], None), 0, "not within ten seconds");
    assert_eq!(storms(&[0, 8, 9, 11, 12, 13], None), 1, "any ten seconds, not the first limit's");
    assert_eq!(storms(&[0; 100], None), 1, "one burst is one storm");
    assert_eq!(storms(&[0; 100], Some(1)), 0, "a provider that gives hints is healthy");
    assert_eq!(storms(&[[0; 5], [20; 5], [40; 5]].concat(), None), 3);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_a_storm() {
    let epoch = Instant::now();
    let gate = RateGate::new(epoch);
    let random = Random::seeded(7);
    for round in 0..10 {
        for _ in 0..4 {
            assert!(!gate.limited(epoch + S(round), None, &random).storm);
        }
        gate.succeeded();
    }
}

#[tokio::test(start_paused = true)]
async fn closing_is_reported_once() {
    let epoch = Instant::now();
    let gate = CredentialGate::new(epoch);
    assert!(gate.refuse(epoch));
    assert!(!gate.refuse(epoch + S(1)));
    assert_eq!(gate.refused(epoch + S(1)), Some(CREDENTIAL_PAUSE));
    assert_eq!(gate.refused(epoch + S(1) + CREDENTIAL_PAUSE), None);
    assert!(gate.refuse(epoch + S(2) + CREDENTIAL_PAUSE));
    gate.reset();
    assert_eq!(gate.refused(epoch + S(2) + CREDENTIAL_PAUSE), None);
}

#[tokio::test(start_paused = true)]
async fn quota_rests_to_its_reset() {
    let now = Instant::now();
    let check = |reset: Option<u64>, expect: Duration| {
        let gate = CredentialGate::new(now);
        assert_eq!(gate.use_up(now, reset.map(S)), (true, expect));
        assert_eq!(gate.used_up(now), Some(expect));
        assert_eq!(gate.refused(now), None, "its own reason");
    };
    check(None, QUOTA_PAUSE);
    check(Some(0), QUOTA_PAUSE);
    check(Some(3_600), S(3_600));
    check(Some(30 * 86_400), QUOTA_CAP);
}
