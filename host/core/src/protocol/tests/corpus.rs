//! Recorded traffic of real providers, read as their own client libraries read it. Skipped, and said so, where the
//! recordings are not at hand; a continuous integration run must have them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::context;
use crate::event::{Event, Finish, StreamEvent};
use crate::frame::{Framed, Framer};
use crate::ports::Framing;
use crate::protocol::{AnswerFacts, Inspected, Reader, Writer, chat_answer_to_messages, inspect_answer};
use crate::request::Protocol::{self, Chat, Embeddings, Messages};

/// Where we differ on purpose.
const KNOWN: [(&str, &str); 3] = [
    ("openai-ef07de35459d", "what a refusal says is text to us, and a member of its own to that client"),
    ("openrouter-cd93bfb19555", "what a refusal says is text to us, and a member of its own to that client"),
    (
        "anthropic-1d5d0f270cbf",
        "the message starts over in the middle of a tool call, which that client mixes up",
    ),
];

fn is_known(id: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == id)
}

struct Recording {
    id: String,
    protocol: Protocol,
    stream: bool,
    status: u64,
    body: Bytes,
    expected: Value,
}

fn recordings() -> Option<Vec<Recording>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if !dir.is_dir() {
        assert!(std::env::var("CI").is_err(), "the recordings are missing");
        eprintln!("skipped: no recordings at {}", dir.display());
        return None;
    }
    let lines = |name: &str| -> Vec<Value> {
        let path: PathBuf = dir.join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let expected: HashMap<String, Value> = lines("expected.jsonl")
        .into_iter()
        .filter(|reading| reading.get("undecodable").is_none())
        .map(|reading| (reading["id"].as_str().unwrap().to_owned(), reading))
        .collect();
    let recording = |exchange: Value| {
        let id = exchange["id"].as_str()?.to_owned();
        let protocol = match exchange["api"].as_str()? {
            "openai-chat" => Chat,
            "anthropic-messages" => Messages,
            "openai-embeddings" => Embeddings,
            _ => return None,
        };
        let response = &exchange["response"];
        Some(Recording {
            expected: expected.get(&id)?.clone(),
            id,
            protocol,
            stream: exchange["stream"].as_bool()?,
            status: response["status"].as_u64()?,
            body: Bytes::from(response["body"].as_str()?.to_owned()),
        })
    };
    let all: Vec<Recording> = lines("exchanges.jsonl").into_iter().filter_map(recording).collect();
    assert!(all.len() > 150, "{}", all.len());
    Some(all)
}

/// What a reading of a stream or answer comes to, in the terms of the expected readings.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    text: String,
    reasoning: String,
    tools: Vec<(String, Value)>,
    finish: Option<String>,
    usage: Option<(u64, u64)>,
    failed: bool,
}

fn reading(events: Vec<StreamEvent>, failed: bool) -> Reading {
    let mut reading = Reading { failed, ..Reading::default() };
    let mut tools: Vec<(u32, String, String)> = Vec::new();
    for event in events {
        match event.what {
            Event::Text(text) => reading.text.push_str(&text),
            Event::Reasoning { text, .. } => reading.reasoning.push_str(&text),
            Event::ToolCall(delta) => {
                if !tools.iter().any(|tool| tool.0 == delta.index) {
                    tools.push((delta.index, String::new(), String::new()));
                }
                let tool = tools.iter_mut().find(|tool| tool.0 == delta.index).unwrap();
                tool.1.push_str(&delta.name.unwrap_or_default());
                tool.2.push_str(&delta.arguments);
            }
            Event::Finish(Finish { native, .. }) => reading.finish = native,
            Event::Usage(usage) => reading.usage = Some((usage.input_tokens, usage.output_tokens)),
            _ => {}
        }
    }
    let arguments =
        |text: &str| serde_json::from_str(if text.is_empty() { "{}" } else { text }).unwrap_or_default();
    reading.tools = tools.into_iter().map(|(_, name, text)| (name, arguments(&text))).collect();
    reading
}

