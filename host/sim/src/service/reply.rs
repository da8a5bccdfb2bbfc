//! Puts responses together.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::dialect::Wire;
use crate::lane::Ticket;
use crate::trouble::Trouble;

/// An error in the dialect's own shape.
pub(super) fn error_response(wire: &dyn Wire, trouble: &Trouble, ticket: Ticket) -> Response<SimBody> {
    let (status, body) = wire.error(trouble);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = wire.headers(ticket.salt());
    if let Some(value) = wire.retry_header(trouble).and_then(|hint| HeaderValue::from_str(&hint).ok()) {
        headers.insert(RETRY_AFTER, value);
    }
    ticket.note(|entry| entry.status = Some(status.as_u16()));
    response(status, wire.content_type(None), headers, SimBody::whole(body.to_string().into(), Some(ticket)))
}

/// The caller uses the simulator wrongly; this is no provider's voice.
pub(crate) fn misuse(status: StatusCode, why: &str) -> Response<SimBody> {
    control_response(status, &json!({ "error": why }))
}

pub(crate) fn control_response(status: StatusCode, body: &Value) -> Response<SimBody> {
    response(status, "application/json", HeaderMap::new(), SimBody::whole(body.to_string().into(), None))
}

pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    headers: HeaderMap,
    body: SimBody,
) -> Response<SimBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
