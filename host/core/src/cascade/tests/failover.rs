//! What replaces what, before the client notices.

use std::time::Duration;

use tokio::time::Instant;

use super::{Saw, ask, hello, see, whole_stream};
use crate::class::Class;
use crate::note::{Note, Verdict};
use crate::request::Protocol;
use crate::testing::{self, Script, Step, World, alias, error, error_with, request};

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
async fn an_ended_request_tells_what_became_of_each_targets_turn() {
    let good = || whole_stream(&["well"]);
    let cut = || Script::Stream(vec![testing::role(), Step::Break]);
    let failed = Verdict::Failed;
    let check = async |a: Vec<Script>, b: Vec<Script>, expected: &[(&str, bool, Verdict)]| {
        let world = World::new(&["a", "b"]);
        world.script("a", a);
        world.script("b", b);
        assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("well".into()));
        let tried = world.notes.all().into_iter().find_map(|note| match note {
            Note::RequestEnded(record) => Some(record.tried.clone()),
            _ => None,
        });
        let tried = tried.unwrap_or_default();
        let tried: Vec<_> =
            tried.iter().map(|turn| (&*turn.target.provider, turn.unprompted, turn.verdict)).collect();
        assert_eq!(tried, expected);
    };
    check(vec![good()], vec![good()], &[("a", true, Verdict::Served)]).await;
    // The retry belongs to the turn.
    check(vec![error(500, ""), good()], vec![good()], &[("a", true, Verdict::Served)]).await;
    let replaced = [("a", true, failed(Class::Overloaded)), ("b", false, Verdict::Served)];
    check(vec![error(500, ""), error(503, "")], vec![good()], &replaced).await;
    // The second round does not: what it saves is saved by the cascade.
    let saved = [("a", true, failed(Class::StreamBroken)), ("b", false, failed(Class::StreamBroken))];
    check(vec![cut(), good()], vec![cut()], &saved).await;
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
async fn the_class_at_the_end_is_the_one_behind_the_answer() {
    let check = async |first: u16, second: u16, saw: (u16, &str), expect: Option<Class>| {
        let world = World::new(&["a", "b"]);
        world.script("a", std::iter::repeat_with(|| error(first, "x")).take(3));
        world.script("b", std::iter::repeat_with(|| error(second, "x")).take(3));
        let seen = ask(&world, &["a", "b"], Protocol::Chat, false).await;
        assert_eq!(seen, Saw::Error(saw.0, saw.1.into()), "{first} {second}");
        let ended = world.notes.all().into_iter().find_map(|note| match note {
            Note::RequestEnded(record) => Some(record.class),
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
