//! Who calls.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use seawall_core::reply::ClientError;
use seawall_core::request::default_tenant;

use super::Ingress;
use crate::config::Access;

/// The name under which Messages clients send their key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl Ingress {
    /// The caller's tenant, or 401. Never says which part of a key was wrong.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Arc<str>, ClientError> {
        let config = self.config.load();
        if matches!(config.access, Access::Open) {
            return Ok(default_tenant());
        }
        let refuse = |message| Err(ClientError::new(401, "invalid_api_key", message));
        let Some(key) = key(headers) else {
            return refuse("no key was sent; send it as `authorization: Bearer KEY` or `x-api-key: KEY`");
        };
        match config.access.client_for(key) {
            Some(client) => Ok(Arc::clone(&client.tenant)),
            None => refuse("the key is not one of this gateway's; ask its operator"),
        }
    }
}

fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_token);
    bearer.or_else(|| headers.get(API_KEY)?.to_str().ok())
}

/// The token of an `authorization: Bearer` value; the scheme's case does not count.
pub(crate) fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
