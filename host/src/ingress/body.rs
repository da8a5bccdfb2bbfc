//! Reading a client's body: up to a cap, within a time, without a copy when it came in one piece.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body::Frame;
use http_body_util::BodyExt as _;
use seawall_core::reply::ClientError;
use tokio::time::{Instant, timeout, timeout_at};

/// A body that arrives in pieces may be silent for so long, and be waited for so long in all.
const PIECE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(180);
/// What is still read of a refused body. A socket closed with unread bytes is reset, and the client would lose the
/// answer that says why.
const DISCARD_BYTES: usize = 8 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// The whole body.
pub(super) async fn read(body: &mut Body, limit: usize) -> Result<Bytes, ClientError> {
    let declared = http_body::Body::size_hint(body).lower();
    if declared > limit as u64 {
        return Err(too_large(limit));
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut pieces = Pieces::of(body);
    while let Some(piece) = pieces.next().await? {
        if first.len() + joined.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() && joined.is_empty() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            // What is declared has been checked against the limit: it is safe to reserve.
            joined.reserve(usize::try_from(declared).unwrap_or(0).max(first.len() + piece.len()));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&piece);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// A body as it arrives. Most bodies are there with their headers: the clock is looked at when one has to be waited for.
struct Pieces<'a> {
    body: &'a mut Body,
    until: Option<Instant>,
}

impl<'a> Pieces<'a> {
    fn of(body: &'a mut Body) -> Self {
        Self { body, until: None }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = match self.body.frame().now_or_never() {
                Some(frame) => frame,
                None => self.wait().await?,
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(ClientError::new(400, "broken_body", "the body ended early")),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    async fn wait(&mut self) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, ClientError> {
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + WHOLE);
        timeout_at(until.min(now + PIECE), self.body.frame()).await.map_err(|_| too_slow())
    }
}

/// Reads on for a moment, so that a refusal reaches the client.
pub(super) async fn discard(body: &mut Body) {
    let reading = async {
        let mut left = DISCARD_BYTES;
        let mut pieces = Pieces::of(body);
        while let Ok(Some(piece)) = pieces.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    drop(timeout(DISCARD_TIME, reading).await);
}

fn too_large(limit: usize) -> ClientError {
    ClientError::new(
        413,
        "request_too_large",
        format!("the body is larger than {limit} bytes, this gateway's limit"),
    )
}

fn too_slow() -> ClientError {
    ClientError::new(408, "request_timeout", "the body did not arrive in time")
}
