//! Answers of the admin interface: JSON, and errors as `{"error":{"code","message","fix"}}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::document;

/// What an operator did wrong, and what to do instead.
#[derive(Debug)]
pub struct AdminError {
    status: StatusCode,
    code: &'static str,
    message: String,
    fix: Option<String>,
}

/// What is answered instead of what was wanted.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    error: Words,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ErrorWords)]
struct Words {
    /// For programs.
    code: &'static str,
    /// What is wrong.
    message: String,
    /// What to do instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl AdminError {
    /// An error without advice.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fix: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let Self { status, code, message, fix } = self;
        json(status, &ErrorBody { error: Words { code, message, fix } })
    }
}

/// JSON that no cache keeps and no browser takes for a page.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

pub(super) async fn no_route(method: Method, uri: Uri) -> AdminError {
    let path: String = uri.path().chars().take(200).collect();
    AdminError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {method} {path} here"))
        .fix(format!("paths: {}", document::paths().join(", ")))
}

pub(super) async fn no_method(method: Method, uri: Uri) -> AdminError {
    let path: String = uri.path().chars().take(200).collect();
    AdminError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{path} does not take {method}"),
    )
}
