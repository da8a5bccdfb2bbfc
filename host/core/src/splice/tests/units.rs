//! Tool calls, signed reasoning and JSON: whole or not at all, wherever the stream breaks.

use serde_json::json;

use super::client::{End, see};
use super::counting::{Counting, Counts, Fault, Prefill, Wire, count, counts, request, request_with};
use crate::request::Protocol;
use crate::settings::{Atomic, StreamSettings};

const ARGUMENTS: &[&str] = &["{\"city\"", ":\"Ber", "lin\"}"];

fn calling(wire: Wire, prefill: Prefill) -> Counts {
    Counts { call: Some(ARGUMENTS), to: 3, ..counts(wire, prefill) }
}

/// Protocols with wires that serve them, of both upstreams.
fn pairs() -> Vec<(Protocol, Wire, Wire)> {
    let mut pairs = Vec::new();
    for a in [Wire::Chat, Wire::Custom, Wire::Messages] {
        for b in [Wire::Chat, Wire::Custom, Wire::Messages] {
            pairs.push((Protocol::Messages, a, b));
            if a != Wire::Messages && b != Wire::Messages {
                pairs.push((Protocol::Chat, a, b));
            }
        }
    }
    pairs
}

#[tokio::test(start_paused = true)]
async fn a_broken_tool_call_is_written_again_as_a_whole() {
    for (protocol, a, b) in pairs() {
        for fallback in [Prefill::Accepts, Prefill::Undeclared, Prefill::Refuses] {
            for fault in [Fault::Cut, Fault::Break, Fault::ErrorEvent] {
                let first = calling(a, Prefill::Accepts);
                for after in 0..first.events(None).len() {
                    let case = format!("{protocol} {a:?} {b:?} {fallback:?} {fault:?} {after}");
                    let world =
                        Counting::new(vec![first.clone().with_fault(after, fault), calling(b, fallback)]);
                    let saw = see(protocol, world.ask(protocol).await).await;
                    assert_eq!(saw.text, count(3), "{case}");
                    assert_eq!(saw.calls, ["{\"city\":\"Berlin\"}"], "{case}");
                    assert!(matches!(saw.end, End::Whole(_)), "{case}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_tool_call_is_never_delivered() {
    for (protocol, a, _) in pairs() {
        let first = calling(a, Prefill::Accepts);
        for after in 3..first.events(None).len() {
            let world = Counting::new(vec![first.clone().with_fault(after, Fault::Stall)]);
            let saw = see(protocol, world.ask(protocol).await).await;
            match saw.end {
                End::Refused(_) => {}
                End::Interrupted => {
                    assert!(saw.calls.is_empty(), "{protocol} {a:?} {after}: {:?}", saw.calls)
                }
                _ => assert_eq!(saw.calls, ["{\"city\":\"Berlin\"}"], "{protocol} {a:?} {after}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_no_json_is_written_by_another_or_not_at_all() {
    for (protocol, a, b) in pairs() {
        let first = Counts { call: Some(&["{\"city\"", ":"]), ..calling(a, Prefill::Accepts) };
        let world = Counting::new(vec![first.clone(), calling(b, Prefill::Accepts)]);
        let saw = see(protocol, world.ask(protocol).await).await;
        assert_eq!(
            (saw.text.as_str(), saw.calls),
            ("1 2 3", vec!["{\"city\":\"Berlin\"}".to_owned()]),
            "{a:?} {b:?}"
        );

        let world = Counting::new(vec![first]);
        let saw = see(protocol, world.ask(protocol).await).await;
        assert_eq!((saw.end, saw.calls), (End::Interrupted, Vec::new()), "{a:?} {b:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_atomic_units_a_call_that_has_begun_is_not_spliced() {
    for (protocol, a, b) in pairs() {
        let first = calling(a, Prefill::Accepts);
        let cut = first.events(None).len() - if a == Wire::Messages { 4 } else { 5 };
        let world = Counting::new(vec![first.with_fault(cut, Fault::Break), calling(b, Prefill::Accepts)]);
        let mut alias = world.alias();
        alias.streams = StreamSettings { atomic: Atomic::Off, ..alias.streams };
        let saw = see(protocol, world.ask_for(&request(protocol), &alias).await).await;
        assert_eq!(saw.end, End::Interrupted, "{protocol} {a:?} {b:?}");
        assert_eq!(saw.calls.len(), 1);
        assert_eq!(world.calls(), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn signed_reasoning_comes_whole() {
    let thinking = || Counts { thinks: true, ..counts(Wire::Messages, Prefill::Undeclared) };
    for after in 0..thinking().events(None).len() {
        let world = Counting::new(vec![thinking().with_fault(after, Fault::Break), thinking()]);
        let saw = see(Protocol::Messages, world.ask(Protocol::Messages).await).await;
        assert_eq!(saw.end, End::Whole("end_turn".to_owned()), "{after}");
        assert_eq!(saw.text, count(12), "{after}");
        assert!(saw.reasoning.starts_with("let me count!"), "{after}: {}", saw.reasoning);
    }
}

#[tokio::test(start_paused = true)]
async fn unsigned_reasoning_is_not_said_twice() {
    let thinking = |wire| Counts { thinks: true, ..counts(wire, Prefill::Undeclared) };
    for wire in [Wire::Chat, Wire::Custom] {
        for after in 0..thinking(wire).events(None).len() {
            let world = Counting::new(vec![thinking(wire).with_fault(after, Fault::Break), thinking(wire)]);
            let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
            assert_eq!(saw.text, count(12), "{after}");
            assert!("let me count".starts_with(&saw.reasoning), "{after}: {}", saw.reasoning);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn json_is_held_where_the_operator_wants_it() {
    // A single number is JSON; "1 2" is none.
    for (to, end) in [(1, End::Whole("stop".to_owned())), (2, End::Interrupted)] {
        let world = Counting::new(vec![Counts { to, ..counts(Wire::Chat, Prefill::Accepts) }]);
        let mut alias = world.alias();
        alias.streams = StreamSettings { atomic: Atomic::ToolsAndJson, ..alias.streams };
        let asked = request_with(Protocol::Chat, &json!({ "response_format": { "type": "json_object" } }));
        let saw = see(Protocol::Chat, world.ask_for(&asked, &alias).await).await;
        assert_eq!(saw.text, if to == 1 { "1" } else { "" });
        assert_eq!(saw.end, end);
    }
}

#[tokio::test(start_paused = true)]
async fn json_that_has_been_begun_is_restarted_and_never_prefilled() {
    let first = counts(Wire::Chat, Prefill::Accepts).with_fault(6, Fault::Break);
    let world = Counting::new(vec![first, counts(Wire::Chat, Prefill::Accepts)]);
    let asked = request_with(Protocol::Chat, &json!({ "response_format": { "type": "json_object" } }));
    let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
    assert_eq!(saw.text, count(12));
    assert_eq!(world.calls(), ["a", "b"]);
}
