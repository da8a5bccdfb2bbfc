//! From `CircuitStateControllerTests` and `RollingHealthMetricsTests`.

use super::*;

#[test]
fn isolated_admits_nobody_until_it_is_closed_by_hand() {
    check("open@86400 x lx +86399 x reset =closed a1 f1");
    // Let go of, it is tested first.
    check("open@86400 release =half_open p1 x");
}

#[test]
fn a_failed_probe_starts_the_whole_break_again() {
    check(&format!("{OPEN} +100 p4 b4 =open +7.9 x +2.1 p5"));
}

#[test]
fn the_break_grows_with_each_attempt_that_failed() {
    check(&format!("{OPEN} +5 p1 b1 +7.9 x +2.1 p2 b2 +11.9 x +3.1 p3 b3 +11.9 x +3.1 p4"));
}

#[test]
fn no_break_overflows() {
    let vast = Duration::MAX;
    let settings = BreakerSettings { open_base: vast, ..BreakerSettings::default() };
    check_with(settings, "a1 b1 a2 b2 a3 b3 +11.9 x +3.1 p4");
    // Many openings: the doubling ends.
    let often = " +15 p4 b4".repeat(200);
    check(&format!("{OPEN} {often} =open +15 p5"));
    // What a provider or an operator says, and what a caller asks for.
    let mut run = check("a1 b1 a2 b2 a3");
    let third = run.take("3");
    run.breaker.failed(run.now, third, Weight::Full, Some(vast));
    assert_eq!(run.breaker.view(run.now).0.retry_in, Some(S(300)));
    run.breaker.force_open(run.now, vast, "forever");
    assert_eq!(run.breaker.view(run.now).0.retry_in, Some(S(86_400)));
    run.breaker.release(run.now);
    let (probe, _) = run.breaker.try_acquire(run.now, RequestId(1), vast, false);
    assert_eq!(probe.unwrap().admission(), Admission::Probe);
    assert_eq!(run.breaker.view(run.now + S(3_600)).0.circuit, Circuit::Open, "an hour is the longest lease");
}

#[test]
fn the_outcome_that_opened_is_told() {
    let run = check(&format!("{OPEN} +5 p7 b7"));
    let Some(Event::Changed { reason, causes, open_for, .. }) = run.events.last() else { panic!() };
    assert_eq!((*reason, causes.as_slice()), ("probe_failed", &[RequestId(7)][..]));
    assert!(open_for.is_some_and(|time| (S(8)..=S(10)).contains(&time)));
}

#[test]
fn the_full_flow() {
    check(
        "a1 f1 a2 b2 a3 b3 a4 b4 =open x +5 p5 =half_open x b5 =open x +10 p6 f6 p7 f7 =half_open p8 f8 =closed \
         +10 a1 f1 a2 b2 a3 b3 =closed a4 b4 =open",
    );
}

#[test]
fn a_cancelled_probe_does_not_close() {
    check(&format!("{OPEN} +5 p4 n4 =half_open p5 n5 p6 n6 =half_open"));
}

#[test]
fn a_late_success_does_not_close() {
    check(&format!("a8 a9 {OPEN} f8 =open +5 p4 f9 =half_open x"));
}

#[test]
fn the_window_has_edges() {
    // Nineteen calls; the twentieth comes just before the first ones leave, or just after.
    let nineteen = "a1 s1 ".repeat(19);
    check(&format!("{nineteen} +29.9 a1 s1 =open"));
    check(&format!("{nineteen} +30 a1 s1 =closed"));
    // Each leaves for itself.
    check(&format!("{} +15 {} +15 a1 s1 =closed", "a1 s1 ".repeat(10), "a1 s1 ".repeat(9)));
}
