//! The cascade through its public door, in virtual time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::class::Class;
use crate::note::{Note, Outcome};
use crate::ports::{
    Call, CandidateStats, ConfigProblem, PluginFault, PluginRef, PluginSet, Policy, RoutePlan, RouteQuestion,
};
use crate::reply::{Degraded, Reply};
use crate::request::Protocol;
use crate::settings::{CapabilityOverrides, PolicyChoice};
use crate::testing::{self, Script, Step, World, alias, error, error_with, request};

/// What a client saw.
#[derive(Debug, PartialEq)]
enum Saw {
    /// Text of a plain answer.
    Answer(String),
    /// Text of a stream that ended as it should.
    Stream(String),
    /// Text of a stream that ended in a typed error.
    Interrupted(String),
    /// Status and code of an error.
    Error(u16, String),
}

async fn ask(world: &World, providers: &[&str], protocol: Protocol, stream: bool) -> Saw {
    see(world.answer(&request(protocol, stream), &alias(providers)).await).await
}

async fn see(reply: Reply) -> Saw {
    match reply {
        Reply::Plain { body, .. } => {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let chat = body["choices"][0]["message"]["content"].as_str();
            Saw::Answer(chat.or(body["content"][0]["text"].as_str()).unwrap_or_default().to_owned())
        }
        Reply::Failed { error, .. } => Saw::Error(error.status, error.code),
        Reply::Stream { body, .. } => {
            let bytes: Vec<u8> = body.collect::<Vec<_>>().await.concat();
            see_stream(&String::from_utf8(bytes).unwrap())
        }
    }
}

fn see_stream(wire: &str) -> Saw {
    let (mut text, mut finished, mut ended, mut failed) = (String::new(), false, false, false);
    for data in wire.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(!ended && !failed, "something follows the end: {wire}");
        if data == "[DONE]" {
            ended = true;
            continue;
        }
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        failed |= !event["error"].is_null();
        ended |= event["type"] == "message_stop";
        finished |=
            event["choices"][0]["finish_reason"].is_string() || event["delta"]["stop_reason"].is_string();
        for piece in [&event["choices"][0]["delta"]["content"], &event["delta"]["text"]] {
            text.push_str(piece.as_str().unwrap_or_default());
        }
    }
    assert_ne!(failed, ended, "exactly one end: {wire}");
    if failed {
        assert!(!finished, "a failure after a finish: {wire}");
        return Saw::Interrupted(text);
    }
    assert!(finished, "an end without a finish: {wire}");
    Saw::Stream(text)
}

fn hello(name: &str) -> Saw {
    Saw::Answer(format!("hello from {name}"))
}

