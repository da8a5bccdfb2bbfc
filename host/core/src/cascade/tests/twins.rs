//! Hidden calls.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Saw, ask, know, see, stream_after};
use crate::note::{Circuit, Note};
use crate::request::Protocol;
use crate::settings::{Alias, Probe};
use crate::testing::{self, Script, Step, World, alias, error, request};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn twins(world: &World) -> Vec<(String, &'static str)> {
    let started = |note| match note {
        Note::TwinStarted { target, reason, .. } => Some((target.provider.to_string(), reason)),
        _ => None,
    };
    world.notes.all().into_iter().filter_map(started).collect()
}

fn closed(world: &World) -> bool {
    world.notes.all().iter().any(|note| matches!(note, Note::CircuitChanged { to: Circuit::Closed, .. }))
}

/// `a` has failed three times and its open time is over; by now it would answer after two seconds.
async fn rested() -> World {
    let world = World::new(&["a", "b"]);
    world.script("a", [error(503, "")]);
    world.script("b", [stream_after(MS(10), "b")]);
    while !world.notes.all().iter().any(|note| matches!(note, Note::CircuitChanged { .. })) {
        assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("b".into()));
    }
    sleep(Duration::from_secs(6)).await;
    let slow = vec![testing::role(), Step::Wait(MS(2_000)), testing::text("a"), Step::Wait(MS(100))];
    world.script("a", [Script::Stream([slow, vec![testing::finish(), testing::done()]].concat())]);
    world.forget();
    world
}

#[tokio::test(start_paused = true)]
async fn twins_close_a_breaker_and_no_client_waits_for_them() {
    let world = rested().await;
    for _ in 0..4 {
        let began = Instant::now();
        assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("b".into()));
        assert!(began.elapsed() < MS(50), "{:?}", began.elapsed());
        if closed(&world) {
            break;
        }
        sleep(MS(2_500)).await;
    }
    assert!(closed(&world));
    assert_eq!(twins(&world), vec![("a".to_owned(), "probe"); 3]);
    assert_eq!(world.upstream.cancelled("a").len(), 3, "each ended at its first content");
    let attempts: Vec<usize> = world
        .notes
        .all()
        .iter()
        .filter_map(|note| match note {
            Note::RequestEnded(record) => Some(record.attempts.len()),
            _ => None,
        })
        .collect();
    assert!(
        attempts.iter().rev().take(3).all(|made| *made == 1),
        "twins are nobody's attempts: {attempts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn where_nobody_else_can_serve_the_request_is_the_probe() {
    let world = rested().await;
    world.script("b", [error(400, "insufficient_quota")]);
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("a".into()));
    assert_eq!(world.calls(), ["b", "a"]);
    assert!(twins(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_alias_may_probe_with_its_requests() {
    let world = rested().await;
    let own = Alias { probe: Probe::Request, ..alias(&["a", "b"]) };
    let saw = see(world.answer(&request(Protocol::Chat, true), &own).await).await;
    assert_eq!((saw, world.calls()), (Saw::Stream("a".into()), vec!["a".into()]));
    assert!(twins(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_would_happen_twice_has_no_twin() {
    let world = rested().await;
    let mut asked = request(Protocol::Chat, true);
    asked.facts.side_effects = true;
    let saw = see(world.answer(&asked, &alias(&["a", "b"])).await).await;
    assert_eq!((saw, world.calls()), (Saw::Stream("a".into()), vec!["a".into()]));
    assert!(twins(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_twin_outlives_its_request() {
    let world = rested().await;
    let reply = world.answer(&request(Protocol::Chat, true), &alias(&["a", "b"])).await;
    drop(reply);
    sleep(MS(2_500)).await;
    let good = world
        .notes
        .all()
        .iter()
        .any(|note| matches!(note, Note::TwinEnded { twin, .. } if twin.call.failure().is_none()));
    assert!(good);
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_that_is_passed_over_is_watched_and_comes_back() {
    let world = World::new(&["a", "b"]);
    know(&world, "a", MS(6_000)).await;
    know(&world, "b", MS(300)).await;
    world.script("b", [stream_after(MS(300), "b")]);
    world.script("a", [stream_after(MS(300), "a")]);
    let mut from_b = 0;
    for _ in 0..200 {
        match ask(&world, &["a", "b"], Protocol::Chat, true).await {
            Saw::Stream(word) if word == "b" => from_b += 1,
            Saw::Stream(word) if word == "a" => break,
            saw => panic!("{saw:?}"),
        }
        sleep(MS(1_000)).await;
    }
    let twins = twins(&world).len();
    assert!((2..200).contains(&from_b), "passed over at first, back in the end: {from_b}");
    assert!((1..=2 + from_b / 20).contains(&twins), "{twins} twins of {from_b} requests");
}

#[tokio::test(start_paused = true)]
async fn a_failed_twin_reopens() {
    let world = rested().await;
    world.script("a", [Script::Refuse]);
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("b".into()));
    sleep(MS(100)).await;
    let opened = world.notes.all().into_iter().filter(|note| {
        matches!(note, Note::CircuitChanged { from: Circuit::HalfOpen, to: Circuit::Open, .. })
    });
    assert_eq!(opened.count(), 1);
}
