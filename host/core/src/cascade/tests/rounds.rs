//! Asking once more.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Saw, ask, hello, see, whole_stream};
use crate::note::{Gate, Note};
use crate::request::Protocol;
use crate::testing::{self, Script, Step, World, alias, error, error_with, request};

fn rounds(world: &World) -> usize {
    world.notes.all().iter().filter(|note| matches!(note, Note::RoundStarted { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn what_failed_everywhere_may_work_a_moment_later() {
    let world = World::new(&["a", "b"]);
    let broken = Script::Stream(vec![testing::role(), Step::Break]);
    world.script("a", [broken.clone(), whole_stream(&["well", " again"])]);
    world.script("b", [broken]);
    let began = Instant::now();
    let saw = ask(&world, &["a", "b"], Protocol::Chat, true).await;
    assert_eq!(saw, Saw::Stream("well again".into()));
    assert_eq!((world.calls(), rounds(&world)), (vec!["a".into(), "b".into(), "a".into()], 1));
    let took = began.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_millis(500)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_rate_limit_is_waited_for() {
    let world = World::new(&["a"]);
    // Longer than a retry would wait.
    let limited = error_with(429, "", vec![("retry-after", "4")]);
    world.script("a", [limited, testing::answer("hello from a")]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a"], Protocol::Chat, false).await, hello("a"));
    assert_eq!(began.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_waiting_cures_nothing() {
    let hours = || error_with(429, "", vec![("retry-after", "3600")]);
    for script in [
        hours(),
        error(401, ""),
        error(404, "model_not_found"),
        error(400, ""),
        error(429, "insufficient_quota"),
    ] {
        let world = World::new(&["a", "b"]);
        world.script("a", [script.clone()]);
        world.script("b", [script.clone()]);
        let began = Instant::now();
        let saw = ask(&world, &["a", "b"], Protocol::Chat, false).await;
        assert!(matches!(saw, Saw::Error(..)), "{saw:?}");
        assert_eq!((began.elapsed(), rounds(&world)), (Duration::ZERO, 0), "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_is_asked_again() {
    let world = World::new(&["a", "b"]);
    world.script("a", [error(401, "")]);
    world.script("b", [error(503, ""), error(503, ""), testing::answer("hello from b")]);
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("b"));
    assert_eq!(world.calls(), ["a", "b", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_not_waited_for() {
    let world = World::new(&["a"]);
    world.script("a", [error(503, "")]);
    for _ in 0..4 {
        ask(&world, &["a"], Protocol::Chat, false).await;
    }
    let (began, before) = (Instant::now(), rounds(&world));
    let saw = ask(&world, &["a"], Protocol::Chat, false).await;
    assert!(matches!(saw, Saw::Error(503, _)), "{saw:?}");
    assert_eq!((began.elapsed(), rounds(&world)), (Duration::ZERO, before));
}

#[tokio::test(start_paused = true)]
async fn no_round_begins_that_could_not_end() {
    let world = World::new(&["a"]);
    world.script("a", [Script::Reset]);
    let mut asked = request(Protocol::Chat, false);
    asked.deadline = Some(Duration::from_millis(1_100));
    let began = Instant::now();
    let saw = see(world.answer(&asked, &alias(&["a"])).await).await;
    assert!(matches!(saw, Saw::Error(..)), "{saw:?}");
    assert_eq!((began.elapsed(), rounds(&world)), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn no_request_makes_more_attempts_than_its_share() {
    for count in 1..=6 {
        let names = &["a", "b", "c", "d", "e", "f"][..count];
        for script in [Script::Reset, error(503, ""), error(429, ""), testing::answer("")] {
            let world = World::new(names);
            for name in names {
                world.script(name, [script.clone()]);
            }
            ask(&world, names, Protocol::Chat, false).await;
            let made = world.calls().len();
            assert!((1..=count.max(4)).contains(&made), "{count} candidates, {script:?}: {made}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_by_a_pace_is_served_when_it_allows() {
    let world = &World::new(&["a", "b"]);
    let limited = error_with(429, "", vec![("retry-after", "1")]);
    let ok = || testing::answer("hello from a");
    world.script("a", (0..100).map(|_| ok()).chain([limited, ok()]));
    // Five a second are accepted, then one is too many.
    for _ in 0..101 {
        ask(world, &["a"], Protocol::Chat, false).await;
        sleep(Duration::from_millis(200)).await;
    }
    sleep(Duration::from_secs(2)).await;
    world.forget();
    world.script("b", [Script::Reply(200, vec![], "{".into())]);
    let began = Instant::now();
    let one = async |_| (ask(world, &["a", "b"], Protocol::Chat, false).await, began.elapsed());
    let saw = join_all((0..10).map(one)).await;
    assert!(saw.iter().all(|(saw, _)| *saw == hello("a")), "{saw:?}");
    let last = saw.iter().map(|(_, at)| *at).max().unwrap();
    assert!((Duration::from_millis(1_500)..Duration::from_secs(4)).contains(&last), "{saw:?}");
    let is_paced = |note: &Note| matches!(note, Note::Skipped { gate: Gate::Pace, .. });
    assert!(world.notes.all().iter().any(is_paced));
}
