//! From `FailureAccrualFactoryTest` and `FailureAccrualPolicyTest`.

use super::*;

#[test]
fn dead_after_consecutive_failures_and_a_success_starts_the_count_again() {
    check("a1 b1 a2 b2 a3 f3 a4 b4 a5 b5 =closed a6 b6 =open");
}

#[test]
fn dead_below_the_success_rate_and_never_for_too_few_requests() {
    let mix = "a1 s1 a1 s1 a2 f2 ".repeat(6);
    check(&format!("{mix} =closed a1 s1 =closed a1 s1 =open"));
}

#[test]
fn the_hybrid_is_dead_when_either_says_so() {
    check("a1 b1 a2 b2 a3 b3 =open !consecutive_failures");
    check(&format!("{} =open !failure_rate", "a1 s1 ".repeat(20)));
    // When both do, the run is told: it names its requests.
    check(&format!("{} a7 b7 a8 b8 a9 b9 =open !consecutive_failures", "a2 f2 a1 s1 ".repeat(8) + "a2 f2"));
}

#[test]
fn an_ignorable_result_opens_the_probe_again() {
    check(&format!("{HALF} p4 x n4 p5 x f5 =half_open p6"));
}

#[test]
fn a_failed_probe_marks_it_dead_for_longer_and_good_ones_revive() {
    check(&format!("{HALF} p4 b4 +7.9 x +2.1 p5 f5 p6 f6 p7 f7 =closed +10 a1 f1"));
}

#[test]
fn a_revived_node_forgets_what_killed_it() {
    check(&format!("{HALF} p4 f4 p5 f5 p6 f6 =closed +10 a1 b1 a2 b2 =closed a3 b3 =open"));
}

#[test]
fn requests_of_before_do_not_kill_a_revived_node() {
    check(&format!("a7 a8 a9 {HALF} p4 f4 p5 f5 p6 f6 =closed b7 b8 b9 =closed"));
}
