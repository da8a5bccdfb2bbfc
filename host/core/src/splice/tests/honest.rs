//! What a spliced stream says about itself.

use serde_json::{Value, json};

use super::client::{End, see};
use super::counting::{Counting, Fault, Prefill, Wire, count, counts, request, request_with};
use crate::event::Usage;
use crate::note::{Note, Outcome};
use crate::request::Protocol;
use crate::splice::Mode;

/// After the role chunk and five numbers, "1 2 3 4 5 ".
const FIVE: usize = 6;

fn splice(mode: &str) -> Value {
    json!({ "from": "a/m", "to": "b/m", "at_char": 10, "mode": mode })
}

#[tokio::test(start_paused = true)]
async fn every_splice_is_labelled_where_it_is_and_at_the_end() {
    for (fallback, mode, attempts, usage) in [
        (Prefill::Accepts, "prefill", 2, "estimated"),
        (Prefill::Undeclared, "restart", 2, "counted"),
        (Prefill::Refuses, "restart", 3, "counted"),
    ] {
        for protocol in [Protocol::Chat, Protocol::Messages] {
            for wire in [Wire::Chat, Wire::Custom] {
                let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Break);
                let world = Counting::new(vec![first, counts(wire, fallback)]);
                let saw = see(protocol, world.ask(protocol).await).await;
                assert_eq!(saw.text, count(12));
                let first = json!({ "splice": splice(mode) });
                let last = json!({
                    "splice": splice(mode), "attempts": attempts, "degraded": "fallback", "usage": usage,
                });
                assert_eq!(saw.labels, [first, last], "{protocol} {wire:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_model_is_the_one_that_writes_unless_the_alias_is_reported() {
    for (pinned, models) in [(false, vec!["real", "m", "real"]), (true, vec!["chat"])] {
        let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Cut);
        let world = Counting::new(vec![first, counts(Wire::Chat, Prefill::Accepts)]);
        let mut alias = world.alias();
        alias.report_alias = pinned;
        let saw = see(Protocol::Chat, world.ask_for(&request(Protocol::Chat), &alias).await).await;
        assert_eq!(saw.text, count(12));
        // Before the next upstream has named its model, the target's name stands for it.
        let seen: Vec<&str> = saw.models.iter().map(String::as_str).collect();
        assert!(seen == models || seen == ["real"], "{seen:?}");
        assert_eq!(seen[0], models[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_what_they_got_and_operators_what_was_spent() {
    // Five pieces were delivered, ten bytes, three tokens by estimate; the simulated prompt has twenty.
    for (fallback, told, spent) in [
        (Prefill::Accepts, (17, 3 + 8), (20 + 12, 3 + 8)),
        (Prefill::Undeclared, (20, 12), (20 + 12, 3 + 12)),
    ] {
        let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Break);
        let world = Counting::new(vec![first, counts(Wire::Chat, fallback)]);
        let asked = request(Protocol::Chat);
        let estimate = u64::from(asked.facts.input_tokens_estimate);
        let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
        let usage = (saw.usage["prompt_tokens"].as_u64(), saw.usage["completion_tokens"].as_u64());
        assert_eq!(usage, (Some(told.0), Some(told.1)), "{fallback:?}");
        let ended = world.world.notes.all().into_iter().find_map(|note| match note {
            Note::RequestEnded(record) => Some(record),
            _ => None,
        });
        let record = ended.unwrap();
        let tokens = |usage: Option<&Usage>| usage.map(|usage| (usage.input_tokens, usage.output_tokens));
        assert_eq!(record.outcome, Outcome::Fallback);
        assert_eq!(record.target.as_ref().unwrap().to_string(), "b/m");
        assert_eq!(tokens(record.usage.as_ref()), Some(told));
        assert_eq!(tokens(record.spent()), Some((spent.0 - 12 + estimate, spent.1)), "{fallback:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn operators_are_told_of_every_splice() {
    let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Stall);
    let world = Counting::new(vec![first, counts(Wire::Chat, Prefill::Accepts)]);
    see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    let notes = world.world.notes.all();
    let spliced: Vec<_> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Spliced { splice, .. } => Some((splice.mode, splice.at_char)),
            _ => None,
        })
        .collect();
    assert_eq!(spliced, [(Mode::Prefill, 10)]);
    let committed = notes.iter().filter(|note| matches!(note, Note::Committed { .. })).count();
    assert_eq!(committed, 1, "the time to first content is the first upstream's");
    let record = notes.iter().find_map(|note| match note {
        Note::RequestEnded(record) => Some(record),
        _ => None,
    });
    let record = record.unwrap();
    let ends: Vec<_> = record.attempts.iter().map(|call| (call.purpose.label(), call.end.label())).collect();
    assert_eq!(ends, [("turn", "failed"), ("splice", "answered")]);
    assert_eq!(record.splices.iter().map(|spliced| spliced.splice.at_char).collect::<Vec<_>>(), [10]);
}

#[tokio::test(start_paused = true)]
async fn clients_that_want_no_usage_get_none() {
    let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Break);
    let world = Counting::new(vec![first, counts(Wire::Chat, Prefill::Accepts)]);
    let asked = request_with(Protocol::Chat, &json!({ "stream_options": null }));
    let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
    assert_eq!((saw.text, saw.usage, saw.labels.len()), (count(12), Value::Null, 1));
}

#[tokio::test(start_paused = true)]
async fn a_strict_client_gets_the_typed_error() {
    for protocol in [Protocol::Chat, Protocol::Messages] {
        let first = counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Break);
        let world = Counting::new(vec![first, counts(Wire::Chat, Prefill::Accepts)]);
        let mut asked = request(protocol);
        asked.strict = true;
        let saw = see(protocol, world.ask_for(&asked, &world.alias()).await).await;
        assert_eq!((saw.text.as_str(), saw.end), ("1 2 3 4 5 ", End::Interrupted));
        assert_eq!(world.calls(), ["a"]);
    }
}
