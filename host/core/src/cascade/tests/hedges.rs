//! Late calls and what runs beside them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Saw, ask, know, see, stream_after};
use crate::note::{HedgeEnd, Note};
use crate::request::Protocol;
use crate::settings::Alias;
use crate::testing::{Script, Step, World, alias, error, error_with, request, text};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn hedges(world: &World) -> Vec<(String, bool)> {
    let started = |note| match note {
        Note::HedgeStarted { target, rescue, .. } => Some((target.provider.to_string(), rescue)),
        _ => None,
    };
    world.notes.all().into_iter().filter_map(started).collect()
}

fn ends(world: &World) -> Vec<HedgeEnd> {
    let ended = |note| match note {
        Note::HedgeEnded { end, .. } => Some(end),
        _ => None,
    };
    world.notes.all().into_iter().filter_map(ended).collect()
}

/// Two targets, `a` known to take 100 ms.
async fn known() -> World {
    let world = World::new(&["a", "b", "c"]);
    know(&world, "a", MS(100)).await;
    world.script("b", [stream_after(MS(50), "b")]);
    world
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_doubled_and_the_loser_cancelled_at_once() {
    let world = known().await;
    world.script("a", [Script::Hang]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("b".into()));
    assert_eq!(began.elapsed(), MS(350), "300 ms until late, 50 ms for the double");
    assert_eq!(world.calls(), ["a", "b"]);
    assert_eq!(world.upstream.cancelled("a"), [began + MS(350)], "in the moment of the first content");
    assert_eq!((hedges(&world), ends(&world)), (vec![("b".into(), false)], vec![HedgeEnd::Won]));
}

#[tokio::test(start_paused = true)]
async fn the_late_call_may_still_win() {
    let world = known().await;
    world.script("a", [stream_after(MS(320), "late")]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("late".into()));
    assert_eq!((began.elapsed(), ends(&world)), (MS(320), vec![HedgeEnd::Lost]));
    assert_eq!(world.upstream.cancelled("b"), [began + MS(320)]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_double_leaves_the_late_call_alone_and_the_other_way_round() {
    let world = known().await;
    world.script("a", [stream_after(MS(900), "late")]);
    world.script("b", [error(500, "")]);
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("late".into()));
    assert_eq!((world.calls(), ends(&world)), (vec!["a".into(), "b".into()], vec![HedgeEnd::Failed]));

    let world = known().await;
    world.script("a", [Script::Stream(vec![Step::Wait(MS(400)), Step::Break])]);
    world.script("b", [stream_after(MS(700), "double")]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("double".into()));
    assert_eq!((began.elapsed(), world.calls()), (MS(1_000), vec!["a".into(), "b".into()]));
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_walk_goes_on() {
    let world = known().await;
    world.script("a", [Script::Stream(vec![Step::Wait(MS(400)), Step::Break])]);
    world.script("b", [Script::Stream(vec![Step::Wait(MS(400)), Step::Break])]);
    world.script("c", [stream_after(MS(1), "c")]);
    assert_eq!(ask(&world, &["a", "b", "c"], Protocol::Chat, true).await, Saw::Stream("c".into()));
    assert_eq!(world.calls(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_a_moment_ago_may_be_the_double() {
    let world = known().await;
    let limited = error_with(429, "", vec![("retry-after", "3")]);
    world.script("b", [limited, stream_after(MS(50), "b")]);
    world.script("a", [stream_after(MS(100), "a"), Script::Hang]);
    assert_eq!(ask(&world, &["b", "a"], Protocol::Chat, true).await, Saw::Stream("a".into()));
    sleep(MS(2_800)).await;
    assert_eq!(ask(&world, &["b", "a"], Protocol::Chat, true).await, Saw::Stream("b".into()));
    assert_eq!(hedges(&world), [("b".into(), false)], "its gate was closed when its turn came");
}

#[tokio::test(start_paused = true)]
async fn a_silent_double_leaves_time_for_who_comes_next() {
    let world = known().await;
    world.script("a", [Script::Hang]);
    world.script("b", [Script::Hang]);
    world.script("c", [stream_after(MS(1), "c")]);
    // So long that a target of which nothing is known may take all of the request's time.
    let mut asked = request(Protocol::Chat, true);
    asked.facts.input_tokens_estimate = 8_192;
    let saw = see(world.answer(&asked, &alias(&["a", "b", "c"])).await).await;
    assert_eq!(saw, Saw::Stream("c".into()));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_on_the_request_ends_the_double_too() {
    let world = known().await;
    let refusal = Box::new(error(400, "content_filter"));
    world.script("a", [Script::After(MS(400), refusal)]);
    world.script("b", [stream_after(MS(700), "must not be seen")]);
    let saw = ask(&world, &["a", "b"], Protocol::Chat, true).await;
    assert!(matches!(saw, Saw::Error(400, _)), "{saw:?}");
}

/// Who is called within two seconds of a call that hangs.
async fn called(
    world: &World,
    alias: Alias,
    change: impl FnOnce(&mut crate::request::Request),
) -> Vec<String> {
    world.script("a", [Script::Hang]);
    let mut asked = request(Protocol::Chat, true);
    change(&mut asked);
    let began = Instant::now();
    let left = tokio::time::timeout(Duration::from_millis(1_400), world.answer(&asked, &alias)).await;
    assert!(left.is_err() || began.elapsed() < MS(1_000));
    world.calls()
}

#[tokio::test(start_paused = true)]
async fn only_where_it_helps_and_does_no_harm() {
    let two = || alias(&["a", "b"]);
    assert_eq!(called(&known().await, two(), |_| {}).await, ["a", "b"]);
    assert_eq!(called(&known().await, two(), |asked| asked.facts.side_effects = true).await, ["a"]);
    let large = |asked: &mut crate::request::Request| asked.facts.input_tokens_estimate = 40_000;
    assert_eq!(called(&known().await, two(), large).await, ["a"]);
    assert_eq!(called(&known().await, Alias { hedge: false, ..two() }, |_| {}).await, ["a"]);
    let mut one_domain = two();
    for target in &mut one_domain.targets {
        target.domains = vec![Arc::from("cloud")];
    }
    assert_eq!(called(&known().await, one_domain, |_| {}).await, ["a"]);
    let unknown = World::new(&["a", "b"]);
    assert_eq!(called(&unknown, two(), |_| {}).await, ["a"], "nobody knows what is late");
}

#[tokio::test(start_paused = true)]
async fn a_double_is_made_where_it_does_not_share_the_fate() {
    let world = known().await;
    world.script("c", [stream_after(MS(10), "c")]);
    let mut three = alias(&["a", "b", "c"]);
    for target in three.targets.iter_mut().take(2) {
        target.domains = vec![Arc::from("cloud")];
    }
    assert_eq!(called(&world, three, |_| {}).await, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn hedges_cost_what_the_alias_has() {
    let world = known().await;
    // Late, never suspect: each call ends before the next begins.
    world.script("a", [stream_after(MS(310), "late")]);
    world.script("b", [Script::Hang]);
    let mut two = alias(&["a", "b"]);
    // Else so many late calls would become the usual ones.
    two.slo.first_token = MS(300);
    for _ in 0..60 {
        let saw = see(world.answer(&request(Protocol::Chat, true), &two).await).await;
        assert_eq!(saw, Saw::Stream("late".into()));
    }
    let made = hedges(&world).len();
    assert!((10..=13).contains(&made), "ten at once and a twentieth of sixty requests: {made}");
}

#[tokio::test(start_paused = true)]
async fn rescues_are_free() {
    let world = &World::new(&["a", "b"]);
    know(world, "a", MS(600)).await;
    world.script("a", [Script::Hang]);
    world.script("b", [stream_after(MS(50), "b")]);
    let two = &alias(&["a", "b"]);
    let one = |number: u64| async move {
        sleep(MS(number * 50)).await;
        see(world.answer(&request(Protocol::Chat, true), two).await).await
    };
    let saw = join_all((0..60).map(one)).await;
    assert!(saw.iter().all(|saw| *saw == Saw::Stream("b".into())), "{saw:?}");
    let hedges = hedges(world);
    let rescues = hedges.iter().filter(|(_, rescue)| *rescue).count();
    assert!(rescues >= 5 && hedges.len() > 13, "{rescues} of {}: more than the bucket holds", hedges.len());
}

#[tokio::test(start_paused = true)]
async fn a_plain_call_is_late_when_its_answer_is() {
    let world = World::new(&["a", "b"]);
    let after = |wait, text: &str| Script::After(wait, Box::new(crate::testing::answer(text)));
    world.script("a", [after(MS(4_000), "usual")]);
    for _ in 0..40 {
        ask(&world, &["a"], Protocol::Chat, false).await;
    }
    world.forget();
    world.script("a", [after(MS(9_000), "late")]);
    world.script("b", [after(MS(1_000), "b")]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, Saw::Answer("b".into()));
    let took = began.elapsed();
    assert!((MS(5_000)..MS(5_300)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_both_calls_along() {
    let world = known().await;
    world.script("a", [Script::Hang]);
    world.script("b", [Script::Stream(vec![Step::Stall, text("never")])]);
    let began = Instant::now();
    let left = tokio::time::timeout(MS(700), ask(&world, &["a", "b"], Protocol::Chat, true)).await;
    assert!(left.is_err());
    for name in ["a", "b"] {
        assert_eq!(world.upstream.cancelled(name), [began + MS(700)], "{name}");
    }
}
