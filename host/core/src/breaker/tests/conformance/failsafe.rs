//! From failsafe-go's `closedstate_test`, `halfopenstate_test`, `openstate_test` and `nested_circuitbreaker_test`.

use super::*;

#[test]
fn closed_counts_consecutive_failures() {
    for (calls, state) in
        [("b", "closed"), ("bb", "closed"), ("bbb", "open"), ("bbfb", "closed"), ("bbfbbb", "open")]
    {
        let calls = calls.chars().enumerate().map(|(n, end)| format!("a{n} {end}{n} "));
        check(&format!("{} ={state}", calls.collect::<String>()));
    }
}

#[test]
fn closed_counts_a_rate_over_enough_calls() {
    let calls = |bad: usize, good: usize| "a1 f1 ".repeat(good) + &"a1 s1 ".repeat(bad);
    for (bad, good, state) in [
        (19, 0, "closed"),
        (20, 0, "open"),
        (9, 10, "closed"),
        (10, 10, "open"),
        (10, 11, "closed"),
        (49, 50, "closed"),
    ] {
        check(&format!("{} ={state}", calls(bad, good)));
    }
}

#[test]
fn half_open_decides_by_the_first_bad_or_the_third_good() {
    let ends = ['f', 'b', 'n', 's'];
    for number in 0..ends.len().pow(4) {
        let word: Vec<char> = (0..4).map(|place| ends[number / ends.len().pow(place) % ends.len()]).collect();
        let (mut good, mut expect, mut script) = (0, "half_open", HALF.to_owned());
        for end in word {
            script += &format!(" p1 {end}1");
            match end {
                'f' => good += 1,
                'b' | 's' => expect = "open",
                _ => {}
            }
            if good == 3 {
                expect = "closed";
            }
            if expect != "half_open" {
                break;
            }
        }
        check(&format!("{script} ={expect}"));
    }
}

#[test]
fn half_open_never_gains_a_slot_from_a_call_of_before() {
    // There every end of any call makes a slot free, and so probes multiply.
    check(&format!("a7 a8 a9 {HALF} p4 f7 x b8 x n9 x c4 p5 x"));
}

#[test]
fn open_tells_the_remaining_delay() {
    let run = check("a1 b1 a2 b2 a3 b3@60");
    for passed in [0, 1, 30, 59] {
        let now = run.now + S(passed);
        let (refused, _) = run.breaker.try_acquire(now, RequestId(1), LEASE, false);
        assert_eq!(refused.unwrap_err(), S(60 - passed));
    }
}

#[test]
fn open_admits_after_the_delay_and_counts_nothing_before() {
    check("a9 a1 b1 a2 b2 a3 b3 b9 x x x +5 p4");
}

#[test]
fn a_refusal_is_nobodys_failure() {
    // Of nested breakers the outer would count it. Here a refused call has no permit, and without one nothing votes.
    let stage = open_stage();
    let before = stage.state(&id()).status();
    for _ in 0..100 {
        assert!(stage.acquire(&id(), 9, stage::LEASE, false).is_err());
    }
    assert_eq!(stage.state(&id()).status(), before);
    stage.pass(S(5));
    assert!(stage.acquire(&id(), 9, stage::LEASE, false).is_ok_and(|permit| permit.is_probe()));
}
