//! What none of the breakers that were read promises, (a) to (l); (k), that a probe is a twin, is the cascade's.

use super::*;

#[test]
fn a_stale_success_in_half_open_does_not_close() {
    check(&format!("a7 a8 a9 {HALF} p4 f7 f8 f9 =half_open x"));
}

#[test]
fn b_stale_failure_does_not_reopen() {
    check(&format!("a7 a8 a9 {HALF} p4 b7 b8 b9 =half_open x f4 p5 f5 p6 f6 =closed"));
}

#[test]
fn c_a_probes_lease_expires() {
    check(&format!("{HALF} p4 +10.9 x =half_open +0.1 =open !probe_lost +10 p5"));
}

#[test]
fn d_the_late_result_of_a_lost_probe_is_ignored() {
    for end in ["f4", "b4", "c4", "n4", "s4"] {
        check(&format!("{HALF} p4 +11 =open {end} =open +10 p5 x"));
        // Also while the next probe decides.
        check(&format!("{HALF} p4 +11 =open +10 p5 {end} =half_open x"));
    }
}

#[test]
fn e_a_client_that_leaves_a_probe_says_nothing() {
    check(&format!("{HALF} p4 n4 =half_open p5"));
    let stage = open_stage();
    stage.pass(S(5));
    let probe = stage.acquire(&id(), 1, stage::LEASE, true).unwrap();
    probe.failed(&Failure::new(Class::ClientCancelled, "left"));
    assert_eq!(stage.state(&id()).circuit(), Circuit::HalfOpen);
    drop(stage.acquire(&id(), 2, stage::LEASE, true).unwrap());
    assert!(stage.acquire(&id(), 3, stage::LEASE, true).unwrap().is_probe());
}

#[test]
fn f_a_stream_counts_at_its_first_content_and_its_later_break_once() {
    // The start ends a run of failed starts at once, not at the end of a long stream.
    check("a1 b1 a2 b2 a3 c3 a4 b4 =closed");
    // Its break is one bad call in the window, and the start is taken back: ten and ten are half of twenty.
    let broken = "a1 c1 b1 a1 c1 b1 a2 c2 f2 ";
    check(&format!("{} =closed a1 c1 b1 a1 c1 b1 =open !failure_rate", broken.repeat(6)));
    // Three of them in a run open.
    check("a1 c1 b1 a2 c2 b2 a3 c3 b3 =open !broken_streams");
    // A probe is good at its first content; its break after that is one bad vote, and none in another generation.
    check(&format!("{HALF} p4 c4 =half_open b4 =open !probe_failed"));
    check(&format!("{HALF} p4 c4 p5 c5 p6 c6 =closed b4 b5 b6 =closed"));
}

#[test]
fn g_a_storm_of_429_never_opens() {
    for hint in [Some(1), None] {
        let stage = Stage::new(3);
        for _ in 0..200 {
            let burst: Vec<_> =
                (0..10).filter_map(|n| stage.acquire(&id(), n, stage::LEASE, true).ok()).collect();
            burst.into_iter().for_each(|permit| permit.failed(&limited(hint, Scope::Model)));
            // Whenever the gate opens some calls are served, as behind a real limit.
            while let Some(rest) = stage.state(&id()).refusal().and_then(|refusal| refusal.retry_in) {
                stage.pass(rest);
            }
            stage.acquire(&id(), 99, stage::LEASE, true).unwrap().finished();
        }
        assert_eq!(stage.state(&id()).status().opens, 0, "{hint:?}");
    }
}

#[test]
fn h_quota_and_credential_never_open_the_models_breaker() {
    for class in [Class::QuotaExhausted, Class::Auth, Class::ModelNotFound] {
        for scope in [Scope::Model, Scope::Credential] {
            let stage = Stage::new(3);
            let burst: Vec<_> =
                (0..50).map(|n| stage.acquire(&id(), n, stage::LEASE, true).unwrap()).collect();
            let failure = Failure { scope, ..Failure::new(class, "x") };
            burst.into_iter().for_each(|permit| permit.failed(&failure));
            let status = stage.state(&id()).status();
            assert_eq!((status.circuit, status.opens), ("closed", 0), "{class}");
            assert_eq!(status.gates.len(), 1, "its own gate closed: {:?}", status.gates);
        }
    }
}

#[test]
fn i_the_last_resort_respects_gates_and_operators() {
    for (class, gate) in [
        (Class::RateLimited, Gate::Rate),
        (Class::QuotaExhausted, Gate::Quota),
        (Class::Auth, Gate::Credential),
        (Class::ModelNotFound, Gate::MissingModel),
    ] {
        let stage = open_stage();
        let failure = Failure { retry_after: Some(S(60)), ..Failure::new(class, "x") };
        stage.last_resort(&id(), 1, 4).expect("nothing but the breaker refuses").failed(&failure);
        stage.pass(S(2));
        assert!(stage.last_resort(&id(), 1, 5).is_none(), "{class}");
        assert_eq!(stage.state(&id()).refusal().map(|refusal| refusal.gate), Some(gate));
        assert_eq!(stage.state(&id()).stats().in_flight, 0);
    }
    let stage = open_stage();
    stage.targets.force_open(&id(), "maintenance", S(60));
    assert!(stage.last_resort(&id(), 1, 6).is_none());
}

#[test]
fn j_a_reload_keeps_every_state() {
    for before in ["", OPEN, HALF, &format!("{HALF} p4"), "open@60", "shut@60"] {
        let run = check(before);
        let (view, _) = run.breaker.view(run.now);
        let other =
            BreakerSettings { consecutive: 7, window: S(60), open_base: S(9), ..BreakerSettings::default() };
        assert_eq!(run.breaker.set(run.now, other), [], "{before}");
        let (after, _) = run.breaker.view(run.now);
        assert_eq!(after.generation, view.generation, "{before}");
        assert_eq!(after.circuit, view.circuit, "{before}");
    }
    // A run under way goes on, and a call from before the reload still votes.
    let mut run = check("a9 a1 b1 a2 b2");
    run.breaker.set(run.now, BreakerSettings { ramp: S(1), ..BreakerSettings::default() });
    run.step("b9", "after a reload");
    run.step("=open", "after a reload");
    // Through the whole house: nothing but what an operator repairs changes.
    let stage = open_stage();
    let before = stage.state(&id()).status();
    stage.targets.configure(&[id()], &BreakerSettings::default());
    assert_eq!(stage.state(&id()).status(), before);
}

#[test]
fn l_a_jump_of_the_wall_clock_changes_nothing() {
    for jump in [-3_600, 3_600] {
        let stage = open_stage();
        let limited_target = TargetId::new("q", "a");
        stage
            .acquire(&limited_target, 1, stage::LEASE, true)
            .unwrap()
            .failed(&limited(Some(30), Scope::Model));
        let look = |stage: &Stage| [&id(), &limited_target].map(|id| stage.state(id).status());
        let before = look(&stage);
        stage.jump_wall_clock(jump);
        assert_eq!(look(&stage), before, "{jump}");
        stage.pass(S(5));
        let probe = stage.acquire(&id(), 2, stage::LEASE, true).unwrap();
        stage.jump_wall_clock(-2 * jump);
        assert!(probe.is_probe());
        assert!(stage.acquire(&limited_target, 3, stage::LEASE, true).is_err());
        probe.finished();
        stage.pass(S(25));
        assert!(stage.acquire(&limited_target, 4, stage::LEASE, true).is_ok(), "{jump}");
        assert_eq!(stage.state(&id()).circuit(), Circuit::HalfOpen);
    }
}
