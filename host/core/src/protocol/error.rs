//! Errors in the clients' protocols: as a body, and as an event of a stream that has begun.

use bytes::Bytes;
use serde::Serialize;

use crate::reply::ClientError;
use crate::request::Protocol;

#[derive(Serialize)]
struct ChatError<'a> {
    error: ChatErrorBody<'a>,
}

#[derive(Serialize)]
struct ChatErrorBody<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct MessagesError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: MessagesErrorBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct MessagesErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    /// Not of the protocol, whose clients ignore it; tells causes apart that share a type.
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
}

/// The body of an error reply. `request_id` is written where the protocol has a place for it.
pub fn error_body(protocol: Protocol, error: &ClientError, request_id: &str) -> Bytes {
    to_bytes(protocol, error, Some(request_id))
}

/// The event that ends a stream as a failure.
pub fn error_event(protocol: Protocol, error: &ClientError) -> Bytes {
    let body = to_bytes(protocol, error, None);
    let start: &[u8] = match protocol {
        Protocol::Messages => b"event: error\ndata: ",
        // A named event would be misread by clients of this protocol.
        Protocol::Chat | Protocol::Embeddings => b"data: ",
    };
    Bytes::from([start, &body, b"\n\n"].concat())
}

fn to_bytes(protocol: Protocol, error: &ClientError, request_id: Option<&str>) -> Bytes {
    let ClientError { status, code, message, param, .. } = error;
    let param = param.as_deref();
    let json = match protocol {
        Protocol::Messages => serde_json::to_vec(&MessagesError {
            kind: "error",
            error: MessagesErrorBody { kind: messages_type(*status), message, code, param },
            request_id,
        }),
        Protocol::Chat | Protocol::Embeddings => serde_json::to_vec(&ChatError {
            error: ChatErrorBody { message, kind: chat_type(*status, code), param, code },
        }),
    };
    Bytes::from(json.unwrap_or_default())
}

/// The word that clients of the chat protocol know for a status.
fn chat_type(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (401, _) => "authentication_error",
        (403, _) => "permission_error",
        (429, "quota_exhausted" | "insufficient_quota") => "insufficient_quota",
        (429, _) => "rate_limit_error",
        (400..=499, _) => "invalid_request_error",
        _ => "server_error",
    }
}

/// The word that clients of the messages protocol know for a status.
fn messages_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}
