//! What an admission and a refusal cost. Measured by hand, in an optimised build:
//! `cargo test --release -p seawall-core --lib acquire_costs -- --ignored --nocapture`.

use super::stage::{self, LEASE, Stage};
use super::*;
use crate::class::{Class, Failure};
use crate::target::TargetId;

const ROUNDS: u32 = 2_000_000;

/// Median of eleven runs, in nanoseconds for one.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn nanoseconds(mut one: impl FnMut()) -> f64 {
    let mut runs: Vec<f64> = (0..11)
        .map(|_| {
            let began = std::time::Instant::now();
            (0..ROUNDS).for_each(|_| one());
            began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[5]
}

#[test]
#[ignore = "measures an optimised build"]
fn acquire_costs() {
    let id = TargetId::new("p", "a");
    let stage = Stage::new(1);
    let state = stage.state(&id);
    let now = Instant::now();
    let breaker = Breaker::new(BreakerSettings::default(), now, Arc::new(Random::seeded(1)));
    let first = RequestId(1);
    let closed = nanoseconds(|| {
        let (ticket, _) = breaker.try_acquire(now, first, LEASE, false);
        std::hint::black_box(&ticket);
    });
    println!("breaker, closed: {closed:.1} ns");
    let vote = nanoseconds(|| {
        let (ticket, _) = breaker.try_acquire(now, first, LEASE, false);
        breaker.finished(now, ticket.unwrap());
    });
    println!("breaker, closed, with its good vote: {vote:.1} ns");
    let permit = nanoseconds(|| drop(std::hint::black_box(stage::acquire(&state, 1, LEASE, false))));
    println!("permit with all gates, closed, acquired and dropped: {permit:.1} ns");
    // One request alone opens nothing.
    for request in 1..=3 {
        let (ticket, _) = breaker.try_acquire(now, RequestId(request), LEASE, false);
        breaker.failed(now, ticket.unwrap(), Weight::Full, None);
        stage::acquire(&state, request, LEASE, false).unwrap().failed(&Failure::new(Class::ServerError, "x"));
    }
    let refused = nanoseconds(|| {
        assert!(std::hint::black_box(breaker.try_acquire(now, first, LEASE, false)).0.is_err());
    });
    println!("breaker, refused: {refused:.1} ns");
    let gated = nanoseconds(|| assert!(stage::acquire(&state, 1, LEASE, false).is_err()));
    println!("permit with all gates, refused by the breaker: {gated:.1} ns");
    for (what, cost) in [("closed", closed), ("refused", refused), ("refused permit", gated)] {
        assert!(cost < 100.0, "{what}: {cost:.1} ns");
    }
}
