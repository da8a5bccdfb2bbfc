//! From tower-resilience's `tests/contract.rs`.

use super::*;

#[test]
fn half_open_admits_no_more_than_its_permits_under_contention() {
    // All orders of three threads are tried by `cargo xtask loom`; this is many threads on a real machine.
    let stage = open_stage();
    stage.pass(S(5));
    let state = stage.state(&id());
    for round in 0..50 {
        let probes: usize = std::thread::scope(|scope| {
            let ask =
                || (0..20).filter_map(|_| stage::acquire(&state, round, stage::LEASE, false).ok()).collect();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let permits: Vec<Vec<_>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            permits.iter().flatten().filter(|permit| permit.is_probe()).count()
        });
        assert_eq!(probes, 1, "round {round}");
        assert_eq!(state.stats().in_flight, 0);
    }
}

#[test]
fn a_dropped_probe_frees_its_slot() {
    let stage = open_stage();
    stage.pass(S(5));
    for request in 0..10 {
        let probe = stage.acquire(&id(), request, stage::LEASE, false).unwrap();
        assert!(probe.is_probe());
        assert!(stage.acquire(&id(), request, stage::LEASE, false).is_err());
    }
    assert_eq!(stage.state(&id()).circuit(), Circuit::HalfOpen);
}

#[test]
fn a_panicking_call_frees_its_slot() {
    let stage = open_stage();
    stage.pass(S(5));
    let probe = stage.acquire(&id(), 1, stage::LEASE, false).unwrap();
    let call = std::panic::AssertUnwindSafe(move || {
        let _held = probe;
        std::panic::resume_unwind(Box::new("the call"));
    });
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(stage.state(&id()).stats().in_flight, 0);
    assert!(stage.acquire(&id(), 2, stage::LEASE, false).unwrap().is_probe());
}

#[test]
fn a_closed_call_does_not_vote_after_the_breaker_opened() {
    check("a7 a1 b1 a2 b2 a3 b3 =open c7 =open f7 =open +5 p4");
}
