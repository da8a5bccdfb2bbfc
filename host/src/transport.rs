//! The only door to providers: sends one request, hands back bytes as they come.
//!
//! Invariants: never retries, never follows a redirect, never keeps a cookie, never looks at proxy variables unless the
//! configuration says so. Credentials are filled in here and nowhere else, and no message that leaves this module holds
//! a URL, a key or a header. What a request may address was checked by the core; the host is compared once more before
//! a credential is attached, because this is the last place where a mistake can be stopped.

mod address;
mod body;
mod clients;
mod connect;
mod credentials;
mod failure;
mod report;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use reqwest::Request;
use seawall_core::ports::{Auth, Call, TransportFailure, Upstream, WireReply, WireRequest};

use self::address::Addresses;
use self::body::AnswerBody;
use self::clients::Clients;
pub use self::credentials::{CredentialError, Credentials};
pub(crate) use self::report::Reporter;

/// Limits of the transport, already resolved.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// Largest answer in bytes, plain or streamed.
    pub max_answer_bytes: usize,
    /// How long an unused connection is kept. Below the usual 60 s of providers' load balancers, so that a pooled
    /// connection is seldom one that the other side has just closed.
    pub pool_idle: Duration,
    /// Unused connections kept per provider host.
    pub pool_max_idle: usize,
    /// A forward proxy for all providers; none = direct, whatever the environment says.
    pub proxy: Option<String>,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            max_answer_bytes: 64 << 20,
            pool_idle: Duration::from_secs(50),
            pool_max_idle: 256,
            proxy: None,
        }
    }
}

/// The transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportSetupError {
    /// The proxy's address is unusable.
    #[error("the configured proxy is not a usable address; write it as http://HOST:PORT")]
    Proxy,
    /// TLS or the client library refused its settings.
    #[error("the outgoing HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Outgoing HTTP over pooled connections.
#[derive(Debug)]
pub struct Transport {
    clients: Clients,
    credentials: ArcSwap<Credentials>,
    addresses: Addresses,
    max_answer_bytes: usize,
}

impl Transport {
    /// Sets up TLS once and no connection yet.
    pub fn new(settings: &TransportSettings, credentials: Credentials) -> Result<Self, TransportSetupError> {
        Ok(Self {
            clients: Clients::new(settings)?,
            credentials: ArcSwap::from_pointee(credentials),
            addresses: Addresses::default(),
            max_answer_bytes: settings.max_answer_bytes,
        })
    }

    /// Replaces every credential; requests under way keep the one they were sent with.
    pub fn replace_credentials(&self, credentials: Credentials) {
        self.credentials.store(credentials.into());
    }

    async fn exchange(&self, wire: WireRequest) -> Result<WireReply, TransportFailure> {
        let client = self.clients.for_timeout(wire.connect_timeout)?;
        let upstream = Arc::clone(&wire.base_url);
        let request = self.prepare(wire)?;
        let answered = connect::UPSTREAM.scope(upstream, client.execute(request));
        let mut response = answered.await.map_err(failure::before_headers)?;
        let (status, announced) = (response.status().as_u16(), response.content_length());
        let headers = std::mem::take(response.headers_mut());
        let body = AnswerBody::new(response.bytes_stream(), announced, self.max_answer_bytes);
        Ok(WireReply { status, headers, body: Box::new(body) })
    }

    fn prepare(&self, wire: WireRequest) -> Result<Request, TransportFailure> {
        let mut url = self.addresses.of(&wire.base_url, &wire.path_and_query)?;
        let mut headers = wire.headers;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if wire.auth != Auth::None
            && let Some(credential) = self.credentials.load().of(&wire.provider)
        {
            match wire.auth {
                Auth::None => {}
                Auth::Bearer => drop(headers.insert(AUTHORIZATION, credential.bearer())),
                Auth::Header(name) => drop(headers.insert(name, credential.plain())),
                Auth::Query(name) => drop(url.query_pairs_mut().append_pair(&name, credential.text())),
            }
        }
        let mut request = Request::new(wire.method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(wire.body.into());
        Ok(request)
    }
}

impl Upstream for Transport {
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>> {
        Call::of(self.exchange(request))
    }
}
