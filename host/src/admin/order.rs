//! What operators send: small JSON bodies, read strictly, and durations as people write them.

use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::json::AdminError;

/// An order is a few lines.
pub(super) const ORDER_BYTES: usize = 64 << 10;

/// The body as an order; `example` is what an operator is shown who sent something else.
pub(super) async fn read<T: DeserializeOwned>(body: Body, example: &'static str) -> Result<T, AdminError> {
    let bytes = Limited::new(body, ORDER_BYTES)
        .collect()
        .await
        .map_err(|_| bad_order(format!("the body is broken or larger than {ORDER_BYTES} bytes"), example))?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|error| bad_order(error.to_string(), example))
}

pub(super) fn bad_order(message: String, example: &'static str) -> AdminError {
    AdminError::new(StatusCode::BAD_REQUEST, "bad_order", message).fix(example)
}

/// Seconds as a number, or a number with its unit.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Ttl {
    Seconds(u64),
    /// `500ms`, `30s`, `5m`, `1h`.
    Text(String),
}

impl Ttl {
    pub(super) fn read(&self, example: &'static str) -> Result<Duration, AdminError> {
        match self {
            Self::Seconds(seconds) => Ok(Duration::from_secs(*seconds)),
            Self::Text(text) => duration(text).ok_or_else(|| {
                bad_order(format!("`ttl` is `{text}`; write `30s`, `500ms` or `5m`"), example)
            }),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(count.checked_mul(3600)?)),
        _ => None,
    }
}
