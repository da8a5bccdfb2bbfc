//! Recorded traffic, compared with what the provider's own client read in it.

use seawall_plugin::prelude::*;
use seawall_plugin_kit::{
    Corpus, Exchange, Expected, Reading, check_splits, completion_of, decode, events_of, failure_of, frames,
    usage_of,
};

use super::target;
use crate::Anthropic;

/// Two messages in one stream: the reference client glues the arguments of a broken call to those of another. Here it
/// is a failure.
const BROKEN: &str = "anthropic-1d5d0f270cbf";

/// What was read, with the provider's own word for the end and its own way to count input.
fn read(exchange: &Exchange) -> Result<Reading, ProviderError> {
    let target = Target { streaming: exchange.stream, ..target("m") };
    let events = if exchange.stream {
        decode::<Anthropic>(&target, &frames(&exchange.body))
    } else {
        let reply = Reply { status: 200, headers: exchange.headers.clone(), body: exchange.body.clone() };
        events_of(Anthropic::parse_response("chat", &target, &reply)?)
    };
    let (mut reading, usage) = (Reading::from_events(&events), usage_of(&events));
    if let Some(failure) = reading.failed.take() {
        return Err(failure);
    }
    reading.usage = usage.map(|usage| {
        let cached = usage.cache_read_tokens.unwrap_or(0) + usage.cache_write_tokens.unwrap_or(0);
        (usage.input_tokens - cached, usage.output_tokens)
    });
    Ok(reading)
}

#[test]
fn every_answer_is_read_as_the_providers_own_client_reads_it() {
    let Some(corpus) = Corpus::load() else { return };
    let mut misses = Vec::new();
    for exchange in corpus.select("anthropic-messages", |_| true) {
        match (&exchange.expected, exchange.status) {
            (Expected::Answer(expected), 200) => match read(exchange) {
                Ok(seen) if seen == *expected => {}
                other => misses.push((exchange.id.as_str(), format!("{other:?}\ninstead of {expected:?}"))),
            },
            (Expected::Error(_), status) => {
                let class = Anthropic::classify(&target("m"), &failure_of(exchange)).class;
                let right = match status {
                    401 => class == ErrorClass::Auth,
                    404 => class == ErrorClass::ModelNotFound,
                    _ => matches!(class, ErrorClass::BadRequest | ErrorClass::UnsupportedParameter),
                };
                if !right {
                    misses.push((exchange.id.as_str(), format!("{class:?}")));
                }
            }
            (expected, status) => misses.push((exchange.id.as_str(), format!("{status}: {expected:?}"))),
        }
    }
    let ids: Vec<&str> = misses.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [BROKEN], "{misses:#?}");
}

#[test]
fn streams_do_not_depend_on_how_they_arrive() {
    let Some(corpus) = Corpus::load() else { return };
    for exchange in corpus.select("anthropic-messages", |_| true) {
        if exchange.stream {
            check_splits::<Anthropic>(exchange, "{}").unwrap_or_else(|e| panic!("{}: {e}", exchange.id));
        }
    }
}

#[test]
fn a_stream_cut_before_its_end_never_finishes() {
    let Some(corpus) = Corpus::load() else { return };
    let mut cuts = 0;
    for exchange in corpus.select("anthropic-messages", |_| true) {
        let events = frames(&exchange.body);
        let end =
            events.iter().position(|event| event.event.as_deref() == Some("message_delta")).unwrap_or(0);
        for cut in 0..=end {
            let seen = decode::<Anthropic>(&target("m"), &events[..cut]);
            let ended = seen.iter().any(|event| matches!(event.what, Event::Finish(_) | Event::Done));
            assert!(!ended, "{} cut before event {cut}", exchange.id);
            cuts += 1;
        }
    }
    assert!(cuts > 50, "{cuts}");
}

/// A recorded messages body, asked for as chat, gives the same words upstream: the round trip of the mapping.
#[test]
fn every_recorded_answer_can_be_given_back() {
    let Some(corpus) = Corpus::load() else { return };
    for exchange in corpus.select("anthropic-messages", |_| true) {
        if exchange.stream || exchange.status != 200 {
            continue;
        }
        let reply = Reply { status: 200, headers: Vec::new(), body: exchange.body.clone() };
        let answer = Anthropic::parse_response("chat", &target("m"), &reply).expect("an answer");
        let answer = completion_of(&events_of(answer)).expect("a completion");
        let chat = json!({ "messages": [
            { "role": "user", "content": "Go" }, answer["choices"][0]["message"], { "role": "user", "content": "on" },
        ] });
        let (chat, target) = (chat.to_string(), target("claude-sonnet-4-5"));
        let chat = seawall_translate::Json::parse(chat.as_bytes()).expect("JSON");
        let request = crate::request::translate(&chat, &target).expect("a request");
        let request: Value = serde_json::from_slice(&request.to_bytes()).expect("JSON");
        let recorded: Value = serde_json::from_slice(&exchange.body).expect("JSON");
        let kept = |block: &&Value| {
            let worth = block["text"].as_str().is_none_or(|text| !text.trim().is_empty());
            let kind = block["type"].as_str().unwrap_or_default();
            worth && ["text", "tool_use", "thinking", "redacted_thinking"].contains(&kind)
        };
        let words = |blocks: &Value, kind: &str, member: &str| -> Vec<Value> {
            let blocks = blocks.as_array().cloned().unwrap_or_default();
            blocks.iter().filter(kept).filter(|b| b["type"] == kind).map(|b| b[member].clone()).collect()
        };
        let sent = &request["messages"][1]["content"];
        for (kind, member) in
            [("tool_use", "id"), ("tool_use", "input"), ("thinking", "thinking"), ("thinking", "signature")]
        {
            assert_eq!(
                words(sent, kind, member),
                words(&recorded["content"], kind, member),
                "{}",
                exchange.id
            );
        }
        let text = |blocks: &Value| {
            words(blocks, "text", "text").iter().filter_map(Value::as_str).collect::<String>()
        };
        assert_eq!(text(sent), text(&recorded["content"]), "{}", exchange.id);
    }
}
