//! From `CircuitBreakingIntegrationTest`: several gates on one resource.

use super::*;

#[test]
fn a_probe_that_a_second_gate_blocks_does_not_wedge_the_breaker() {
    for scope in [Scope::Model, Scope::Credential] {
        let stage = open_stage();
        // A sibling finds out about the limit while the target is open.
        let sibling = match scope {
            Scope::Model => id(),
            Scope::Credential => TargetId::new("p", "b"),
        };
        let early = match scope {
            Scope::Model => stage.last_resort(&sibling, 1, 4),
            Scope::Credential => stage.acquire(&sibling, 4, stage::LEASE, true).ok(),
        };
        early.unwrap().failed(&limited(Some(30), scope));
        stage.pass(S(5));
        for _ in 0..10 {
            let refusal = stage.acquire(&id(), 5, stage::LEASE, true).unwrap_err();
            assert_eq!(refusal.gate, Gate::Rate, "the gate refuses, and no probe is lost by it");
        }
        assert_eq!(stage.state(&id()).circuit(), Circuit::Open);
        stage.pass(S(25));
        assert!(stage.acquire(&id(), 6, stage::LEASE, true).unwrap().is_probe());
    }
}

#[test]
fn a_probe_that_is_rate_limited_gives_its_slot_back() {
    let stage = open_stage();
    stage.pass(S(5));
    stage.acquire(&id(), 4, stage::LEASE, true).unwrap().failed(&limited(Some(7), Scope::Model));
    assert_eq!(stage.state(&id()).circuit(), Circuit::HalfOpen);
    assert_eq!(stage.state(&id()).refusal().map(|refusal| refusal.gate), Some(Gate::Rate));
    stage.pass(S(7));
    assert!(stage.acquire(&id(), 5, stage::LEASE, true).unwrap().is_probe());
}

#[test]
fn only_its_probe_decides_and_not_the_next_call_that_ends() {
    // There the next completion of any call decides a half-open breaker.
    check(&format!("a8 a9 {HALF} p4 f8 =half_open b9 =half_open f4 =half_open"));
}
