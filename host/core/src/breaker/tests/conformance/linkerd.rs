//! From linkerd2-proxy's `breaker/unified.rs` and `success_rate.rs`.

use super::*;

#[test]
fn a_429_is_never_consecutive() {
    let stage = Stage::new(3);
    for _ in 0..20 {
        stage.acquire(&id(), 1, stage::LEASE, true).unwrap().failed(&limited(Some(1), Scope::Model));
        stage.pass(S(1));
    }
    assert_eq!(stage.state(&id()).circuit(), Circuit::Closed);
    // Nor does it end a run of failures.
    let failures = [server_error(), limited(Some(1), Scope::Model), server_error(), server_error()];
    for (request, failure) in (1..).zip(failures) {
        stage.acquire(&id(), request, stage::LEASE, true).unwrap().failed(&failure);
        stage.pass(S(1));
    }
    assert_eq!(stage.state(&id()).circuit(), Circuit::Open);
}

#[test]
fn a_probe_may_be_slow_within_its_lease() {
    check(&format!("{HALF} p4 +10.9 c4 =half_open p5"));
    check(&format!("{HALF} p4 +11 =open !probe_lost"));
}

#[test]
fn there_is_a_single_probe() {
    check(&format!("{HALF} p4 x +1 x +1 x +8.9 x"));
}

#[test]
fn idleness_engages_the_cold_start_protection_again() {
    // A window that has emptied says nothing until there are twenty calls in it again.
    let bad = "a1 s1 ".repeat(19);
    check(&format!("{bad} +30 {bad} =closed a1 s1 =open"));
}

#[test]
fn the_back_off_resets() {
    let thrice = format!("{OPEN} +5 p4 b4 +10 p4 b4 +15 p4 f4 p5 f5 p6 f6 =closed");
    let again = "a1 b1 a2 b2 a3 b3 =open";
    check(&format!("{thrice} reset {again} +5 p4"));
    check(&format!("{thrice} +180 {again} +5 p4"));
    check(&format!("{thrice} +11 {again} +11.9 x"));
}

#[test]
fn with_both_signals_off_it_never_opens() {
    let off = BreakerSettings { consecutive: u32::MAX, rate_minimum: u32::MAX, ..BreakerSettings::default() };
    check_with(off, &format!("{} =closed", "a1 b1 a2 c2 b2 ".repeat(500)));
}

#[test]
fn a_burst_decides_like_the_same_calls_spread_out() {
    for pause in ["", "+0.001", "+1.4"] {
        let pair = format!("a1 s1 {pause} a2 f2 {pause} ");
        check(&format!("{} =closed a1 s1 =closed a1 s1 =open", pair.repeat(9)));
    }
}

#[test]
fn a_gap_clears_the_window() {
    let half = "a1 s1 ".repeat(15);
    check(&format!("{half} +31 {half} =closed"));
}

#[test]
fn a_gap_of_any_length_does_not_wedge() {
    let bad = "a1 s1 ".repeat(19);
    check(&format!("{bad} +8640000 {bad} =closed a1 s1 =open +8640000 p4 f4 p5 f5 p6 f6 =closed"));
}

#[test]
fn in_probation_the_first_response_of_any_age_decides_nothing() {
    check(&format!("a7 a8 {HALF} c7 =half_open f7 =half_open b8 =half_open p4"));
}

#[test]
fn a_retry_after_is_obeyed_and_capped() {
    check("a1 b1 a2 b2 a3 b3@45 +44.9 x +0.1 p4");
    check("a1 b1 a2 b2 a3 b3@86400 +299.9 x +0.1 p4");
}
