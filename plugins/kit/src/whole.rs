//! Whole answers as tests look at them.

use std::collections::BTreeMap;

use seawall_plugin::adapter::{Answer, Event, FinishReason, StreamEvent, Usage};
use seawall_plugin::chat::finish_word;
use seawall_plugin::error::ProviderError;
use serde_json::{Map, Value, json};

/// The events of an answer that is told as such.
pub fn events_of(answer: Answer) -> Vec<StreamEvent> {
    match answer {
        Answer::Events(events) => events,
        Answer::Body(body) => panic!("a body instead of events: {}", String::from_utf8_lossy(&body)),
    }
}

/// An answer that is a body.
pub fn body_of(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Body(body) => body,
        Answer::Events(events) => panic!("events instead of a body: {events:?}"),
    }
}

/// The last count among events.
pub fn usage_of(events: &[StreamEvent]) -> Option<Usage> {
    events.iter().rev().find_map(|event| match &event.what {
        Event::Usage(usage) => Some(usage.clone()),
        _ => None,
    })
}

/// A `chat.completion` with what a host writes of these events, but for ids and times that are its own to make up.
///
/// # Errors
/// The failure that is told among them; `malformed` when no choice comes to an end.
pub fn completion_of(events: &[StreamEvent]) -> Result<Value, ProviderError> {
    let mut choices: BTreeMap<u32, Value> = BTreeMap::new();
    let (mut id, mut model, mut ended) = (Value::Null, Value::Null, false);
    for StreamEvent { choice, what } in events {
        match what {
            Event::Start(start) => (id, model) = (json!(start.id), json!(start.model)),
            Event::Failed(failure) => return Err(failure.clone()),
            Event::Usage(_) | Event::Done => {}
            of_choice => {
                ended |= matches!(of_choice, Event::Finish(_));
                let empty = || json!({ "index": choice, "message": { "role": "assistant", "content": "" } });
                add(choices.entry(*choice).or_insert_with(empty), of_choice);
            }
        }
    }
    if !ended {
        return Err(ProviderError::malformed("the answer does not say why it ended"));
    }
    let choices: Vec<Value> = choices.into_values().collect();
    Ok(
        json!({ "id": id, "model": model, "choices": choices, "usage": usage_of(events).as_ref().map(counts) }),
    )
}

fn add(choice: &mut Value, event: &Event) {
    let message = &mut choice["message"];
    match event {
        Event::Text(text) => append(&mut message["content"], text),
        Event::Reasoning(reasoning) => {
            append(&mut message["reasoning_content"], &reasoning.text);
            append(&mut message["reasoning_opaque"], reasoning.opaque.as_deref().unwrap_or_default());
        }
        Event::ToolCall(delta) => {
            if !message["tool_calls"].is_array() {
                message["tool_calls"] = json!([]);
            }
            let Value::Array(calls) = &mut message["tool_calls"] else { return };
            let at = usize::try_from(delta.index).expect("a small number");
            if calls.len() <= at {
                calls.resize(at + 1, json!({ "type": "function", "function": {} }));
            }
            let call = &mut calls[at];
            append(&mut call["id"], delta.id.as_deref().unwrap_or_default());
            append(&mut call["function"]["name"], delta.name.as_deref().unwrap_or_default());
            append(&mut call["function"]["arguments"], &delta.arguments);
            if let Some(state) = &delta.opaque {
                call["extra_content"] = json!({ "google": { "thought_signature": state } });
            }
        }
        Event::RawChoice(raw) => {
            let mut members: Map<String, Value> = serde_json::from_str(raw).expect("an object");
            if let Some(Value::Object(delta)) = members.remove("delta") {
                delta.into_iter().for_each(|(name, value)| message[name] = value);
            }
            members.into_iter().for_each(|(name, value)| choice[name] = value);
        }
        Event::Finish(finish) => {
            choice["finish_reason"] = json!(finish_word(finish.reason));
            choice["native_finish_reason"] = json!(finish.native);
            if finish.reason == FinishReason::StopSequence {
                choice["stop_reason"] = json!(finish.stop_sequence);
            }
        }
        Event::Start(_) | Event::Usage(_) | Event::Failed(_) | Event::Done => {}
    }
}

fn append(text: &mut Value, piece: &str) {
    *text = json!(text.as_str().unwrap_or_default().to_owned() + piece);
}

fn counts(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    })
}
