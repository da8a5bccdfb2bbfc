//! Anthropic's messages and token counts.

mod ask;
mod blocks;
mod error;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use self::ask::{check_limit, read};
use self::blocks::blocks;
use self::error::error;
use super::{EmbedAsk, Event, Role, Target, Turn, Wire, headers_from, named_sse, no_such_path};
use crate::answer::{Choice, Finish};
use crate::ask::{Ask, Framing};
use crate::seed::letters;
use crate::trouble::Trouble;

#[derive(Debug)]
pub(super) struct Anthropic;

impl Wire for Anthropic {
    fn ask(&self, _target: Target<'_>, headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        if !headers.contains_key("anthropic-version") {
            return Err(Trouble::bad("anthropic-version: header is required", "anthropic-version"));
        }
        check_limit(body)?;
        read(body)
    }

    fn counted(&self, _target: Target<'_>, body: &Value) -> Result<Value, Trouble> {
        Ok(json!({"input_tokens": read(body)?.prompt_tokens}))
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        let first = turn.answer.choices.first();
        let mut message = message(turn, first.map(content).unwrap_or_default());
        if let (Some(choice), Some(message)) = (first, message.as_object_mut()) {
            message.insert("stop_reason".to_owned(), json!(stop_reason(choice)));
            message.insert("stop_sequence".to_owned(), stop_sequence(choice));
            message.insert("usage".to_owned(), usage(turn, turn.answer.usage.completion));
        }
        message
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let start = json!({"type": "message_start", "message": message(turn, Vec::new())});
        let mut events = vec![named_sse("message_start", &start, Role::Frame)];
        if let Some(choice) = turn.answer.choices.first() {
            blocks(choice, &mut events);
            let end = json!({
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason(choice), "stop_sequence": stop_sequence(choice)},
                "usage": {"input_tokens": turn.answer.usage.prompt, "cache_creation_input_tokens": 0,
                          "cache_read_input_tokens": 0, "output_tokens": turn.answer.usage.completion},
            });
            events.push(named_sse("message_delta", &end, Role::Finish));
        }
        events.push(named_sse("message_stop", &json!({"type": "message_stop"}), Role::Terminator));
        events
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        let (status, error) = error(trouble);
        (
            trouble.status.unwrap_or(status),
            json!({"type": "error", "error": error, "request_id": "req_011CSimulated"}),
        )
    }

    fn error_event(&self, trouble: &Trouble, _framing: Framing, _first: bool) -> Bytes {
        named_sse("error", &json!({"type": "error", "error": error(trouble).1}), Role::Frame).bytes
    }

    fn malformed(&self, _framing: Framing) -> Bytes {
        Bytes::from_static(b"event: content_block_delta\ndata: {\"type\": \"content_block_delta\", \n\n")
    }

    fn heartbeat(&self, _framing: Framing) -> &'static str {
        "event: ping\ndata: {\"type\": \"ping\"}\n\n"
    }

    fn headers(&self, salt: u64) -> HeaderMap {
        headers_from(&[
            ("request-id", &format!("req_011C{}", letters(salt, 20))),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
            ("anthropic-ratelimit-tokens-limit", "480000"),
            ("anthropic-ratelimit-tokens-remaining", "479000"),
            ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
        ])
    }

    fn embed_ask(&self, _target: Target<'_>, _batch: bool, _body: &Value) -> Result<EmbedAsk, Trouble> {
        Err(no_such_path())
    }

    fn embedded(&self, _ask: &EmbedAsk, _vectors: Vec<Vec<f32>>) -> Value {
        Value::Null
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        let describe = |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"});
        match one {
            Some(id) => describe(id),
            None => {
                json!({"data": names.iter().map(|id| describe(id)).collect::<Vec<_>>(), "has_more": false,
                           "first_id": names.first(), "last_id": names.last()})
            }
        }
    }
}

/// The message as it stands at its start: no stop reason, one output token.
fn message(turn: Turn<'_>, content: Vec<Value>) -> Value {
    json!({
        "id": format!("msg_01{}", letters(turn.salt, 22)),
        "type": "message",
        "role": "assistant",
        "model": turn.ask.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(turn, 1),
    })
}

fn usage(turn: Turn<'_>, output: usize) -> Value {
    json!({"input_tokens": turn.answer.usage.prompt, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
           "output_tokens": output, "service_tier": "standard"})
}

fn content(choice: &Choice) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !choice.reasoning.is_empty() {
        blocks
            .push(json!({"type": "thinking", "thinking": choice.reasoning.concat(), "signature": SIGNATURE}));
    }
    if !choice.text.is_empty() {
        blocks.push(json!({"type": "text", "text": choice.text.concat()}));
    }
    let call = |call: &crate::answer::Call| json!({"type": "tool_use", "id": format!("toolu_01{}", call.id), "name": call.name, "input": call.arguments});
    blocks.extend(choice.calls.iter().map(call));
    blocks
}

const SIGNATURE: &str = "EqQBCkgIBhABGAIqQHNpbXVsYXRlZCBzaWduYXR1cmU=";

fn stop_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered => "refusal",
    }
}

fn stop_sequence(choice: &Choice) -> Value {
    match &choice.finish {
        Finish::StopSequence(stop) => json!(stop),
        _ => Value::Null,
    }
}
