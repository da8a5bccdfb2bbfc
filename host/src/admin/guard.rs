//! Who may use the admin interface.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::Shared;
use super::json::AdminError;
use crate::ingress::bearer_token;

/// Lets through who holds the token.
pub(super) async fn token(State(admin): State<Shared>, request: Request, next: Next) -> Response {
    let sent =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_token);
    if sent.is_some_and(|sent| same(sent, admin.token.expose_secret())) {
        return next.run(request).await;
    }
    let mut refused = AdminError::new(StatusCode::UNAUTHORIZED, "unauthorized", "the admin token is missing or wrong")
        .fix("send `authorization: Bearer TOKEN`; the token was printed at the first start and is kept in the state directory")
        .into_response();
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refused
}

/// Compares digests, so that neither the length nor a common beginning shows in the time taken.
fn same(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one.as_bytes()), Sha256::digest(other.as_bytes()));
    one.iter().zip(&other).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// Lets through who addresses this listener by a name that cannot be another's, and is no foreign web page.
pub(super) async fn neighbourhood(State(admin): State<Shared>, request: Request, next: Next) -> Response {
    let Some(host) = addressed(&request) else {
        return refuse("bad_host", "the Host header is missing or unreadable");
    };
    if !is_ours(&host, admin.addr.ip()) {
        return refuse(
            "foreign_host",
            "the Host header names neither this machine's loopback nor the listen address",
        );
    }
    if !origin_is(request.headers(), &host) {
        return refuse("foreign_origin", "web pages of other origins may not use the admin interface");
    }
    next.run(request).await
}

fn refuse(code: &'static str, message: &str) -> Response {
    AdminError::new(StatusCode::FORBIDDEN, code, message)
        .fix("address the admin listener by its IP address or as `localhost`")
        .into_response()
}

/// HTTP/2 has the authority in the URI, HTTP/1.1 in a header.
fn addressed(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    request.headers().get(HOST)?.to_str().ok()?.parse().ok()
}

fn is_ours(host: &Authority, listen: IpAddr) -> bool {
    let name = host.host();
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // A listener on all addresses can be meant by any of them; an address, unlike a name, cannot be rebound.
    bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == listen || listen.is_unspecified())
}

/// No `Origin` is no browser (or a page of ours that only reads).
fn origin_is(headers: &HeaderMap, host: &Authority) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}
