//! The way to providers and back.

use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Auth, Call};
use crate::target::ProviderName;

/// A request on its way out. The credential is named, not carried.
#[derive(Clone, Debug)]
pub struct WireRequest {
    /// Whose credential and connections.
    pub provider: ProviderName,
    /// How to authenticate.
    pub auth: Auth,
    /// No slash at the end.
    pub base_url: Arc<str>,
    /// Starts with a slash.
    pub path_and_query: String,
    /// GET, POST, ...
    pub method: Method,
    /// Checked headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// TCP and TLS.
    pub connect_timeout: Duration,
}

/// Why bytes did not come. Messages hold no URL, key or header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportFailure {
    /// DNS, refused, TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection broke before the reply's headers.
    #[error("the connection broke before an answer: {0}")]
    Reset(String),
    /// The connection broke inside the reply's body.
    #[error("the connection broke inside the answer: {0}")]
    Body(String),
    /// The reply, or one event of it, is larger than the configured cap.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The cap.
        limit_bytes: usize,
    },
}

/// A reply whose body is still coming.
pub struct WireReply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Box<dyn ByteSource>,
}

impl Debug for WireReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireReply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Bytes as they arrive. Dropping it ends the upstream call.
pub trait ByteSource: Send {
    /// The next bytes; `None` is a clean end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>>;
}

/// The way to providers. Never retries, never follows redirects.
pub trait Upstream: Send + Sync + Debug {
    /// Sends one request; ready when the reply's headers are here. Dropping the call cancels it.
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>>;
}
