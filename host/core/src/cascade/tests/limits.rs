//! How long calls may take.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Saw, ask, know, see, stream_after};
use crate::note::{Gate, Note};
use crate::request::Protocol;
use crate::settings::Alias;
use crate::testing::{self, Script, Step, World, alias, request};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test(start_paused = true)]
async fn a_silent_call_is_given_up_after_twice_the_usual() {
    // (usual, given up after): a floor, twice 99 of 100, the configured limit
    for (usual, expect) in [(100, 1_500), (1_500, 3_000), (9_000, 10_000)] {
        let world = World::new(&["a", "b"]);
        know(&world, "a", MS(usual)).await;
        world.script("a", [Script::Hang]);
        world.script("b", [stream_after(Duration::ZERO, "b")]);
        let slow_is_fine = Alias { hedge: false, ..slow_is_fine(&["a", "b"]) };
        let began = Instant::now();
        let saw = see(world.answer(&request(Protocol::Chat, true), &slow_is_fine).await).await;
        assert_eq!(saw, Saw::Stream("b".into()), "{usual}");
        let took = began.elapsed();
        assert!((MS(expect)..MS(expect + expect / 50)).contains(&took), "{usual}: {took:?}");
    }
}

/// An alias that keeps its order.
fn slow_is_fine(providers: &[&str]) -> Alias {
    let mut alias = alias(providers);
    alias.slo.first_token = Duration::from_secs(100);
    alias
}

#[tokio::test(start_paused = true)]
async fn streams_have_content_within_their_budget() {
    let names = ["a", "b", "c", "d"];
    let world = World::new(&names);
    for name in names {
        world.script(name, [Script::Hang]);
    }
    let began = Instant::now();
    let saw = ask(&world, &names, Protocol::Chat, true).await;
    assert!(matches!(saw, Saw::Error(504, _)), "{saw:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn one_slow_target_raises_the_budget() {
    let world = World::new(&["a"]);
    world.script("a", [stream_after(Duration::from_secs(40), "thought")]);
    let mut patient = alias(&["a"]);
    patient.targets[0].first_token = Some(Duration::from_secs(50));
    let saw = see(world.answer(&request(Protocol::Chat, true), &patient).await).await;
    assert_eq!(saw, Saw::Stream("thought".into()));
}

#[tokio::test(start_paused = true)]
async fn a_long_prompt_takes_longer() {
    let world = World::new(&["a"]);
    world.script("a", [stream_after(Duration::from_secs(25), "read")]);
    let mut asked = request(Protocol::Chat, true);
    asked.facts.input_tokens_estimate = 8_192;
    let saw = see(world.answer(&asked, &alias(&["a"])).await).await;
    assert_eq!(saw, Saw::Stream("read".into()), "three times the limit of a small one");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_expected_in_time_is_not_asked() {
    let world = World::new(&["a", "b"]);
    know(&world, "a", MS(3_000)).await;
    world.script("b", [stream_after(MS(10), "b")]);
    let mut asked = request(Protocol::Chat, true);
    asked.deadline = Some(MS(2_000));
    let saw = see(world.answer(&asked, &slow_is_fine(&["a", "b"])).await).await;
    assert_eq!((saw, world.calls()), (Saw::Stream("b".into()), vec!["b".into()]));
    let told = |note: &Note| matches!(note, Note::Skipped { gate: Gate::TooSlow, target, .. } if target.provider.as_ref() == "a");
    assert!(world.notes.all().iter().any(told), "and whoever looks is told why");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_pauses_is_soon_missed() {
    let world = World::new(&["a"]);
    let words = || (0..60).flat_map(|_| [testing::text("x"), Step::Wait(MS(20))]);
    world.script("a", [Script::Stream(words().chain([testing::finish(), testing::done()]).collect())]);
    for _ in 0..30 {
        ask(&world, &["a"], Protocol::Chat, true).await;
        sleep(MS(10)).await;
    }
    world.script("a", [Script::Stream(words().chain([Step::Stall]).collect())]);
    let began = Instant::now();
    let saw = ask(&world, &["a"], Protocol::Chat, true).await;
    assert!(matches!(saw, Saw::Interrupted(_)), "{saw:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}
