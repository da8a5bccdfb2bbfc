//! Injected answers as replies: what the rest of the path cannot tell from a provider's.

use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::class::Class;
use crate::ports::{Adapter, ByteSource, FaultAction, PlainReply, Shape, TransportFailure, WireReply};

/// Low-cardinality name of an action.
pub(super) fn label(action: &FaultAction) -> &'static str {
    match action {
        FaultAction::Pass => "delay",
        FaultAction::Respond(_) => "respond",
        FaultAction::Fail { .. } => "fail",
        FaultAction::RefuseConnection => "refuse_connection",
        FaultAction::Reset => "reset",
        FaultAction::Hang => "hang",
        FaultAction::Rewrite => "rewrite",
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
    now: SystemTime,
) -> WireReply {
    let shape = Shape::Failure { class, retry_after: retry_after.clone(), in_stream: false };
    match adapter.render(shape).await {
        Ok(Some(plain)) => reply(plain, now),
        Ok(None) | Err(_) => reply(generic_failure(class, retry_after), now),
    }
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
