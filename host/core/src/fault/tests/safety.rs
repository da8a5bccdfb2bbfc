//! What keeps an experiment an experiment: it ends, it stays within its caps, a dry one does nothing, it teaches nothing.

use std::time::Duration;

use super::{only, order, plugins, world};
use crate::fault::{ArmError, Caps, FaultMatch, FaultOrder};
use crate::note::Circuit;
use crate::outlook::CallKind;
use crate::request::Protocol;
use crate::testing::{World, alias, request};

/// What the core itself knows, without any component.
#[tokio::test]
async fn a_dry_run_injects_nothing_in_a_hundred_thousand_requests() {
    const REQUESTS: u64 = 100_000;
    let world = World::new(&["a"]);
    let chaos = &world.engine.chaos;
    let matching = FaultMatch { percent: Some(50.0), ..FaultMatch::default() };
    let fault = FaultOrder {
        dry_run: true,
        allow_total_outage: false,
        ttl: Duration::from_secs(3600),
        ..order("refused", matching)
    };
    chaos.arm(&world.engine.plugins.current(), fault).await.unwrap();
    let (asked, to) = (request(Protocol::Chat, false), alias(&["a"]));
    for number in 0..REQUESTS {
        world.answer(&asked, &to).await;
        if number % 1000 == 0 {
            world.forget();
        }
    }
    let counts = chaos.list()[0].counts;
    assert_eq!((counts.considered, counts.injected, counts.spared), (REQUESTS, 0, 0));
    assert!((49_000..51_000).contains(&counts.would_inject), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn faults_end_at_their_time_and_all_at_once() {
    let world = world(&["a", "b"]);
    let (chaos, current) = (&world.engine.chaos, world.engine.plugins.current());
    let began = tokio::time::Instant::now();
    for seconds in [7, 30, 3600] {
        let ttl = Duration::from_secs(seconds);
        chaos.arm(&current, FaultOrder { ttl, ..order("refuse", only("a")) }).await.unwrap();
    }
    for (ms, alive) in [(6_999, 3), (7_000, 2), (29_999, 2), (30_000, 1), (100_000, 1)] {
        tokio::time::sleep_until(began + Duration::from_millis(ms)).await;
        assert_eq!(chaos.list().len(), alive, "after {ms} ms");
    }
    assert_eq!(chaos.disarm_all(), 1);
    assert!(chaos.list().is_empty() && !chaos.is_armed());
    world.answer(&request(Protocol::Chat, false), &alias(&["a"])).await;
    assert_eq!(world.calls(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn caps_are_the_operators() {
    let world = world(&["a"]);
    let (chaos, plugins) = (&world.engine.chaos, plugins());
    chaos.configure(Caps { max_faults: 2, max_percent: 20.0, ..Caps::default() });
    let share = |percent| order("freeze", FaultMatch { percent, ..FaultMatch::default() });
    for percent in [None, Some(20.5)] {
        let refused = chaos.arm(&plugins, share(percent)).await.unwrap_err();
        assert!(matches!(&refused, ArmError::Range { member: "match.percent", .. }), "{refused}");
    }
    assert!(chaos.arm(&plugins, FaultOrder { dry_run: true, ..share(None) }).await.is_ok(), "it only counts");
    chaos.arm(&plugins, share(Some(20.0))).await.unwrap();
    assert_eq!(chaos.arm(&plugins, share(Some(20.0))).await, Err(ArmError::Full { limit: 2 }));
}

#[tokio::test(start_paused = true)]
async fn a_ramp_grows_from_nothing() {
    let world = world(&["a", "b"]);
    let (chaos, current) = (&world.engine.chaos, world.engine.plugins.current());
    let minute = Duration::from_secs(60);
    let fault = FaultOrder { ttl: 2 * minute, ramp: minute, ..order("limit", only("a")) };
    chaos.arm(&current, fault).await.unwrap();
    let mut by_quarter = [0_u64; 4];
    let mut before = 0;
    for quarter in &mut by_quarter {
        for _ in 0..300 {
            // A world of its own for health: gates would keep most calls away.
            world.engine.targets.reset(&alias(&["a"]).targets[0].id);
            world.answer(&request(Protocol::Chat, false), &alias(&["a", "b"])).await;
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        let injected = chaos.list()[0].counts.injected;
        *quarter = injected - before;
        before = injected;
    }
    assert!(by_quarter.is_sorted() && by_quarter[0] < 90 && by_quarter[3] > 200, "{by_quarter:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_injected_opens_breakers_and_teaches_only_if_asked() {
    for teach in [false, true] {
        let world = world(&["a", "b"]);
        let to = alias(&["a", "b"]);
        let a = world.engine.targets.get(&to.targets[0].id);
        for _ in 0..20 {
            world.answer(&request(Protocol::Chat, false), &to).await;
        }
        let before = (a.stats().samples, a.forecast(CallKind::Plain).error_rate);
        let fault = FaultOrder { teach, ..order("refuse", only("a")) };
        world.engine.chaos.arm(&world.engine.plugins.current(), fault).await.unwrap();
        for _ in 0..20 {
            world.answer(&request(Protocol::Chat, false), &to).await;
        }
        assert_eq!(a.circuit(), Circuit::Open, "teach {teach}: the breaker sees it");
        let after = (a.stats().samples, a.forecast(CallKind::Plain).error_rate);
        assert_eq!(after == before, !teach, "teach {teach}: {before:?}, {after:?}");
    }
}
