//! Groq: OpenAI's chat completions with usage in `x_groq`, visible reasoning, and errors of its own.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::openai::{self, OpenAi, choice_events, chunk, done, insert};
use super::{EmbedAsk, Event, Role, Target, Turn, Wire, headers_from, no_such_path, sse};
use crate::ask::{Ask, Framing, Reasoning};
use crate::seed::letters;
use crate::trouble::{Code, RetryAfter, Trouble};

#[derive(Debug)]
pub(super) struct Groq;

const REASONING: Option<&str> = Some("reasoning");

impl Wire for Groq {
    fn ask(&self, _target: Target<'_>, _headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        let mut ask = openai::read(body)?;
        if ask.choices > 1 {
            return Err(Trouble::bad("'n' : number must be at most 1", "n"));
        }
        let hidden = body["reasoning_format"] == "hidden" || body["include_reasoning"] == false;
        let asked = ask.reasoning != Reasoning::Off
            || body["include_reasoning"] == true
            || ["parsed", "raw"].iter().any(|format| body["reasoning_format"] == *format);
        if asked {
            ask.reasoning = if hidden { Reasoning::Hidden } else { Reasoning::Shown };
        }
        Ok(ask)
    }

    fn counted(&self, _target: Target<'_>, _body: &Value) -> Result<Value, Trouble> {
        Err(no_such_path())
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        let mut whole = openai::whole(turn, REASONING);
        insert(&mut whole, "usage", usage(turn));
        insert(&mut whole, "usage_breakdown", Value::Null);
        insert(&mut whole, "service_tier", json!("on_demand"));
        insert(&mut whole, "x_groq", json!({"id": id(turn), "seed": 1}));
        whole
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let mut events = choice_events(turn, REASONING);
        let finish = events.pop();
        if let Some(first) = events.first_mut() {
            *first = with_x_groq(first, json!({"id": id(turn), "seed": 1}));
        }
        if let Some(finish) = finish {
            events.push(with_x_groq(&finish, json!({"id": id(turn), "usage": usage(turn)})));
        }
        if turn.ask.include_usage {
            let mut last = chunk(turn, json!([]));
            insert(&mut last, "usage", usage(turn));
            events.push(sse(&last, Role::Finish));
        }
        events.push(done());
        events
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        error(trouble)
    }

    fn error_event(&self, trouble: &Trouble, _framing: Framing, _first: bool) -> Bytes {
        let (status, mut body) = error(trouble);
        if let Some(error) = body.get_mut("error") {
            insert(error, "status_code", json!(status));
        }
        super::named_sse("error", &body, Role::Frame).bytes
    }

    fn heartbeat(&self, _framing: Framing) -> &'static str {
        ": keep-alive\n\n"
    }

    fn headers(&self, salt: u64) -> HeaderMap {
        headers_from(&[
            ("x-request-id", &format!("req_{}", letters(salt, 26))),
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-limit-tokens", "18000"),
            ("x-ratelimit-remaining-requests", "14370"),
            ("x-ratelimit-remaining-tokens", "17997"),
            ("x-ratelimit-reset-requests", "2m59.56s"),
            ("x-ratelimit-reset-tokens", "7.66s"),
            ("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate"),
        ])
    }

    fn retry_header(&self, trouble: &Trouble) -> Option<String> {
        let limited = self.error(trouble).0 == 429;
        trouble.retry_after.as_ref().filter(|_| limited).map(RetryAfter::text)
    }

    fn embed_ask(&self, _target: Target<'_>, _batch: bool, _body: &Value) -> Result<EmbedAsk, Trouble> {
        Err(no_such_path())
    }

    fn embedded(&self, ask: &EmbedAsk, vectors: Vec<Vec<f32>>) -> Value {
        OpenAi.embedded(ask, vectors)
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        OpenAi.models(one, names)
    }
}

fn id(turn: Turn<'_>) -> String {
    format!("req_{}", letters(turn.salt, 26))
}

fn usage(turn: Turn<'_>) -> Value {
    let usage = turn.answer.usage;
    json!({
        "queue_time": 0.01, "prompt_tokens": usage.prompt, "prompt_time": 0.002,
        "completion_tokens": usage.completion, "completion_time": 0.02,
        "total_tokens": usage.prompt + usage.completion, "total_time": 0.022,
    })
}

/// The same chunk with one member more.
fn with_x_groq(event: &Event, member: Value) -> Event {
    let json = event.bytes.strip_prefix(b"data: ").unwrap_or(&event.bytes);
    let mut value: Value = serde_json::from_slice(json).unwrap_or_default();
    insert(&mut value, "x_groq", member);
    sse(&value, event.role)
}

fn error(trouble: &Trouble) -> (u16, Value) {
    let (kind, code, usual) = match &trouble.code {
        Code::RateLimit => {
            ("tokens", Some("rate_limit_exceeded"), "Rate limit reached for model in organization.")
        }
        Code::Quota => {
            ("tokens", Some("rate_limit_exceeded"), "Rate limit reached for model on tokens per day (TPD).")
        }
        Code::Capacity => (
            "internal_server_error",
            Some("capacity_exceeded"),
            "Flex tier capacity exceeded, please try again.",
        ),
        Code::Overloaded => ("internal_server_error", None, "Service unavailable."),
        Code::Server | Code::BadGateway => ("internal_server_error", None, "Internal server error."),
        Code::ToolFailed => (
            "invalid_request_error",
            Some("tool_use_failed"),
            "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
        ),
        other => openai::words(other),
    };
    let mut error = json!({"message": trouble.message_or(usual), "type": kind});
    if let Some(code) = code {
        insert(&mut error, "code", json!(code));
    }
    if let Some(param) = trouble.param {
        insert(&mut error, "param", json!(param));
    }
    if trouble.code == Code::ToolFailed {
        insert(&mut error, "failed_generation", json!("<function=weather{\"city\": \"Par"));
    }
    (trouble.status.unwrap_or(trouble.code.usual_status()), json!({"error": error}))
}