fn decode_chunks(protocol: Protocol, chunks: &[Bytes]) -> (Vec<StreamEvent>, bool) {
    let mut framer = Framer::new(Framing::Sse, Some("text/event-stream"), 1 << 20);
    let mut framed = Vec::new();
    for chunk in chunks {
        framer.push(chunk.clone(), &mut framed).unwrap();
    }
    framer.finish(&mut framed);
    let mut reader = Reader::new(protocol);
    let mut out = Vec::new();
    let mut failed = false;
    for framed in &framed {
        let Framed::Event { event, .. } = framed else { continue };
        failed |= reader.decode(event, &mut out).error;
    }
    (out, failed)
}

fn expected_tools(expected: &Value) -> Vec<(String, Value)> {
    let tool = |call: &Value| (call["name"].as_str().unwrap_or_default().to_owned(), call["args"].clone());
    expected["tool_calls"].as_array().map(|calls| calls.iter().map(tool).collect()).unwrap_or_default()
}

/// Where a reading differs from the expected one.
fn differences(reading: &Reading, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.get("error").is_some() {
        if !reading.failed {
            differences.push("an error passed as an answer".to_owned());
        }
        return differences;
    }
    let mut compare = |what: &str, ours: Value, theirs: Value| {
        if ours != theirs {
            differences.push(format!("{what}: {ours} instead of {theirs}"));
        }
    };
    compare("text", reading.text.clone().into(), expected["text"].clone());
    compare("finish", reading.finish.clone().into(), expected["finish"].clone());
    let ours: Vec<Value> = reading.tools.iter().map(|(name, args)| serde_json::json!([name, args])).collect();
    let theirs: Vec<Value> =
        expected_tools(expected).iter().map(|(name, args)| serde_json::json!([name, args])).collect();
    compare("tools", ours.into(), theirs.into());
    differences
}

