//! What is on record when a request has ended.

use std::sync::Arc;
use std::time::Duration;

use super::{Saw, ask, know, stream_after, whole_stream};
use crate::note::{Gate, Note, Outcome};
use crate::record::{End, Purpose, Record, RoutedBy};
use crate::request::Protocol;
use crate::settings::{Alias, CapabilityOverrides};
use crate::testing::{Script, World, alias, answer, error, request};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn last(world: &World) -> Arc<Record> {
    let ended = |note| match note {
        Note::RequestEnded(record) => Some(record),
        _ => None,
    };
    world.notes.all().into_iter().filter_map(ended).next_back().expect("a request that ended")
}

/// Provider, purpose and end of each attempt.
fn calls(record: &Record) -> Vec<(&str, &'static str, &'static str)> {
    let call = |attempt: &crate::record::Attempted| attempt.purpose.label();
    record.attempts.iter().map(|a| (&*a.target.provider, call(a), a.end.label())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_call_with_its_failure_its_times_and_its_price() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::After(MS(30), Box::new(error(503, "no_room")))]);
    world.script("b", [Script::After(MS(50), Box::new(answer("well")))]);
    let prices = CapabilityOverrides {
        input_price_per_1m: Some(1.0),
        output_price_per_1m: Some(10.0),
        ..CapabilityOverrides::default()
    };
    let mut alias: Alias = alias(&["a", "b"]);
    alias.targets[1].overrides = Some(Arc::new(prices));
    world.answer(&request(Protocol::Chat, false), &alias).await;

    let record = last(&world);
    assert_eq!((&*record.model, &*record.tenant, record.stream), ("chat", "default", false));
    assert_eq!((record.outcome, record.class), (Outcome::Fallback, None));
    assert_eq!(record.target.as_ref().map(ToString::to_string).as_deref(), Some("b/m"));
    assert_eq!(record.routing.by, RoutedBy::Operator);
    let order: Vec<_> = record.routing.order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["a/m", "b/m"]);
    assert_eq!(
        calls(&record),
        [("a", "turn", "failed"), ("a", "retry", "failed"), ("b", "turn", "answered")]
    );
    let broke = record.attempts[0].failure().unwrap();
    assert_eq!(
        (broke.class.label(), broke.status, broke.code.as_deref()),
        ("overloaded", Some(503), Some("no_room"))
    );
    let [first, retry, served] = record.attempts.as_slice() else { panic!("three calls") };
    assert_eq!((first.began, first.took, first.first_content), (MS(0), MS(30), None));
    assert!(retry.began >= MS(130) && retry.took == MS(30), "{retry:?}");
    assert_eq!((served.began, served.first_content), (retry.began + MS(30), Some(MS(50))));
    assert_eq!(record.committed, Some(served.began + MS(50)));
    assert_eq!(record.after, served.began + MS(50));
    let tokens = served.tokens.as_ref().unwrap();
    assert_eq!((tokens.input_tokens, tokens.output_tokens), (3, 2));
    let micro = |dollars: Option<f64>| dollars.map(|dollars| (dollars * 1e6).round());
    assert_eq!((micro(first.cost_usd()), micro(record.cost_usd())), (None, Some(23.0)));
    assert_eq!(&*served.adapter.id, "b");
}

#[tokio::test(start_paused = true)]
async fn whoever_was_outrun_is_known_as_such() {
    let world = World::new(&["a", "b"]);
    know(&world, "a", MS(100)).await;
    world.script("a", [Script::Hang]);
    world.script("b", [stream_after(MS(50), "b")]);
    assert_eq!(ask(&world, &["a", "b"], Protocol::Chat, true).await, Saw::Stream("b".into()));
    let record = last(&world);
    assert_eq!(calls(&record), [("a", "turn", "outrun"), ("b", "hedge", "answered")]);
    assert_eq!(record.attempts[0].took, MS(350), "until the other had content");
    assert_eq!((record.attempts[1].began, record.attempts[1].first_content), (MS(300), Some(MS(50))));
    assert_eq!(record.attempts[1].purpose, Purpose::Hedge);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_passed_over_stands_there_once_with_the_reason() {
    let world = World::new(&["a", "b"]);
    world.script("a", [error(401, "invalid_api_key")]);
    world.script("b", [whole_stream(&["well"])]);
    for _ in 0..2 {
        ask(&world, &["a", "b"], Protocol::Chat, true).await;
    }
    let record = last(&world);
    assert_eq!(calls(&record), [("b", "turn", "answered")]);
    let skipped: Vec<_> = record
        .skipped
        .iter()
        .map(|skipped| (&*skipped.target.provider, skipped.gate, skipped.times))
        .collect();
    assert_eq!(skipped, [("a", Gate::Credential, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_leaves_an_open_call_behind_that_was_given_up() {
    let world = World::new(&["a"]);
    world.script("a", [Script::Hang]);
    let left = tokio::time::timeout(MS(1_000), ask(&world, &["a"], Protocol::Chat, false));
    assert!(left.await.is_err());
    let record = last(&world);
    assert_eq!((record.outcome, record.after), (Outcome::Cancelled, MS(1_000)));
    assert_eq!(calls(&record), [("a", "turn", "given_up")]);
    assert_eq!(record.attempts[0].end, End::GivenUp);
}
