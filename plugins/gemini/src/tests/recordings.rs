//! Recorded traffic, compared with what the provider's own client read in it.

use seawall_plugin::prelude::*;
use seawall_plugin_kit::{
    Corpus, Exchange, Expected, Reading, check_splits, decode, events_of, failure_of, frames, usage_of,
};

use super::target;
use crate::Gemini;

/// A list where the method for one reply was expected: the reference client reads nothing in it, here it is read.
const LIST: &str = "gemini-66c6089cf321";
/// A refused prompt: the reference client gives an empty answer without an end, here it is a failure.
const REFUSED: &str = "vertex-cc4080b07d22";
/// The reference client refuses these (enums as numbers, a signature that is no base64): here they are read.
const UNDECODABLE: [&str; 2] = ["gemini-64148a46bb35", "vertex-801df50908d9"];

/// What was read, with the provider's own word for the end and its own way to count output.
fn read(exchange: &Exchange) -> Result<Reading, ProviderError> {
    let target = Target { streaming: exchange.stream, ..target("m") };
    let events = if exchange.stream {
        decode::<Gemini>(&target, &frames(&exchange.body))
    } else {
        let reply = Reply { status: 200, headers: exchange.headers.clone(), body: exchange.body.clone() };
        events_of(Gemini::parse_response("chat", &target, &reply)?)
    };
    let (mut reading, usage) = (Reading::from_events(&events), usage_of(&events));
    if let Some(failure) = reading.failed.take() {
        return Err(failure);
    }
    reading.usage =
        usage.map(|usage| (usage.input_tokens, usage.output_tokens - usage.reasoning_tokens.unwrap_or(0)));
    Ok(reading)
}

#[test]
fn every_answer_is_read_as_the_providers_own_client_reads_it() {
    let Some(corpus) = Corpus::load() else { return };
    let mut misses = Vec::new();
    for exchange in corpus.select("gemini", |_| true) {
        let id = exchange.id.as_str();
        match (&exchange.expected, exchange.status) {
            (Expected::Error(_), status) => {
                let class = Gemini::classify(&target("m"), &failure_of(exchange)).class;
                let right = match status {
                    404 => ErrorClass::ModelNotFound,
                    429 => ErrorClass::RateLimited,
                    _ => ErrorClass::BadRequest,
                };
                if class != right {
                    misses.push((id, format!("{class:?}")));
                }
            }
            (Expected::Unread, 200) if UNDECODABLE.contains(&id) => {
                let seen = read(exchange).expect("an answer");
                assert_eq!(seen.finish.as_deref(), Some("STOP"), "{id}");
                assert!(!seen.text.is_empty() || !seen.tool_calls.is_empty(), "{id}");
            }
            (_, 200) if id == LIST => {
                let seen = read(exchange).expect("an answer");
                assert_eq!(
                    seen.tool_calls.first().map(|call| call.name.as_str()),
                    Some("pelican_name_generator")
                );
            }
            (_, 200) if id == REFUSED => {
                let failure = read(exchange).expect_err("a refusal");
                assert_eq!(
                    (failure.class, failure.code.as_deref()),
                    (ErrorClass::ContentFilter, Some("MODEL_ARMOR"))
                );
            }
            (Expected::Answer(expected), 200) => match read(exchange) {
                Ok(seen) if seen == *expected => {}
                other => misses.push((id, format!("{other:?}\ninstead of {expected:?}"))),
            },
            (expected, status) => misses.push((id, format!("{status}: {expected:?}"))),
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn streams_do_not_depend_on_how_they_arrive() {
    let Some(corpus) = Corpus::load() else { return };
    for exchange in corpus.select("gemini", |_| true) {
        if exchange.stream {
            check_splits::<Gemini>(exchange, "{}").unwrap_or_else(|e| panic!("{}: {e}", exchange.id));
        }
    }
}

#[test]
fn a_stream_cut_before_its_end_never_finishes() {
    let Some(corpus) = Corpus::load() else { return };
    let mut cuts = 0;
    for exchange in corpus.select("gemini", |_| true) {
        let events = frames(&exchange.body);
        if !exchange.stream {
            continue;
        }
        for cut in 0..events.len() {
            let seen = decode::<Gemini>(&target("m"), &events[..cut]);
            let ended = seen.iter().any(|event| matches!(event.what, Event::Finish(_) | Event::Done));
            assert!(!ended, "{} cut before event {cut}", exchange.id);
            cuts += 1;
        }
    }
    assert!(cuts > 20, "{cuts}");
}
