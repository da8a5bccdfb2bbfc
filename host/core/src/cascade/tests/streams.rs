//! Streams before and after their commit point.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Saw, ask, whole_stream};
use crate::note::{Note, Outcome};
use crate::reply::Reply;
use crate::request::Protocol;
use crate::testing::{self, Script, Step, World, alias, request};

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_before_content_is_replaced() {
    let late = || Step::Wait(Duration::from_secs(11));
    let table: Vec<Vec<Step>> = vec![
        vec![Step::Break],
        vec![testing::role(), Step::Break],
        vec![testing::role()],
        vec![],
        vec![testing::role(), late(), testing::text("late")],
        vec![testing::role(), Step::Stall],
        vec![testing::role(), Step::Send("data: {\"error\":{\"code\":\"overloaded\"}}\n\n".into())],
        vec![testing::role(), testing::finish(), testing::done()],
        vec![testing::done()],
        vec![Step::Send(": hello\n\n".into()), Step::Send("data: nonsense\n\n".into())],
    ];
    for steps in table {
        for protocol in [Protocol::Chat, Protocol::Messages] {
            let world = World::new(&["a", "b"]);
            world.script("a", [Script::Stream(steps.clone())]);
            world.script("b", [whole_stream(&["x", "y"])]);
            let saw = ask(&world, &["a", "b"], protocol, true).await;
            assert_eq!(saw, Saw::Stream("xy".into()), "{protocol} {steps:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_after_content_ends_in_a_typed_error() {
    let table: Vec<Vec<Step>> = vec![
        vec![testing::text("x"), Step::Break],
        vec![testing::text("x")],
        vec![testing::text("x"), testing::done()],
        vec![testing::text("x"), Step::Stall],
        vec![testing::text("x"), Step::Send("data: {\"error\":{\"code\":\"overloaded\"}}\n\n".into())],
    ];
    for steps in table {
        for protocol in [Protocol::Chat, Protocol::Messages] {
            let world = World::new(&["a", "b"]);
            world.script("a", [Script::Stream(steps.clone())]);
            let saw = ask(&world, &["a", "b"], protocol, true).await;
            assert_eq!(saw, Saw::Interrupted("x".into()), "{protocol} {steps:?}");
            // Nobody else goes on.
            let calls = world.calls();
            assert!(calls.len() <= 4 && calls.starts_with(&["a".to_owned(), "b".to_owned()]), "{calls:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn small_faults_of_a_stream_are_mended() {
    let table: Vec<(&str, Vec<Step>)> = vec![
        ("no terminator", vec![testing::text("x"), testing::finish()]),
        ("broken after the finish", vec![testing::text("x"), testing::finish(), Step::Break]),
        (
            "one malformed event",
            vec![testing::text("x"), Step::Send("data: {oops\n\n".into()), testing::finish()],
        ),
        (
            "comments",
            vec![Step::Send(": a\n\n".into()), testing::text("x"), testing::finish(), testing::done()],
        ),
    ];
    for (name, steps) in table {
        for protocol in [Protocol::Chat, Protocol::Messages] {
            let world = World::new(&["a"]);
            world.script("a", [Script::Stream(steps.clone())]);
            let saw = ask(&world, &["a"], protocol, true).await;
            assert_eq!(saw, Saw::Stream("x".into()), "{name} {protocol}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn comments_and_pings_are_no_sign_of_life() {
    let world = World::new(&["a"]);
    let mut steps = vec![testing::text("x")];
    for _ in 0..30 {
        steps.extend([Step::Wait(Duration::from_secs(1)), Step::Send(": alive\n\n".into())]);
    }
    steps.extend([testing::finish(), testing::done()]);
    world.script("a", [Script::Stream(steps)]);
    let began = Instant::now();
    assert_eq!(ask(&world, &["a"], Protocol::Chat, true).await, Saw::Interrupted("x".into()));
    assert_eq!(began.elapsed().as_secs(), 15, "the stall limit");
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_in_the_middle_is_cancelled() {
    let world = World::new(&["a"]);
    world.script("a", [Script::Stream(vec![testing::text("x"), Step::Stall])]);
    let reply = world.answer(&request(Protocol::Chat, true), &alias(&["a"])).await;
    let Reply::Stream { mut body, .. } = reply else { panic!("a stream") };
    assert!(body.next().await.is_some());
    drop(body);
    let ended = world.notes.all().into_iter().find_map(|note| match note {
        Note::RequestEnded(record) => Some((record.outcome, record.target.clone())),
        _ => None,
    });
    let (outcome, target) = ended.expect("an end");
    assert_eq!((outcome, target.unwrap().to_string().as_str()), (Outcome::Cancelled, "a/m"));
}

#[tokio::test(start_paused = true)]
async fn usage_is_only_relayed_to_those_who_asked() {
    let usage = r#"data: {"id":"a","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    let world = World::new(&["a"]);
    let steps =
        vec![testing::text("x"), testing::finish(), Step::Send(format!("{usage}\n\n")), testing::done()];
    world.script("a", [Script::Stream(steps)]);
    for wanted in [false, true] {
        let mut asked = request(Protocol::Chat, true);
        asked.facts.include_usage = wanted;
        let Reply::Stream { body, .. } = world.answer(&asked, &alias(&["a"])).await else {
            panic!("a stream")
        };
        let wire = String::from_utf8(body.collect::<Vec<_>>().await.concat()).unwrap();
        assert_eq!(wire.contains("prompt_tokens"), wanted, "{wire}");
    }
}

/// A chunk of one choice.
fn chunk(choice: u32, delta: &str, finish: Option<&str>) -> Step {
    let chunk = serde_json::json!({ "id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": choice, "delta": { "content": delta }, "finish_reason": finish }] });
    Step::Send(format!("data: {chunk}\n\n"))
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_two_choices_has_not_ended_when_one_has() {
    let one_ended = vec![chunk(0, "x", None), chunk(1, "y", None), chunk(0, "", Some("stop"))];
    let both_ended = [one_ended.clone(), vec![chunk(1, "", Some("stop"))]].concat();
    for (steps, whole) in [(one_ended, false), (both_ended, true)] {
        for pinned in [false, true] {
            let world = World::new(&["a"]);
            world.script("a", [Script::Stream(steps.clone())]);
            let mut asked = request(Protocol::Chat, true);
            asked.facts.choices = 2;
            let mut route = alias(&["a"]);
            route.report_alias = pinned;
            let Reply::Stream { body, .. } = world.answer(&asked, &route).await else { panic!("a stream") };
            let wire = String::from_utf8(body.collect::<Vec<_>>().await.concat()).unwrap();
            assert_eq!(wire.contains("[DONE]"), whole, "pinned {pinned}: {wire}");
            assert_eq!(wire.contains("stream_interrupted"), !whole, "pinned {pinned}: {wire}");
        }
    }
}
