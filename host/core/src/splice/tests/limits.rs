//! What a splice costs at most, and when there is none.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::client::{End, see};
use super::counting::{Counting, Counts, Fault, Prefill, Wire, count, counts, request, request_with};
use crate::request::Protocol;

const FIVE: usize = 6;

fn broken() -> Counts {
    counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Break)
}

#[tokio::test(start_paused = true)]
async fn a_refused_beginning_is_remembered() {
    let world = Counting::new(vec![broken(), counts(Wire::Chat, Prefill::Refuses)]);
    for calls in [vec!["a", "b+", "b"], vec!["a", "b"]] {
        let before = world.calls().len();
        let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
        assert_eq!(saw.text, count(12));
        assert_eq!(world.calls()[before..], calls);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_one_is_asked_until_one_goes_on() {
    let other = || counts(Wire::Chat, Prefill::DivergesUndeclared);
    let world = Counting::new(vec![broken(), other(), counts(Wire::Chat, Prefill::Accepts)]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.text, saw.end), (count(12), End::Whole("stop".to_owned())));
    // Who continues a text goes before who would have to say it all again.
    assert_eq!(world.calls(), ["a", "c+"]);

    let world = Counting::new(vec![broken(), other(), counts(Wire::Chat, Prefill::Undeclared)]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.text, saw.end), (count(12), End::Whole("stop".to_owned())));
    assert_eq!(world.calls(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_single_target_may_go_on_itself() {
    for prefill in [Prefill::Accepts, Prefill::Undeclared, Prefill::Refuses] {
        let once = Counts { faulty_calls: 1, prefill, ..broken() };
        let world = Counting::new(vec![once]);
        let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
        assert_eq!((saw.text, saw.end), (count(12), End::Whole("stop".to_owned())), "{prefill:?}");
        assert_eq!(saw.labels.last().unwrap()["degraded"], "none");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_not_asked_again() {
    let world = Counting::new(vec![counts(Wire::Chat, Prefill::Accepts).with_fault(FIVE, Fault::Stall)]);
    let began = Instant::now();
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.end, world.calls().len()), (End::Interrupted, 1));
    assert_eq!(began.elapsed(), world.alias().timeouts.stall);
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_break_again() {
    let [a, b, c] = [broken(), counts(Wire::Chat, Prefill::Accepts), counts(Wire::Custom, Prefill::Accepts)]
        .map(|counts| Counts { to: 60, ..counts });
    // Far enough behind its seam to have been heard.
    let world = Counting::new(vec![a, b.with_fault(30, Fault::Cut), c]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.text, saw.end), (count(60), End::Whole("stop".to_owned())));
    assert_eq!(world.calls(), ["a", "b+", "c+"]);
    assert_eq!(saw.labels.len(), 3, "two splices and the end");
    assert_eq!(saw.labels[2]["splice"]["from"], "b/m");
    assert_eq!(saw.labels[2]["attempts"], 3);
}

#[tokio::test(start_paused = true)]
async fn attempts_stay_within_the_requests_budget() {
    // Everybody breaks after twenty numbers.
    let breaks = Counts { to: 200, ..counts(Wire::Chat, Prefill::Accepts) }.with_fault(21, Fault::Break);
    let world = Counting::new(vec![breaks; 2]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!(saw.end, End::Interrupted);
    // Twenty, and behind each seam a blank and nineteen.
    assert_eq!(saw.text.trim_end(), count(20 + 3 * 19));
    assert_eq!(world.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_requests_own() {
    let slow = Counts { pace: Duration::from_secs(4), ..counts(Wire::Chat, Prefill::Undeclared) };
    let first = Counts { pace: Duration::from_secs(4), ..broken() };
    let world = Counting::new(vec![first, slow]);
    let mut asked = request(Protocol::Chat);
    asked.deadline = Some(Duration::from_secs(40));
    let began = Instant::now();
    let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
    assert_eq!((saw.text.as_str(), saw.end), ("1 2 3 4 5 ", End::Interrupted));
    assert_eq!(began.elapsed(), Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn comments_keep_the_connection_while_nothing_comes() {
    // Between: the next upstream needs 9 x 4 s to say again what the client has had.
    let slow = Counts { pace: Duration::from_secs(4), ..counts(Wire::Chat, Prefill::Undeclared) };
    let world = Counting::new(vec![broken(), slow]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.text, saw.comments), (count(12), 2));

    // Holding: a call of eight pieces, one every four seconds, which only comes with the end.
    let call: &[&str] = &["{", "\"a\"", ":", "[", "1", "]", "}"];
    let slow =
        Counts { pace: Duration::from_secs(4), call: Some(call), ..counts(Wire::Chat, Prefill::Accepts) };
    let world = Counting::new(vec![Counts { to: 1, ..slow }]);
    let saw = see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    assert_eq!((saw.calls, saw.comments), (vec!["{\"a\":[1]}".to_owned()], 3));
}

#[tokio::test(start_paused = true)]
async fn what_would_be_done_twice_is_not_repeated() {
    for more in [
        json!({ "store": true }),
        json!({ "web_search_options": {} }),
        json!({ "tools": [{ "type": "function", "function": { "name": "f" } }, { "type": "web_search" }] }),
    ] {
        let world = Counting::new(vec![broken(), counts(Wire::Chat, Prefill::Accepts)]);
        let asked = request_with(Protocol::Chat, &more);
        let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
        assert_eq!(saw.end, End::Interrupted, "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_choices_are_not_spliced() {
    let world = Counting::new(vec![broken(), counts(Wire::Chat, Prefill::Accepts)]);
    let asked = request_with(Protocol::Chat, &json!({ "n": 2 }));
    let saw = see(Protocol::Chat, world.ask_for(&asked, &world.alias()).await).await;
    assert_eq!((saw.end, world.calls().len()), (End::Interrupted, 1));
}

#[tokio::test(start_paused = true)]
async fn the_cap_on_tokens_counts_what_was_delivered() {
    let world = Counting::new(vec![broken(), counts(Wire::Chat, Prefill::Accepts)]);
    see(Protocol::Chat, world.ask(Protocol::Chat).await).await;
    let bodies = world.bodies();
    // Ten bytes, three tokens.
    assert_eq!((bodies[0]["max_tokens"].as_u64(), bodies[1]["max_tokens"].as_u64()), (Some(100), Some(97)));
    assert_eq!(bodies[1]["messages"][1], json!({ "role": "assistant", "content": "1 2 3 4 5" }));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_and_does_not_close_is_closed() {
    for protocol in [Protocol::Chat, Protocol::Messages] {
        let wire = if protocol == Protocol::Chat { Wire::Chat } else { Wire::Messages };
        let silent = counts(wire, Prefill::Accepts);
        let ended = silent.events(None).len() - if protocol == Protocol::Chat { 2 } else { 1 };
        for fault in Fault::ALL {
            let world = Counting::new(vec![silent.clone().with_fault(ended, fault)]);
            let began = Instant::now();
            let saw = see(protocol, world.ask(protocol).await).await;
            assert_eq!(saw.text, count(12));
            assert!(matches!(saw.end, End::Whole(_)), "{protocol} {fault:?}");
            assert!(began.elapsed() <= Duration::from_secs(3));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn words_are_only_tried_where_the_operator_wants_them() {
    for (instruct, end) in [(false, End::Interrupted), (true, End::Whole("stop".to_owned()))] {
        let world = Counting::new(vec![
            counts(Wire::Chat, Prefill::Undeclared).with_fault(FIVE, Fault::Stall),
            counts(Wire::Chat, Prefill::DivergesUndeclared),
        ]);
        let mut alias = world.alias();
        alias.streams.instruct = instruct;
        let saw = see(Protocol::Chat, world.ask_for(&request(Protocol::Chat), &alias).await).await;
        if instruct {
            // It begins anew in other words, and that is seen.
            assert_eq!(saw.end, End::Interrupted);
            let asked = &world.bodies()[2]["messages"];
            assert_eq!(
                (asked[1]["role"].as_str(), asked[2]["role"].as_str()),
                (Some("assistant"), Some("user"))
            );
        } else {
            assert_eq!(saw.end, end);
            assert_eq!(world.calls(), ["a", "b"]);
        }
    }
}
