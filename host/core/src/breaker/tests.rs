//! Rows of the transition table, as scripts (the words stand in `script`).

mod conformance;
#[cfg(loom)]
mod loom_permits;
mod model;
mod script;
mod speed;
mod stage;

use script::{HALF, LEASE, OPEN, check, check_with, reason};

use super::*;

#[tokio::test(start_paused = true)]
async fn closed() {
    check("=closed a1 f1 =closed");
    check("a1 b1 a2 b2 =closed a3 b3 =open !consecutive_failures x");
    // A good start between ends the run; the finish is not needed for it.
    check("a1 b1 a2 b2 a4 c4 a3 b3 =closed");
    check("a1 b1 a2 b2 a4 f4 a3 b3 =closed");
    // Calls that say nothing change nothing.
    check("a1 b1 a2 n2 a3 b3 a4 n4 =closed a5 b5 =open");
    // Fast failures among slow streams that started long ago.
    check("a7 c7 a8 c8 a1 b1 f7 a2 b2 f8 a3 b3 =open !consecutive_failures");
    // Streams that start well and always break.
    check("a1 c1 b1 a2 c2 b2 =closed a3 c3 b3 =open !broken_streams");
    check("a1 c1 b1 a2 c2 b2 a4 c4 f4 a3 c3 b3 =closed");
    // A plain answer proves nothing about streams.
    check("a1 c1 b1 a2 c2 b2 a4 f4 a3 c3 b3 =open !broken_streams");
    // Soft failures are in no run.
    check("a1 s1 a2 s2 a3 s3 a4 s4 =closed");
}

#[tokio::test(start_paused = true)]
async fn open_rests_and_then_probes() {
    check(&format!("{OPEN} +3.9 x =open +1.1 p4 =half_open !open_time_over x"));
    check(&format!("{OPEN} =open +3600 =open p4"));
    // Never straight to half-open by looking, never to half-open from closed.
    check("a1 b1 +3600 =closed");
}

#[tokio::test(start_paused = true)]
async fn open_time_doubles_up_to_the_cap() {
    // First 4-5 s, then 8-10 s, then 12-15 s and no more.
    let reopened = format!("{OPEN} +5 p4 b4 =open !probe_failed");
    check(&format!("{reopened} +7.9 x +2.1 p4"));
    check(&format!("{reopened} +10 p4 b4 +11.9 x +3.1 p4 b4 +11.9 x +3.1 p4 b4 +11.9 x +3.1 p4"));
}

#[tokio::test(start_paused = true)]
async fn openings_are_forgiven_one_a_minute() {
    // Four openings, then closed: after a minute one is forgiven, after ten all are.
    let closed = "a1 b1 a2 b2 a3 b3 +5 p4 b4 +10 p4 f4 p5 f5 p6 f6 =closed +11 ";
    let reopen = "a1 b1 a2 b2 a3 b3 =open";
    check(&format!("{closed} {reopen} +11.9 x"));
    check(&format!("{closed} +60 {reopen} +7.9 x +2.1 p4"));
    check(&format!("{closed} +600 {reopen} +3.9 x +1.1 p4"));
    // However it left CLOSED: an operator's drill does not take the closed minutes back.
    check(&format!("{closed} +600 open@5 release p4 b4 =open +3.9 x +1.1 p4"));
    // Time that was forced closed is no sign of health.
    check(&format!("{closed} shut@600 release {reopen} +11.9 x"));
}

#[tokio::test(start_paused = true)]
async fn a_hint_extends_the_open_time() {
    check("a1 b1 a2 b2 a3 b3@60 +59.9 x +0.1 p4");
    check("a1 b1@60 a2 b2 a3 b3@2 +59.9 x +0.1 p4");
    check("a1 b1 a2 b2 a3 b3@9000 +299.9 x +0.1 p4");
    check("a1 b1 a2 b2 a3 b3@1 +3.9 x +1.1 p4");
    // A success between says the hint is over.
    check("a1 b1@60 a2 f2 a3 b3 a4 b4 a5 b5 +5 p4");
    // A call from just before the opening may extend, never shorten, and does not vote.
    check("a9 a1 b1 a2 b2 a3 b3 b9@30 +29.9 x +0.1 p4");
    check("a9 a1 b1 a2 b2 a3 b3@30 b9@1 +29.9 x +0.1 p4");
}

