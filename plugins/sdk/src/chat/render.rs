//! Failures and answers in the shapes of chat-compatible servers, for chaos experiments.

use serde_json::{Value, json};

use crate::adapter::{AnswerShape, FailShape, FinishReason, Header, Reply, Shape};
use crate::chat::finish_word;
use crate::error::ErrorClass;
use crate::headers::header;

/// Writes a shape as OpenAI itself would.
pub fn render(shape: &Shape) -> Option<Reply> {
    Dialect::OPENAI.render(shape)
}

/// Status, type, code and message of a failure.
pub type Words = (u16, &'static str, Value, &'static str);

/// How one provider writes its failures. Everything not said here is as OpenAI does it.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// How it says a class; `None` leaves it to [`Dialect::OPENAI`].
    pub failure: fn(ErrorClass) -> Option<Words>,
    /// The body around these words.
    pub body: fn(status: u16, kind: &str, code: &Value, message: &str) -> Value,
    /// A failure inside a stream is an `event: error` instead of a bare data line.
    pub named_error_event: bool,
    /// The model's name in answers.
    pub model: &'static str,
}

impl Dialect {
    /// OpenAI's own shapes.
    pub const OPENAI: Self = Self {
        failure: |_| None,
        body: |_, kind, code, message| json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }),
        named_error_event: false,
        model: "simulated",
    };

    /// Writes a shape in this dialect.
    pub fn render(&self, shape: &Shape) -> Option<Reply> {
        Some(match shape {
            Shape::Failure(fail) => self.fail(fail),
            Shape::Answer(answer) if answer.streaming => self.stream(answer),
            Shape::Answer(answer) => self.plain(answer),
        })
    }

    fn fail(&self, shape: &FailShape) -> Reply {
        if shape.class == ErrorClass::EmptyAnswer {
            let empty =
                AnswerShape { text: String::new(), finish: FinishReason::Stop, streaming: shape.in_stream };
            return if shape.in_stream { self.stream(&empty) } else { self.plain(&empty) };
        }
        if shape.class == ErrorClass::Malformed {
            let broken =
                if shape.in_stream { "data: {\"choices\":[{\"delta\":\n\n" } else { "{\"choices\":[{\"mess" };
            return reply(200, content_type(shape.in_stream), broken.to_owned());
        }
        let (status, kind, code, message) =
            (self.failure)(shape.class).unwrap_or_else(|| openai(shape.class));
        let body = (self.body)(status, kind, &code, message);
        if shape.in_stream {
            let name = if self.named_error_event { "event: error\n" } else { "" };
            return reply(200, content_type(true), format!("{name}data: {body}\n\n"));
        }
        let mut written = reply(status, content_type(false), body.to_string());
        if let Some(value) = &shape.retry_after {
            written.headers.push(header("retry-after", value.as_str()));
        }
        written
    }

    fn plain(&self, answer: &AnswerShape) -> Reply {
        let body = json!({
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "created": 0,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": answer.text, "refusal": null },
                "logprobs": null,
                "finish_reason": finish_word(answer.finish),
            }],
            "usage": usage(&answer.text),
        });
        reply(200, content_type(false), body.to_string())
    }

    fn stream(&self, answer: &AnswerShape) -> Reply {
        let delta = |delta: Value| {
            self.chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), Value::Null)
        };
        let mut chunks = vec![delta(json!({ "role": "assistant", "content": "" }))];
        chunks.extend(pieces(&answer.text).map(|piece| delta(json!({ "content": piece }))));
        let end = json!([{ "index": 0, "delta": {}, "finish_reason": finish_word(answer.finish) }]);
        chunks.push(self.chunk(end, Value::Null));
        chunks.push(self.chunk(json!([]), usage(&answer.text)));
        let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        reply(200, content_type(true), format!("{lines}data: [DONE]\n\n"))
    }

    fn chunk(&self, choices: Value, usage: Value) -> Value {
        json!({
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self.model,
            "choices": choices,
            "usage": usage,
        })
    }
}

/// Words with the blanks after them, as models stream them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// A rough count: four bytes a token.
fn usage(text: &str) -> Value {
    let written = text.len().div_ceil(4);
    json!({ "prompt_tokens": 1, "completion_tokens": written, "total_tokens": written + 1 })
}

fn content_type(streaming: bool) -> Header {
    header("content-type", if streaming { "text/event-stream" } else { "application/json" })
}

fn reply(status: u16, content_type: Header, body: String) -> Reply {
    Reply { status, headers: vec![content_type], body: body.into_bytes() }
}

fn openai(class: ErrorClass) -> Words {
    const INVALID: &str = "invalid_request_error";
    match class {
        ErrorClass::RateLimited => {
            (429, "requests", json!("rate_limit_exceeded"), "Rate limit reached for requests.")
        }
        ErrorClass::QuotaExhausted => (
            429,
            "insufficient_quota",
            json!("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        ErrorClass::Overloaded => (
            503,
            "server_error",
            json!("server_is_overloaded"),
            "The engine is currently overloaded, please try again later.",
        ),
        ErrorClass::Timeout => (504, "server_error", json!("timeout"), "The request timed out."),
        ErrorClass::Auth => (401, INVALID, json!("invalid_api_key"), "Incorrect API key provided."),
        ErrorClass::ModelNotFound => (
            404,
            INVALID,
            json!("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        ErrorClass::ContextLength => (
            400,
            INVALID,
            json!("context_length_exceeded"),
            "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
        ),
        ErrorClass::ContentFilter => (
            400,
            INVALID,
            json!("content_policy_violation"),
            "Your request was rejected as a result of our safety system.",
        ),
        ErrorClass::BadRequest => {
            (400, INVALID, Value::Null, "We could not parse the JSON body of your request.")
        }
        ErrorClass::UnsupportedParameter => {
            (400, INVALID, json!("unsupported_parameter"), "Unsupported parameter for this model.")
        }
        ErrorClass::ToolCallInvalid => {
            (400, INVALID, json!("tool_use_failed"), "Failed to call a function. Please adjust your prompt.")
        }
        ErrorClass::ServerError | ErrorClass::EmptyAnswer | ErrorClass::Malformed => {
            (500, "server_error", Value::Null, "The server had an error while processing your request.")
        }
    }
}
