//! From the gateway's reply to HTTP.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_core::protocol;
use seawall_core::reply::{ClientError, Degraded, Reply, Trail};
use seawall_core::request::{Protocol, RequestId};

use super::stay::Stay;
use super::stream::StreamBody;
use crate::shutdown::PhaseWatch;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const X_SEAWALL_ATTEMPTS: HeaderName = HeaderName::from_static("x-seawall-attempts");
/// Of a request: the name of faults that an operator asks for. Of its answer: kinds of those that it met.
pub(super) const X_SEAWALL_CHAOS: HeaderName = HeaderName::from_static("x-seawall-chaos");
const X_SEAWALL_CACHE: HeaderName = HeaderName::from_static("x-seawall-cache");
const X_SEAWALL_DEGRADED: HeaderName = HeaderName::from_static("x-seawall-degraded");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_SEAWALL_REQUEST_ID: HeaderName = HeaderName::from_static("x-seawall-request-id");
const X_SEAWALL_TARGET: HeaderName = HeaderName::from_static("x-seawall-target");
const X_SEAWALL_LOST: HeaderName = HeaderName::from_static("x-seawall-lost");

/// Room for what nearly every answer has, the server's own two included: a map that grows moves what it holds.
const HEADERS: usize = 12;

/// JSON with a status.
pub(super) fn json(status: u16, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// What a request ended in. A stream listens to the phase, so that it does not end without a word, and keeps its place.
pub(super) fn from_reply(protocol: Protocol, reply: Reply, phase: PhaseWatch, stay: Stay) -> Response {
    match reply {
        Reply::Plain { body, trail } => {
            drop(stay.answered(200));
            with_trail(json(200, body), protocol, &trail)
        }
        Reply::Stream { body, trail } => {
            with_trail(event_stream(StreamBody::committed(protocol, body, phase, stay)), protocol, &trail)
        }
        Reply::Failed { error, trail } => {
            drop(stay.answered(error.status));
            with_trail(error_response(protocol, &error, trail.id), protocol, &trail)
        }
    }
}

/// A request that never reached the gateway.
pub(super) fn refusal(protocol: Protocol, id: RequestId, error: &ClientError) -> Response {
    with_ids(error_response(protocol, error, id), protocol, id)
}

/// A stream that has to begin before anything is known.
pub(super) fn undecided(protocol: Protocol, id: RequestId, body: StreamBody) -> Response {
    with_ids(event_stream(body), protocol, id)
}

fn event_stream(body: StreamBody) -> Response {
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Reverse proxies in front of us would otherwise collect the events first.
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn error_response(protocol: Protocol, error: &ClientError, id: RequestId) -> Response {
    let mut response = json(error.status, protocol::error_body(protocol, error, &id.to_string()));
    let headers = response.headers_mut();
    if let Some(pause) = error.retry_after {
        let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(ms));
    }
    if let Some(again) = error.should_retry {
        let value = HeaderValue::from_static(if again { "true" } else { "false" });
        headers.insert(X_SHOULD_RETRY, value);
    }
    response
}

fn with_trail(response: Response, protocol: Protocol, trail: &Trail) -> Response {
    let mut response = with_ids(response, protocol, trail.id);
    let headers = response.headers_mut();
    if let Some(target) = &trail.target {
        put(headers, X_SEAWALL_TARGET, target.text());
    }
    headers.insert(X_SEAWALL_ATTEMPTS, number(trail.attempts));
    headers.insert(X_SEAWALL_CACHE, HeaderValue::from_static("none"));
    if trail.target.is_some() || trail.degraded != Degraded::None {
        let degraded = HeaderValue::from_static(trail.degraded.label());
        headers.insert(X_SEAWALL_DEGRADED, degraded);
    }
    if !trail.lost.is_empty() {
        put(headers, X_SEAWALL_LOST, trail.lost.join(", "));
    }
    if !trail.faults.is_empty() {
        put(headers, X_SEAWALL_CHAOS, trail.faults.join(", "));
    }
    response
}

/// The id under our own name, and under the one that the protocol's official clients read.
fn with_ids(mut response: Response, protocol: Protocol, id: RequestId) -> Response {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        let headers = response.headers_mut();
        if protocol == Protocol::Messages {
            headers.insert(REQUEST_ID, id.clone());
        }
        headers.insert(X_REQUEST_ID, id.clone());
        headers.insert(X_SEAWALL_REQUEST_ID, id);
    }
    response
}

/// A model may have a name that no header can carry; the header is then left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn number(number: u32) -> HeaderValue {
    match number {
        // What nearly every answer took.
        1 => HeaderValue::from_static("1"),
        more => HeaderValue::from(more),
    }
}