fn whole_stream(words: &[&str]) -> Script {
    let words = words.iter().map(|word| testing::text(word));
    Script::Stream(
        [testing::role()].into_iter().chain(words).chain([testing::finish(), testing::done()]).collect(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_failing_first_target_is_replaced_before_the_client_notices() {
    // (what the first target does, calls to it until the second is asked)
    let table: Vec<(Script, usize)> = vec![
        (error(500, ""), 2),
        (error(503, ""), 2),
        (error(529, ""), 2),
        (error(429, ""), 2),
        (error_with(429, "", vec![("retry-after", "60")]), 1),
        (error(429, "insufficient_quota"), 1),
        (error(401, ""), 1),
        (error(404, "model_not_found"), 1),
        (error(400, "unsupported_parameter"), 1),
        (error(400, "tool_call_invalid"), 2),
        (Script::Refuse, 2),
        (Script::Reset, 2),
        (Script::Hang, 1),
        (
            Script::Reply(
                200,
                vec![("content-type", "application/json")],
                r#"{"error":{"code":"x"}}"#.into(),
            ),
            2,
        ),
        (Script::Reply(200, vec![("content-type", "text/html")], "<html>".into()), 2),
        (Script::Reply(200, vec![], r#"{"choices":["#.into()), 2),
        (testing::answer(""), 1),
    ];
    for (script, calls) in table {
        let world = World::new(&["a", "b"]);
        world.script("a", [script.clone()]);
        assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, false).await, hello("b"), "{script:?}");
        let asked = world.calls();
        assert_eq!(asked.iter().filter(|name| *name == "a").count(), calls, "{script:?}: {asked:?}");
        assert_eq!(asked.last().map(String::as_str), Some("b"));
    }
}

#[tokio::test(start_paused = true)]
async fn operators_are_told_what_the_transport_saw() {
    for (script, saw) in [(Script::Refuse, "refused"), (Script::Reset, "reset")] {
        let world = World::new(&["a", "b"]);
        world.script("a", [script]);
        ask(&world, &["a", "b"], Protocol::Chat, false).await;
        let told = world.notes.all().into_iter().find_map(|note| match note {
            Note::AttemptFailed { failure, .. } => failure.code,
            _ => None,
        });
        assert_eq!(told.as_deref(), Some(saw));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_retry_that_the_budget_does_not_grant() {
    // Four candidates and four attempts: none is left for asking the first one again.
    let names = ["a", "b", "c", "d"];
    let world = World::new(&names);
    world.script("a", [error(503, "")]);
    let began = Instant::now();
    assert_eq!(ask(&world, &names, Protocol::Chat, false).await, hello("b"));
    assert_eq!(world.calls(), ["a", "b"]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

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
            assert_eq!(world.calls(), ["a"]);
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
async fn what_would_fail_everywhere_stops_the_cascade() {
    let table = [
        (error(400, ""), (400, "bad_request")),
        (error(400, "content_filter"), (400, "content_filter")),
        (error(400, "context_length_exceeded"), (400, "context_length_exceeded")),
    ];
    for (script, (status, _code)) in table {
        let world = World::new(&["a", "b"]);
        world.script("a", [script.clone()]);
        let saw = ask(&world, &["a", "b"], Protocol::Chat, false).await;
        assert!(matches!(&saw, Saw::Error(got, _) if *got == status), "{script:?}: {saw:?}");
        assert_eq!(world.calls(), ["a"], "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_cascade_is_one_honest_error_in_bounded_time() {
    let table = [
        (error(500, ""), 502),
        (error(503, ""), 503),
        (error_with(429, "", vec![("retry-after", "30")]), 429),
        (error(429, "insufficient_quota"), 429),
        (error(401, ""), 502),
        (error(404, "model_not_found"), 404),
        (Script::Refuse, 502),
        (Script::Hang, 504),
    ];
    for (script, status) in table {
        let world = World::new(&["a", "b", "c"]);
        for name in ["a", "b", "c"] {
            world.script(name, [script.clone()]);
        }
        let began = Instant::now();
        let saw = ask(&world, &["a", "b", "c"], Protocol::Chat, false).await;
        assert!(matches!(&saw, Saw::Error(got, _) if *got == status), "{script:?}: {saw:?}");
        assert!(began.elapsed() <= Duration::from_secs(121), "{script:?} took {:?}", began.elapsed());
        assert!(world.calls().len() <= 4, "{script:?}: {:?}", world.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_a_dead_target_is_left_alone() {
    for script in [error(503, ""), error(500, ""), Script::Refuse, Script::Reset, Script::Hang] {
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
        let asked = world.calls().iter().filter(|name| *name == "a").count();
        if matches!(script, Script::Hang) {
            // A minute without an answer, and nothing better known of the target: the other is asked first at once.
            assert!((1..=3).contains(&asked), "{script:?}: {asked} calls");
            continue;
        }
        assert_eq!(asked_before_open, Some(3), "{script:?}: opens at the third failure");
        // Open for at least four seconds at a time; each half-open phase admits one probe.
        let probes_at_most = began.elapsed().as_secs() as usize / 4 + 1;
        assert!(asked <= 3 + probes_at_most, "{script:?}: {asked} calls in {:?}", began.elapsed());
    }
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
async fn headers_say_who_answered() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::Hang]);
    let reply = world.answer(&request(Protocol::Chat, false), &alias(&["a", "b"])).await;
    let Reply::Plain { trail, .. } = reply else { panic!("an answer") };
    assert_eq!(trail.target.map(|target| target.to_string()).as_deref(), Some("b/m"));
    assert_eq!((trail.attempts, trail.degraded), (2, Degraded::Fallback));
}

/// A policy that turns the order round.
#[derive(Debug)]
struct Turned(PluginRef);

impl Policy for Turned {
    fn plugin(&self) -> &PluginRef {
        &self.0
    }
    fn check<'a>(&'a self, _: &'a str) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    fn route<'a>(
        &'a self,
        _: &'a RouteQuestion,
        candidates: &'a [CandidateStats],
        _: &'a str,
    ) -> Call<'a, Result<RoutePlan, PluginFault>> {
        let order = candidates.iter().rev().map(|candidate| candidate.id.to_string()).collect();
        Box::pin(std::future::ready(Ok(RoutePlan { order, ..RoutePlan::default() })))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_of_a_policy_is_no_fallback() {
    let check = async |broken: &str, answers: &str, degraded: Degraded| {
        let mut world = World::new(&["a", "b"]);
        let policies = [(
            Arc::from("turned"),
            Arc::new(Turned(PluginRef { id: "turned".into(), generation: 1 })) as Arc<dyn Policy>,
        )];
        let plugins = world.engine.plugins.current();
        let adapters = plugins.adapters.clone();
        world.use_plugins(PluginSet { adapters, policies: HashMap::from(policies), ..PluginSet::default() });
        world.script(broken, [error(401, "")]);
        let mut alias = alias(&["a", "b"]);
        alias.policy = Some(PolicyChoice { plugin: "turned".into(), config: "{}".into() });
        let reply = world.answer(&request(Protocol::Chat, false), &alias).await;
        let Reply::Plain { trail, .. } = reply else { panic!("{broken} is down: no answer") };
        let target = trail.target.map(|target| target.provider.to_string());
        assert_eq!((target.as_deref(), trail.degraded), (Some(answers), degraded), "{broken} is down");
    };
    check("nobody", "b", Degraded::None).await;
    check("b", "a", Degraded::Fallback).await;
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_on_a_model_counts_for_streams_too() {
    let world = World::new(&["a", "b"]);
    let mut alias = alias(&["a", "b"]);
    let word = CapabilityOverrides { streams: Some(false), ..CapabilityOverrides::default() };
    alias.targets[0].overrides = Some(Arc::new(word));
    for (stream, provider) in [(false, "a"), (true, "b")] {
        if stream {
            world.script("b", [whole_stream(&["hello"])]);
        }
        see(world.answer(&request(Protocol::Chat, stream), &alias).await).await;
        assert_eq!(world.calls().last().map(String::as_str), Some(provider), "stream: {stream}");
    }
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
            Note::RequestEnded { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [Outcome::Cancelled; 5]);
    assert!(!notes.iter().any(|note| matches!(note, Note::CircuitChanged { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_class_at_the_end_is_the_one_behind_the_answer() {
    let check = async |first: u16, second: u16, saw: (u16, &str), expect: Option<Class>| {
        let world = World::new(&["a", "b"]);
        world.script("a", std::iter::repeat_with(|| error(first, "x")).take(3));
        world.script("b", std::iter::repeat_with(|| error(second, "x")).take(3));
        let seen = ask(&world, &["a", "b"], Protocol::Chat, false).await;
        assert_eq!(seen, Saw::Error(saw.0, saw.1.into()), "{first} {second}");
        let ended = world.notes.all().into_iter().find_map(|note| match note {
            Note::RequestEnded { class, .. } => Some(class),
            _ => None,
        });
        assert_eq!(ended, Some(expect), "{first} {second}");
    };
    check(503, 500, (503, "overloaded"), Some(Class::Overloaded)).await;
    check(429, 401, (429, "rate_limited"), Some(Class::RateLimited)).await;
    check(500, 401, (502, "server_error"), Some(Class::ServerError)).await;
    check(500, 500, (502, "server_error"), Some(Class::ServerError)).await;
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
        Note::RequestEnded { outcome, target, .. } => Some((outcome, target)),
        _ => None,
    });
    let (outcome, target) = ended.expect("an end");
    assert_eq!((outcome, target.unwrap().to_string().as_str()), (Outcome::Cancelled, "a/m"));
}

#[tokio::test(start_paused = true)]
async fn the_clients_deadline_is_kept() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::Hang]);
    world.script("b", [Script::Hang]);
    let mut asked = request(Protocol::Chat, false);
    asked.deadline = Some(Duration::from_secs(3));
    let began = Instant::now();
    let saw = see(world.answer(&asked, &alias(&["a", "b"])).await).await;
    assert!(matches!(saw, Saw::Error(504, _)), "{saw:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
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
