//! Targets whose breakers are open, and requests that have nobody else.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Saw, ask, hello};
use crate::note::Circuit;
use crate::request::Protocol;
use crate::target::TargetId;
use crate::testing::{self, Script, World, error, error_with};

fn circuit(world: &World, name: &str) -> Circuit {
    world.engine.targets.get(&TargetId::new(name, "m")).circuit()
}

/// A world in which the breakers of the first two of three are open.
async fn two_of_three_rest() -> World {
    let world = World::new(&["a", "b", "c"]);
    for name in ["a", "b"] {
        world.script(name, [error(500, "")]);
        ask(&world, &[name], Protocol::Chat, false).await;
        ask(&world, &[name], Protocol::Chat, false).await;
        assert_eq!(circuit(&world, name), Circuit::Open, "{name}");
    }
    world.forget();
    world
}

#[tokio::test(start_paused = true)]
async fn one_request_alone_opens_no_breaker() {
    let world = World::new(&["a"]);
    world.script("a", [error(500, "")]);
    ask(&world, &["a"], Protocol::Chat, false).await;
    assert_eq!(world.calls().len(), 4, "twice in each of two rounds");
    assert_eq!(circuit(&world, "a"), Circuit::Closed);
    ask(&world, &["a"], Protocol::Chat, false).await;
    assert_eq!((circuit(&world, "a"), world.calls().len()), (Circuit::Open, 5));
}

#[tokio::test(start_paused = true)]
async fn who_rests_is_asked_when_everybody_else_has_failed() {
    let bad = || error(500, "");
    let good = || testing::answer("well");
    for (a, b, c, calls) in [
        (good(), good(), good(), "c"),
        // What is kept for them leaves one retry.
        (good(), good(), bad(), "cca"),
        (bad(), good(), bad(), "ccab"),
        (bad(), good(), Script::Hang, "cab"),
    ] {
        let world = two_of_three_rest().await;
        for (name, script) in [("a", &a), ("b", &b), ("c", &c)] {
            world.script(name, [script.clone()]);
        }
        let saw = ask(&world, &["a", "b", "c"], Protocol::Chat, false).await;
        assert_eq!((saw, world.calls().concat().as_str()), (Saw::Answer("well".into()), calls), "{c:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_failed_as_a_last_resort_is_not_asked_again_by_the_same_request() {
    let world = two_of_three_rest().await;
    world.script("c", [Script::Stream(vec![testing::role(), testing::Step::Break])]);
    let saw = ask(&world, &["a", "b", "c"], Protocol::Chat, true).await;
    assert!(matches!(saw, Saw::Error(..)), "{saw:?}");
    assert_eq!(world.calls().concat(), "cabc");
}

#[tokio::test(start_paused = true)]
async fn gates_keep_last_resorts_away() {
    let world = two_of_three_rest().await;
    world.script("c", [error(500, "")]);
    world.script("a", [error_with(429, "", vec![("retry-after", "3600")])]);
    ask(&world, &["a", "b", "c"], Protocol::Chat, false).await;
    assert_eq!(world.calls().concat(), "ccab");
    world.forget();
    world.script("a", [testing::answer("not yet")]);
    let saw = ask(&world, &["a", "b", "c"], Protocol::Chat, false).await;
    assert!(!world.calls().contains(&"a".to_owned()), "{saw:?}, {:?}", world.calls());
}

#[tokio::test(start_paused = true)]
async fn a_dead_stand_in_is_soon_left_alone() {
    let world = World::new(&["a", "b"]);
    world.script("b", [error(500, "")]);
    let (began, mut failed) = (Instant::now(), 0);
    for _ in 0..400 {
        // Every fourth request needs a stand-in.
        world.script("a", [error(500, "")]);
        failed += u32::from(ask(&world, &["a", "b"], Protocol::Chat, false).await != hello("a"));
        world.script("a", [testing::answer("hello from a")]);
        for _ in 0..3 {
            assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("a"));
            sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(failed, 400);
    let to_b = world.calls().iter().filter(|name| *name == "b").count();
    // To open its breaker, its credit, for every hundred requests that were refused; and probes.
    let probes = began.elapsed().as_secs() as usize / 12 + 2;
    assert!((20..=3 + 20 + 4 + probes).contains(&to_b), "{to_b}");
}