#[test]
fn recorded_streams_read_as_their_own_clients_read_them() {
    let Some(recordings) = recordings() else { return };
    let mut misses = Vec::new();
    let mut count = 0;
    for recording in recordings.iter().filter(|recording| recording.stream && recording.status == 200) {
        count += 1;
        let (events, failed) = decode_chunks(recording.protocol, std::slice::from_ref(&recording.body));
        for difference in differences(&reading(events, failed), &recording.expected) {
            misses.push(format!("{}: {difference}", recording.id));
        }
    }
    eprintln!("{count} streams, {} misses: {misses:#?}", misses.len());
    assert!(count > 40);
    misses.retain(|miss| !miss.split(':').next().is_some_and(is_known));
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn recorded_streams_read_the_same_however_they_are_cut() {
    let Some(recordings) = recordings() else { return };
    for recording in recordings.iter().filter(|recording| recording.stream && recording.status == 200) {
        let whole = decode_chunks(recording.protocol, std::slice::from_ref(&recording.body));
        let bytes: Vec<Bytes> = recording.body.chunks(1).map(Bytes::copy_from_slice).collect();
        assert_eq!(decode_chunks(recording.protocol, &bytes), whole, "{}", recording.id);
        // Every place would take minutes over all recordings; a prime stride visits every kind of place.
        for at in (0..recording.body.len()).step_by(97) {
            let halves = [recording.body.slice(..at), recording.body.slice(at..)];
            assert_eq!(decode_chunks(recording.protocol, &halves), whole, "{} at {at}", recording.id);
        }
    }
}

/// Cut behind any event before its finish, a stream never comes out whole.
#[test]
fn recorded_streams_that_are_cut_stay_cut() {
    let Some(recordings) = recordings() else { return };
    let mut cuts = 0;
    for recording in recordings.iter().filter(|recording| recording.stream && recording.status == 200) {
        let (events, _) = decode_chunks(recording.protocol, std::slice::from_ref(&recording.body));
        let finish =
            events.iter().position(|event| matches!(event.what, Event::Finish(_))).unwrap_or(events.len());
        for kept in 0..=finish {
            for to in [Chat, Messages] {
                let mut writer = Writer::new(to, context());
                let mut out = BytesMut::new();
                events.iter().take(kept).for_each(|event| writer.write(event, &mut out));
                writer.finish(&mut out);
                let (events, failed) = decode_chunks(to, &[out.freeze()]);
                let ended = events.iter().any(|event| matches!(event.what, Event::Finish(_) | Event::Done));
                assert!(failed && !ended, "{} cut after {kept} events for {to}", recording.id);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 1000, "{cuts}");
}

/// Through the other protocol's writer and reader: what both can say survives.
#[test]
fn recorded_streams_survive_translation() {
    let Some(recordings) = recordings() else { return };
    let mut misses = Vec::new();
    for recording in recordings.iter().filter(|recording| recording.stream && recording.status == 200) {
        let (events, failed) = decode_chunks(recording.protocol, std::slice::from_ref(&recording.body));
        if failed {
            continue;
        }
        let own = reading(events.clone(), false);
        if own.finish.is_none() {
            continue;
        }
        for to in [Chat, Messages] {
            let mut writer = Writer::new(to, context());
            let mut out = BytesMut::new();
            events.iter().for_each(|event| writer.write(event, &mut out));
            writer.finish(&mut out);
            let (events, failed) = decode_chunks(to, &[out.freeze()]);
            let other = reading(events, failed);
            if (&other.text, &other.reasoning, &other.tools) != (&own.text, &own.reasoning, &own.tools)
                || (own.usage.is_some() && other.usage != own.usage)
                || other.failed
                || other.finish.is_none()
            {
                misses.push(format!("{} to {to}: {other:?} instead of {own:?}", recording.id));
            }
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn recorded_answers_are_what_they_are() {
    let Some(recordings) = recordings() else { return };
    let mut misses = Vec::new();
    let mut count = 0;
    for recording in recordings.iter().filter(|recording| !recording.stream || recording.status != 200) {
        count += 1;
        let expected = &recording.expected;
        let inspected = inspect_answer(recording.protocol, &recording.body);
        let fits = match &inspected {
            Inspected::Answer(AnswerFacts { empty, usage, .. }) => {
                let says = |name: &str| expected[name].as_str().is_some_and(|text| !text.is_empty());
                let has_content = says("text") || says("reasoning") || !expected_tools(expected).is_empty();
                let counted = usage.as_ref().map(|usage| usage.output_tokens);
                expected.get("error").is_none()
                    && (recording.protocol == Embeddings || *empty != has_content)
                    && (recording.protocol == Embeddings || counted == expected["usage"]["out"].as_u64())
            }
            Inspected::Error | Inspected::Malformed(_) => expected.get("error").is_some(),
        };
        if !fits {
            misses.push(format!("{}: {inspected:?} for {expected}", recording.id));
        }
    }
    eprintln!("{count} answers, {} misses: {misses:#?}", misses.len());
    assert!(count > 100);
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn recorded_chat_answers_become_messages() {
    let Some(recordings) = recordings() else { return };
    let mut misses = Vec::new();
    let plain =
        |recording: &&Recording| recording.protocol == Chat && !recording.stream && recording.status == 200;
    for recording in recordings.iter().filter(plain) {
        if recording.expected.get("error").is_some() {
            continue;
        }
        let message = match chat_answer_to_messages(&recording.body, "m") {
            Ok(message) => super::json(&message),
            Err(why) => {
                misses.push(format!("{}: {why}", recording.id));
                continue;
            }
        };
        let blocks = message["content"].as_array().unwrap();
        let text: String = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        let tools: Vec<(String, Value)> = blocks
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| (block["name"].as_str().unwrap_or_default().to_owned(), block["input"].clone()))
            .collect();
        if recording.expected["text"] != text.as_str() || expected_tools(&recording.expected) != tools {
            misses.push(format!("{}: {message} for {}", recording.id, recording.expected));
        }
    }
    eprintln!("{} misses: {misses:#?}", misses.len());
    assert!(misses.is_empty(), "{misses:#?}");
}
