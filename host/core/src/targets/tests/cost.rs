//! What asking costs. Measurements on a real clock, so they run on request only and optimised:
//! `cargo test --release -p seawall-core cost -- --ignored --nocapture`.

use std::hint::black_box;

use super::*;
use crate::ports::TokioClock;
use crate::testing::Notes;

/// Nanoseconds a turn, the best of some rounds: others may use the machine meanwhile.
fn ns(mut turn: impl FnMut()) -> u128 {
    const TURNS: u32 = 200_000;
    let round = |_| {
        let began = Instant::now();
        (0..TURNS).for_each(|_| turn());
        began.elapsed().as_nanos() / u128::from(TURNS)
    };
    (0..9).map(round).min().unwrap()
}

/// The same of admission alone: permits are kept until the clock has stopped.
fn acquire_ns(state: &Arc<TargetState>) -> u128 {
    const TURNS: u32 = 200;
    let mut held = Vec::with_capacity(TURNS as usize);
    let round = |_| {
        let began = Instant::now();
        (0..TURNS).for_each(|_| held.extend(state.try_acquire(&ask(1))));
        let took = began.elapsed().as_nanos() / u128::from(TURNS);
        held.clear();
        took
    };
    (0..5_000).map(round).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn asking_is_cheap() {
    let observer = Arc::new(Notes::default());
    let random = Arc::new(Random::seeded(5));
    let targets = Targets::new(Arc::new(TokioClock), random, observer, BreakerSettings::default());
    let state = |name: &str| targets.get(&TargetId::new("p", name));
    let healthy = state("healthy");
    let finish = |state: &Arc<TargetState>| {
        let mut permit = state.try_acquire(&ask(1)).unwrap();
        permit.first_content(Duration::from_millis(500));
        permit.finished();
    };
    (0..300).for_each(|_| finish(&healthy));
    let open = state("open");
    for request in 0..3 {
        open.try_acquire(&ask(request)).unwrap().failed(&Failure::new(Class::ServerError, "x"));
    }
    let gated = state("gated");
    gated.try_acquire(&ask(1)).unwrap().failed(&failure(Class::RateLimited, Scope::Model, Some(300)));
    let clock = ns(|| _ = black_box(Instant::now()));
    let waiting = |count: usize| {
        let busy = state(&format!("busy{count}"));
        (0..300).for_each(|_| finish(&busy));
        let _held: Vec<_> = (0..count).map(|_| busy.try_acquire(&ask(1)).unwrap()).collect();
        ns(|| _ = black_box(busy.forecast(CallKind::Streamed)))
    };
    let acquired = ns(|| _ = black_box(healthy.try_acquire(&ask(1))));
    let refused = ns(|| _ = black_box(open.try_acquire(&ask(1))));
    let figures = [
        ("reading the clock", clock),
        ("breaker alone, closed", {
            let now = Instant::now();
            ns(|| _ = black_box(healthy.breaker.try_acquire(now, RequestId(1), LEASE, false)))
        }),
        ("try_acquire, closed", acquire_ns(&healthy)),
        ("try_acquire and drop, closed", acquired),
        ("a whole call that teaches", ns(|| finish(&healthy))),
        ("try_acquire, open", refused),
        ("try_acquire, gated", ns(|| _ = black_box(gated.try_acquire(&ask(1))))),
        ("forecast, nobody waiting", waiting(0)),
        ("forecast, 20 waiting", waiting(20)),
        ("forecast, 200 waiting", waiting(200)),
        ("forecast, 2000 waiting", waiting(2_000)),
    ];
    for (what, ns) in figures {
        println!("{what:32} {ns:5} ns");
    }
    // Generous: machines differ, and so do their neighbours.
    assert!(acquired < 1_000 && refused < 1_000, "{figures:?}");
}
