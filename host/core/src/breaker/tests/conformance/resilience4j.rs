//! From `CircuitBreakerStateMachineTest`, `CircuitBreakerAutoTransitionStateMachineTest` and
//! `CircuitBreakerEventPublisherTest`.

use super::*;

#[test]
fn a_new_breaker_is_closed_and_has_counted_nothing() {
    let run = check("=closed");
    let (view, _) = run.breaker.view(run.now);
    assert_eq!((view.generation, view.opens, view.retry_in, view.stale_votes), (1, 0, None, 0));
}

#[test]
fn open_refuses() {
    check(&format!("{OPEN} x x x =open"));
}

#[test]
fn forced_open_refuses() {
    check("open@60 x x +59 x lx");
}

#[test]
fn half_open_admits_the_permitted_probe_only() {
    check(&format!("{OPEN} +5 p4 x x c4 p5 x"));
}

#[test]
fn opens_on_the_failure_rate() {
    check(&format!("{} =closed a1 s1 =open !failure_rate", "a1 s1 a2 f2 ".repeat(9) + "a1 s1"));
}

#[test]
fn half_open_after_the_wait() {
    check(&format!("{OPEN} +3.9 x =open +1.1 p4 =half_open"));
}

#[test]
fn half_open_after_the_wait_that_the_interval_function_gives() {
    check(&format!("{OPEN} +5 p4 b4 +7.9 x +2.1 p5 b5 +11.9 x +3.1 p6"));
}

#[test]
fn half_open_at_the_given_instant() {
    check("a1 b1 a2 b2 a3 b3@60 +59.9 x +0.1 p4 =half_open");
}

#[test]
fn half_open_opens_on_bad() {
    check(&format!("{OPEN} +5 p4 c4 p5 b5 =open"));
}

#[test]
fn half_open_closes_on_good() {
    check(&format!("{OPEN} +5 p4 f4 p5 f5 p6 f6 =closed"));
}

#[test]
fn reset_clears_what_was_counted() {
    check("a1 b1 a2 b2 reset a3 b3 a4 b4 =closed");
    check(&format!("{} reset a1 s1 =closed", "a1 s1 ".repeat(19)));
    check(&format!("{OPEN} +5 p4 b4 +10 p5 b5 reset =closed a1 b1 a2 b2 a3 b3 =open +5 p6"));
}

#[test]
fn an_ignored_error_gives_the_slot_back() {
    check(&format!("{OPEN} +5 p4 x n4 p5 n5 p6 =half_open"));
}

#[test]
fn closed_never_becomes_half_open() {
    check("a1 +3600 =closed hurry =closed release =closed a2 f2 n1 =closed");
}

#[test]
fn every_state_may_be_forced_closed() {
    for before in ["", OPEN, HALF, &format!("{HALF} p5"), "open@9", "shut@9"] {
        check(&format!("{before} shut@60 =forced_closed a1 a2 a3 b1 b2 b3 =forced_closed"));
    }
}

#[test]
fn metrics_only_tells_each_breach_once() {
    let run = check("shut@60 a1 b1 a2 b2 a3 b3 a4 b4 a5 b5 =forced_closed");
    let told: Vec<_> = run.events.iter().map(reason).collect();
    assert_eq!(told, ["forced", "consecutive_failures"]);
}

#[test]
fn a_change_to_the_same_state_is_no_event() {
    for (script, events) in [("open@9 open@9", 1), ("shut@9 shut@9", 1), ("reset reset", 0), ("release", 0)] {
        assert_eq!(check(script).events.len(), events, "{script}");
    }
}

#[test]
fn a_timer_of_the_state_before_is_gone_after_a_manual_change() {
    // The open time, the lease of a probe, the expiry of a forced state.
    check(&format!("{OPEN} open@60 +5 x =forced_open"));
    check(&format!("{HALF} p4 shut@60 +12 =forced_closed"));
    check("open@9 reset +9 =closed");
    check("open@9 shut@60 +9 =forced_closed +51 =closed");
    check("shut@9 open@60 +9 =forced_open");
}

#[test]
fn each_kind_of_event_is_told() {
    let run = check(&format!(
        "shut@5 a1 b1 a2 b2 a3 b3 +5 {OPEN} +5 p4 b4 +10 p5 +11 x +15 p6 f6 p7 f7 p8 f8 =closed \
         open@9 release +0 open@9 +9 reset =closed"
    ));
    let told: Vec<_> = run.events.iter().map(reason).collect();
    let expect = [
        "forced",
        "consecutive_failures",
        "force_expired",
        "consecutive_failures",
        "open_time_over",
        "probe_failed",
        "open_time_over",
        "probe_lost",
        "open_time_over",
        "probes_good",
        "forced",
        "released",
        "forced",
        "force_expired",
        "reset",
    ];
    assert_eq!(told, expect);
}
