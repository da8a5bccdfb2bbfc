//! What calls do to the health of their targets.

use std::time::Duration;

use tokio::time::Instant;

use super::{ask, hello};
use crate::note::{Note, Outcome};
use crate::request::Protocol;
use crate::testing::{self, Script, World, error};

#[tokio::test(start_paused = true)]
async fn after_three_failures_a_dead_target_is_left_alone() {
    for script in [error(503, ""), error(500, ""), Script::Refuse, Script::Reset] {
        let world = World::new(&["a", "b"]);
        world.script("a", [script.clone()]);
        let began = Instant::now();
        let mut asked_before_open = None;
        for _ in 0..12 {
            assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("b"), "{script:?}");
            let opened = world.notes.all().iter().any(|note| matches!(note, Note::CircuitChanged { .. }));
            let asked = world.calls().iter().filter(|name| *name == "a").count();
            if opened {
                asked_before_open.get_or_insert(asked);
            }
        }
        assert_eq!(asked_before_open, Some(3), "{script:?}: opens at the third failure");
        let asked = world.calls().iter().filter(|name| *name == "a").count();
        // Open for at least four seconds at a time; each half-open phase admits one probe.
        let probes_at_most = began.elapsed().as_secs() as usize / 4 + 1;
        assert!(asked <= 3 + probes_at_most, "{script:?}: {asked} calls in {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_left_before_its_breaker_opens() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::Hang]);
    let began = Instant::now();
    for _ in 0..12 {
        assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("b"));
    }
    assert!(began.elapsed() <= Duration::from_mins(2), "nobody waits for it again: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_healed_target_comes_back() {
    let world = World::new(&["a", "b"]);
    world.script("a", [error(503, "")]);
    for _ in 0..3 {
        ask(&world, &["a", "b"], Protocol::Chat, false).await;
    }
    world.script("a", [testing::answer("hello from a")]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut from_a = 0;
    for _ in 0..60 {
        from_a += usize::from(ask(&world, &["a", "b"], Protocol::Chat, false).await == hello("a"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(from_a > 40, "{from_a} of 60 after healing");
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("a"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_votes_for_nobody_and_is_told_once() {
    let world = World::new(&["a"]);
    world.script("a", [Script::Hang]);
    for _ in 0..5 {
        let left = tokio::time::timeout(Duration::from_secs(1), ask(&world, &["a"], Protocol::Chat, false));
        assert!(left.await.is_err());
    }
    let notes = world.notes.all();
    let ends: Vec<_> = notes
        .iter()
        .filter_map(|note| match note {
            Note::RequestEnded(record) => Some(record.outcome),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [Outcome::Cancelled; 5]);
    assert!(!notes.iter().any(|note| matches!(note, Note::CircuitChanged { .. })));
}
