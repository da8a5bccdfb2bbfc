//! Injected answers as replies: what the rest of the path cannot tell from a provider's.

use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::class::Class;
use crate::event::FinishReason;
use crate::ports::{Adapter, ByteSource, FaultAction, PlainReply, Shape, TransportFailure, WireReply};

/// Low-cardinality name of an action.
pub(super) fn label(action: &FaultAction) -> &'static str {
    match action {
        FaultAction::Pass => "delay",
        FaultAction::Respond(_) => "respond",
        FaultAction::Fail { .. } => "fail",
        FaultAction::Answer { .. } => "answer",
        FaultAction::Break(TransportFailure::ConnectTimeout) => "connect_timeout",
        FaultAction::Break(TransportFailure::Reset(_)) => "reset",
        FaultAction::Break(_) => "refuse_connection",
        FaultAction::Hang => "hang",
        FaultAction::Rewrite(_) => "rewrite",
    }
}

/// A reply that is here already. It carries a date, as every server's does: an adapter measures a retry hint that is
/// itself a date against it.
pub(super) fn reply(mut plain: PlainReply, now: SystemTime) -> WireReply {
    if let Some(date) = http_date(now) {
        plain.headers.entry(header::DATE).or_insert(date);
    }
    WireReply { status: plain.status, headers: plain.headers, body: Box::new(Once(Some(plain.body))) }
}

/// A failure in the provider's own dialect, else in the generic chat shape.
pub(super) async fn failure(
    adapter: &dyn Adapter,
    class: Class,
    retry_after: Option<String>,
    status: Option<u16>,
) -> PlainReply {
    let shape = Shape::Failure { class, retry_after: retry_after.clone(), in_stream: false };
    let rendered = adapter.render(shape).await.ok().flatten();
    let mut reply = rendered.unwrap_or_else(|| generic_failure(class, retry_after));
    reply.status = status.unwrap_or(reply.status);
    reply
}

/// An answer in the provider's own dialect, else in the generic chat shape.
pub(super) async fn answer(
    adapter: &dyn Adapter,
    text: &str,
    finish: FinishReason,
    streaming: bool,
) -> PlainReply {
    let shape = Shape::Answer { text: text.to_owned(), finish, streaming };
    let rendered = adapter.render(shape).await.ok().flatten();
    rendered.unwrap_or_else(|| generic_answer(text, finish, streaming))
}

/// The shape that chat-compatible servers use.
fn generic_answer(text: &str, finish: FinishReason, streaming: bool) -> PlainReply {
    let reason = match finish {
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        _ => "stop",
    };
    let whole = |object: &str, choices: serde_json::Value| serde_json::json!({ "id": "chaos", "object": object, "created": 0, "model": "chaos", "choices": choices });
    let (kind, body) = if streaming {
        let chunk = |delta: serde_json::Value, reason: Option<&str>| {
            let choices = serde_json::json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
            format!("data: {}\n\n", whole("chat.completion.chunk", choices))
        };
        let first = chunk(serde_json::json!({ "role": "assistant", "content": text }), None);
        let last = chunk(serde_json::json!({}), Some(reason));
        ("text/event-stream", format!("{first}{last}data: [DONE]\n\n"))
    } else {
        let message = serde_json::json!({ "role": "assistant", "content": text });
        let choices = serde_json::json!([{ "index": 0, "message": message, "finish_reason": reason }]);
        ("application/json", whole("chat.completion", choices).to_string())
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    PlainReply { status: 200, headers, body: Bytes::from(body) }
}

/// The shape that chat-compatible servers use.
fn generic_failure(class: Class, retry_after: Option<String>) -> PlainReply {
    let (status, kind, code) = match class {
        Class::RateLimited => (429, "rate_limit_error", "rate_limit_exceeded"),
        Class::QuotaExhausted => (429, "insufficient_quota", "insufficient_quota"),
        Class::Overloaded => (503, "server_error", "server_is_overloaded"),
        Class::Auth => (401, "invalid_request_error", "invalid_api_key"),
        Class::ModelNotFound => (404, "invalid_request_error", "model_not_found"),
        Class::ContextLength => (400, "invalid_request_error", "context_length_exceeded"),
        Class::ContentFilter => (400, "invalid_request_error", "content_policy_violation"),
        Class::BadRequest => (400, "invalid_request_error", "invalid_request"),
        Class::UnsupportedParameter => (400, "invalid_request_error", "unsupported_parameter"),
        Class::TimeoutFirstToken | Class::TimeoutTotal => (504, "server_error", "timeout"),
        _ => (500, "server_error", "server_error"),
    };
    let body = serde_json::json!({
        "error": { "message": "injected by chaos", "type": kind, "param": null, "code": code }
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(header::RETRY_AFTER, value);
    }
    PlainReply { status, headers, body: Bytes::from(body.to_string()) }
}

/// Nothing where the machine's clock shows what the format cannot say.
fn http_date(now: SystemTime) -> Option<HeaderValue> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let date = (seconds < YEAR_10000).then(|| httpdate::fmt_http_date(now))?;
    HeaderValue::from_str(&date).ok()
}

struct Once(Option<Bytes>);

impl ByteSource for Once {
    fn poll_bytes(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
