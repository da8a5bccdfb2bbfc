//! Failures and answers as the API itself would send them, for chaos experiments.

use seawall_plugin::adapter::{AnswerShape, FailShape};
use seawall_plugin::prelude::*;
use seawall_translate::Json;

/// Writes a shape.
pub(crate) fn render(shape: &Shape) -> Reply {
    match shape {
        Shape::Failure(fail) => failure(fail),
        Shape::Answer(answer) if answer.streaming => stream(answer),
        Shape::Answer(answer) => plain(answer),
    }
}

fn failure(fail: &FailShape) -> Reply {
    let empty = AnswerShape { text: String::new(), finish: FinishReason::Stop, streaming: fail.in_stream };
    match (fail.class, fail.in_stream) {
        (ErrorClass::EmptyAnswer, true) => return stream(&empty),
        (ErrorClass::EmptyAnswer, false) => return plain(&empty),
        (ErrorClass::Malformed, true) => {
            return sse("event: message_start\ndata: {\"type\":\"message_sta\n\n".to_owned());
        }
        (ErrorClass::Malformed, false) => {
            return json(200, "{\"type\":\"message\",\"content\":[{\"ty".to_owned());
        }
        _ => {}
    }
    let (status, kind, message) = words(fail.class);
    let mut error = Json::object().with("type", kind).with("message", message);
    if fail.class == ErrorClass::QuotaExhausted {
        error.push("details", Json::object().with("error_code", "enforced_spend_limit_reached"));
    }
    let body = Json::object().with("type", "error").with("error", error).with("request_id", "req_simulated");
    if fail.in_stream {
        return sse(format!("event: error\ndata: {body}\n\n"));
    }
    let mut reply = json(status, body.to_text());
    if let Some(value) = &fail.retry_after {
        reply.headers.push(headers::header("retry-after", value.as_str()));
    }
    reply
}

fn words(class: ErrorClass) -> (u16, &'static str, &'static str) {
    const INVALID: &str = "invalid_request_error";
    match class {
        ErrorClass::RateLimited => (429, "rate_limit_error", "This request would exceed your rate limit."),
        ErrorClass::QuotaExhausted => (429, "rate_limit_error", "You have reached your spend limit."),
        ErrorClass::Overloaded => (529, "overloaded_error", "Overloaded"),
        ErrorClass::Timeout => (504, "timeout_error", "Request timed out."),
        ErrorClass::Auth => (401, "authentication_error", "API key is invalid."),
        ErrorClass::ModelNotFound => (404, "not_found_error", "model: simulated"),
        ErrorClass::ContextLength => (400, INVALID, "prompt is too long: 250000 tokens > 200000 maximum"),
        ErrorClass::ContentFilter => (400, INVALID, "Output blocked by content filtering policy"),
        ErrorClass::BadRequest => (400, INVALID, "messages: Field required"),
        ErrorClass::UnsupportedParameter => (400, INVALID, "`temperature` is not supported for this model."),
        ErrorClass::ServerError
        | ErrorClass::ToolCallInvalid
        | ErrorClass::EmptyAnswer
        | ErrorClass::Malformed => (500, "api_error", "Internal server error"),
    }
}

fn plain(answer: &AnswerShape) -> Reply {
    let block = Json::object().with("type", "text").with("text", answer.text.as_str());
    let content = if answer.text.is_empty() { Vec::new() } else { vec![block] };
    let message = message(content, Json::from(stop_reason(answer.finish)), written(answer));
    json(200, message.to_text())
}

fn stream(answer: &AnswerShape) -> Reply {
    let mut body = String::new();
    let mut event = |kind: &str, members: Json<'_>| {
        let Json::Object(members) = members else { return };
        let mut data = Json::object().with("type", kind);
        for (name, value) in members {
            data.push(name, value);
        }
        body.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    event("message_start", Json::object().with("message", message(Vec::new(), Json::Null, 1)));
    if !answer.text.is_empty() {
        let block = Json::object().with("type", "text").with("text", "");
        event("content_block_start", Json::object().with("index", 0_u32).with("content_block", block));
        for piece in answer.text.split_inclusive(' ') {
            let delta = Json::object().with("type", "text_delta").with("text", piece);
            event("content_block_delta", Json::object().with("index", 0_u32).with("delta", delta));
        }
        event("content_block_stop", Json::object().with("index", 0_u32));
    }
    let delta =
        Json::object().with("stop_reason", stop_reason(answer.finish)).with("stop_sequence", Json::Null);
    let usage = Json::object().with("output_tokens", written(answer));
    event("message_delta", Json::object().with("delta", delta).with("usage", usage));
    event("message_stop", Json::object());
    sse(body)
}

fn message<'a>(content: Vec<Json<'a>>, stop_reason: Json<'a>, output_tokens: u32) -> Json<'a> {
    Json::object()
        .with("id", "msg_simulated")
        .with("type", "message")
        .with("role", "assistant")
        .with("model", "simulated")
        .with("content", content)
        .with("stop_reason", stop_reason)
        .with("stop_sequence", Json::Null)
        .with("usage", Json::object().with("input_tokens", 1_u32).with("output_tokens", output_tokens))
}

/// A rough count: four bytes a token.
fn written(answer: &AnswerShape) -> u32 {
    u32::try_from(answer.text.len().div_ceil(4)).unwrap_or(u32::MAX)
}

fn stop_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Other => "end_turn",
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
        FinishReason::Paused => "pause_turn",
    }
}

fn json(status: u16, body: String) -> Reply {
    Reply {
        status,
        headers: vec![headers::header("content-type", "application/json")],
        body: body.into_bytes(),
    }
}

fn sse(body: String) -> Reply {
    let kind = headers::header("content-type", "text/event-stream; charset=utf-8");
    Reply { status: 200, headers: vec![kind], body: body.into_bytes() }
}