#[tokio::test(start_paused = true)]
async fn half_open() {
    let probe = format!("{OPEN} +5 p4");
    check(&format!("{probe} x x"));
    check(&format!("{probe} c4 =half_open p5 c5 =half_open p6 c6 =closed !probes_good"));
    check(&format!("{probe} f4 p5 f5 p6 f6 =closed"));
    check(&format!("{probe} b4 =open !probe_failed"));
    check(&format!("{probe} c4 p5 b5 =open !probe_failed x"));
    // An empty answer is no proof of health.
    check(&format!("{probe} s4 =open !probe_failed"));
    // Dropped, cancelled, or an error that says nothing about health: the slot is free, nothing is decided.
    check(&format!("{probe} n4 =half_open p5 n5 p6 n6 p7 f7 p8 f8 =half_open p9 f9 =closed"));
    // The lease ends at the first content: the next probe need not wait for the end of a long stream.
    check(&format!("{probe} c4 p5 +60 =open"));
    check(&format!("{probe} c4 +60 =half_open p5"));
    // A later break of a former probe is its vote, while its generation lasts.
    check(&format!("{probe} c4 b4 =open !probe_failed"));
    check(&format!("{probe} c4 p5 c5 p6 c6 =closed b4 b5 b6 =closed"));
    // Ending a call that was a probe does not free the slot of the present one.
    check(&format!("{probe} c4 p5 n4 x"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_probe_counts_as_failed_and_its_late_result_is_ignored() {
    let probe = format!("{OPEN} +5 p4");
    check(&format!("{probe} +10.9 x =half_open +0.2 x =open !probe_lost"));
    check(&format!("{probe} +11.1 c4 =open f4 =open"));
    check(&format!("{probe} +11.1 b4 =open +10 p5"));
    // Counted from the deadline, not from when somebody looked: nobody waits for nothing.
    check(&format!("{probe} +100 p5 =half_open c4 n4 x =half_open"));
}

#[tokio::test(start_paused = true)]
async fn stale_votes_are_ignored() {
    // (a) A stale success in HALF-OPEN does not close, (b) a stale failure does not reopen.
    check("a7 a8 a9 a1 b1 a2 b2 a3 b3 +5 p4 f7 f8 f9 =half_open x");
    check("a7 a8 a9 a1 b1 a2 b2 a3 b3 +5 p4 b7 b8 b9 =half_open x");
    // Nor does either move OPEN, nor a CLOSED of another generation.
    check("a7 a1 b1 a2 b2 a3 b3 f7 =open");
    let healed = "a7 a8 a9 a1 b1 a2 b2 a3 b3 +5 p4 f4 p5 f5 p6 f6 =closed";
    let mut run = check(&format!("{healed} b7 b8 b9 =closed"));
    let (view, _) = run.breaker.view(run.now);
    assert!(view.stale_votes >= 3);
    run.step("=closed", "");
}

#[tokio::test(start_paused = true)]
async fn the_ramp_after_closing() {
    let run = check(&format!("{HALF} p4 f4 p5 f5 p6 f6 =closed"));
    let admitted = |seconds: u64| {
        let now = run.now + Duration::from_secs(seconds);
        let tries = 2_000;
        let results = (0..tries).map(|n| run.breaker.try_acquire(now, RequestId(n), LEASE, false).0);
        let good = results.filter(Result::is_ok).count();
        f64::from(u32::try_from(good).unwrap()) / tries as f64
    };
    for (seconds, expect) in [(0, 0.1), (3, 0.37), (5, 0.55), (8, 0.82), (10, 1.0), (11, 1.0)] {
        let share = admitted(seconds);
        assert!((share - expect).abs() < 0.04, "after {seconds} s: {share}, expected {expect}");
    }
    // Whoever has no other candidate is let through, and a failing ramp opens as usual.
    check(&format!("{HALF} p4 f4 p5 f5 p6 f6 A1 A2 A3 A4 A5 A6 A7 A8 b1 b2 b3 =open"));
    let run = check(&format!("{HALF} p4 f4 p5 f5 p6 f6 =closed"));
    let acquire = |n| run.breaker.try_acquire(run.now, RequestId(n), LEASE, false).0;
    let refused = (0..1_000).find_map(|n| acquire(n).err());
    assert_eq!(refused, Some(Duration::from_millis(100)), "a ramp's refusal is short");
}

#[tokio::test(start_paused = true)]
async fn the_failure_rate() {
    // Two good, two bad and so on: no run ever reaches three.
    let call = |bad: bool| if bad { "a1 b1 " } else { "a1 f1 " };
    let mix = |calls: usize| (0..calls).map(|n| call(n % 4 < 2)).collect::<String>();
    check(&format!("{} =closed", mix(20)));
    check(&format!("{} =open !failure_rate", mix(21)));
    // Spread over more than the window there are never twenty in it.
    let slow: String = (0..40).map(|n| format!("{} +2 ", call(n % 4 < 2))).collect();
    check(&format!("{slow} =closed"));
    // Below half.
    let third: String = (0..90).map(|n| call(n % 3 == 0)).collect();
    check(&format!("{third} =closed"));
    // Soft failures count here.
    check(&format!("{} =open !failure_rate", "a1 s1 ".repeat(20)));
    // A stream that starts and breaks is one bad call, not one good and one bad.
    let broken = "a1 c1 b1 a2 c2 b2 a3 c3 f3 ".repeat(6);
    check(&format!("{broken} =closed a1 c1 b1 a2 c2 b2 =open !failure_rate"));
    let sparse = "a1 c1 b1 a2 c2 f2 a3 c3 f3 ".repeat(20);
    check(&format!("{sparse} =closed"));
}

#[tokio::test(start_paused = true)]
async fn forced_states() {
    check("open@9 =forced_open !forced x +8.9 x +0.1 =half_open !force_expired p1 f1 p2 f2 p3 f3 =closed");
    check("open@9 release =half_open !released p1");
    check("open@9 lx");
    check("shut@9 =forced_closed a1 b1 a2 b2 a3 b3 a4 b4 =forced_closed +9 =closed !force_expired");
    check("shut@9 a1 b1 a2 b2 a3 b3 release =closed a4 b4 a5 b5 =closed a6 b6 =open");
    check("open@9 shut@9 =forced_closed open@9 =forced_open");
    check(&format!("{OPEN} shut@9 a1 reset =closed"));
    check(&format!("{OPEN} reset =closed !reset a1 f1 a2 b2 a3 b3 =closed"));
    check("a1 b1 a2 b2 reset a3 b3 =closed");
    // Calls admitted before do not vote after.
    check("a1 a2 a3 reset b1 b2 b3 =closed");
    check("a1 a2 a3 shut@9 release b1 b2 b3 =closed");
    // A timer that belonged to the state before is gone.
    check(&format!("{OPEN} +5 p4 open@9 +8.9 =forced_open c4 =forced_open"));
    // Forcing again renews the time, and is no change.
    let run = check("open@9 +8 open@9 +8 =forced_open");
    assert_eq!(run.events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn forced_closed_says_that_it_would_have_opened() {
    let run = check("shut@9 a1 b1 a2 b2 a3 b3 a4 b4 a5 b5 a6 b6 a7 b7");
    let (view, _) = run.breaker.view(run.now);
    assert_eq!(view.would_open, 2);
    assert_eq!(view.forced_reason.as_deref(), Some("drill"));
    let told: Vec<_> = run.events.iter().filter(|event| matches!(event, Event::WouldOpen { .. })).collect();
    let causes = [1, 2, 3].map(RequestId).to_vec();
    assert_eq!(told[0], &Event::WouldOpen { reason: "consecutive_failures", causes });
    assert_eq!(told.len(), 2);
    // The rate would open as well.
    let run = check(&format!("shut@90 {}", "a1 s1 ".repeat(45)));
    let reasons: Vec<_> = run.events.iter().map(reason).collect();
    assert_eq!(reasons, ["forced", "failure_rate", "failure_rate"]);
    // What was counted meanwhile does not burden the time after.
    check(&format!("shut@90 {} release a1 s1 =closed", "a1 s1 ".repeat(39)));
}

#[tokio::test(start_paused = true)]
async fn one_request_alone_opens_nothing() {
    check("a1 b1 a1 b1 a1 b1 a1 b1 =closed");
    check("a1 c1 b1 a1 c1 b1 a1 c1 b1 =closed");
    // Another one's failure is the first, second or last of three.
    for order in
        ["a1 b1 a1 b1 a2 b2", "a1 b1 a2 b2 a1 b1", "a2 b2 a1 b1 a1 b1", "a1 b1 a1 b1 a1 b1 a1 b1 a2 b2"]
    {
        check(&format!("{order} =open !consecutive_failures"));
    }
    // A good start ends the run, whoever was in it.
    check("a2 b2 a1 b1 a3 f3 a1 b1 a1 b1 a1 b1 =closed");
    // Where a single failure is enough, it is enough.
    let strict = BreakerSettings { consecutive: 1, ..BreakerSettings::default() };
    check_with(strict, "a1 b1 =open");
}

#[tokio::test(start_paused = true)]
async fn last_resort() {
    // It fails: nothing changes, the time runs on. It brings content: that was a good probe.
    check(&format!("{OPEN} l9 b9 =open x +5 p4"));
    check(&format!("{OPEN} l9 c9 =half_open !last_resort_good p4 c4 p5 c5 =closed"));
    check(&format!("{OPEN} l9 n9 =open"));
    check(&format!("{OPEN} l9 b9@60 +59 x"));
    // Late, when a probe is already at work, it has no vote; it does not take the probe's place either.
    check(&format!("{OPEN} l9 +5 p4 c9 =half_open x"));
    // Nobody is refused because a probe is under way. Beside one it has no vote, neither way.
    check(&format!("{OPEN} +5 p4 l9 c9 =half_open x b9 =half_open c4"));
    check(&format!("{OPEN} +5 p4 l9 b9 =half_open c4 p5 c5 p6 c6 =closed"));
    check("open@9 lx +9 l9 =half_open");
    // When the time is over it is simply the probe.
    check(&format!("{OPEN} +5 l9 =half_open x b9 =open !probe_failed"));
}

#[tokio::test(start_paused = true)]
async fn a_new_plugin_may_be_the_cure() {
    check(&format!("{OPEN} x hurry p4"));
    check("hurry =closed");
    check("open@9 hurry x");
    // Also when its last probe was lost and nobody has looked since.
    check(&format!("{HALF} p4 +12 hurry p5"));
}

#[tokio::test(start_paused = true)]
async fn other_thresholds_keep_the_state() {
    let mut run = check("a1 b1 a2 b2");
    let stricter = BreakerSettings { consecutive: 5, ..BreakerSettings::default() };
    run.breaker.set(run.now, stricter.clone());
    for word in "a3 b3 a4 b4 =closed a5 b5 =open".split_whitespace() {
        run.step(word, "stricter");
    }
    let generation = run.breaker.view(run.now).0.generation;
    run.breaker.set(run.now, BreakerSettings { window: Duration::from_secs(60), ..stricter });
    let (view, _) = run.breaker.view(run.now);
    assert_eq!((view.circuit, view.generation), (Circuit::Open, generation));
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_with_its_causes() {
    let run = check("a1 b1 a2 b2 a3 c3 a4 b4 a5 b5 a6 b6 x x =open +5 p7 b7 +10 p8 c8 p9 c9 p1 c1 =closed");
    let told: Vec<_> = run
        .events
        .iter()
        .map(|event| {
            let Event::Changed { from, to, reason, causes, .. } = event else { panic!("{event:?}") };
            let causes: Vec<u64> = causes.iter().map(|request| request.0).collect();
            (from.label(), to.label(), *reason, causes)
        })
        .collect();
    let expect = [
        ("closed", "open", "consecutive_failures", vec![4, 5, 6]),
        ("open", "half_open", "open_time_over", vec![7]),
        ("half_open", "open", "probe_failed", vec![7]),
        ("open", "half_open", "open_time_over", vec![8]),
        ("half_open", "closed", "probes_good", vec![8, 9, 1]),
    ];
    // `x` and `a` steps report through the script too, so nothing is missing or doubled.
    assert_eq!(told, expect);
    assert_eq!(run.breaker.view(run.now).0.generation, 1 + 5, "one generation a change");
    assert_eq!(run.breaker.view(run.now).0.opens, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when() {
    let run = check(OPEN);
    let refused = |after: f64| {
        let now = run.now + Duration::from_secs_f64(after);
        run.breaker.try_acquire(now, RequestId(0), LEASE, false).0.unwrap_err()
    };
    let first = refused(0.0);
    assert!((4.0..5.0).contains(&first.as_secs_f64()), "{first:?}");
    assert_eq!(refused(1.0), first - Duration::from_secs(1));
    assert!(run.breaker.try_acquire(run.now + first, RequestId(1), LEASE, false).0.is_ok());
    let beside_probe = |after: u64| {
        let now = run.now + first + Duration::from_secs(after);
        run.breaker.try_acquire(now, RequestId(2), LEASE, false).0.unwrap_err()
    };
    assert_eq!(beside_probe(0), Duration::from_secs(5), "a probe is mostly decided before its lease ends");
    assert_eq!(beside_probe(8), Duration::from_secs(3), "and at the latest then");
}

#[tokio::test(start_paused = true)]
async fn a_preset_without_rate_doubling_or_ramp() {
    let simple = BreakerSettings {
        rate_minimum: u32::MAX,
        open_base: Duration::from_secs(30),
        open_cap: Duration::from_secs(30),
        probes: 1,
        ramp: Duration::ZERO,
        ..BreakerSettings::default()
    };
    check_with(simple, "a1 b1 a2 b2 a3 b3 +23.9 x +6.1 p4 f4 =closed a1 a2 a3 a4 a5 a6 a7 a8");
}

#[test]
fn half_open_admits_one_under_contention() {
    let now = Instant::now();
    let breaker = Breaker::new(BreakerSettings::default(), now, Arc::new(Random::seeded(1)));
    for n in 0..3 {
        let (ticket, _) = breaker.try_acquire(now, RequestId(n), LEASE, false);
        breaker.failed(now, ticket.unwrap(), Weight::Full, None);
    }
    let later = now + Duration::from_secs(5);
    let admitted = AtomicU64::new(0);
    let changes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (breaker, admitted, changes) = (&breaker, &admitted, &changes);
            scope.spawn(move || {
                for n in 0..1_000 {
                    let (result, changed) =
                        breaker.try_acquire(later, RequestId(thread * 1_000 + n), LEASE, false);
                    admitted.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
                    changes.fetch_add(changed.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((admitted.into_inner(), changes.into_inner()), (1, 1));
}
