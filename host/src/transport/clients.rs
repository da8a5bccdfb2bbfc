//! One pooled HTTP client per distinct connect timeout.
//!
//! The client library knows a connect timeout per client only, while ours differs per request. Distinct values come
//! from the configuration and are few; should they ever be many, [`MAX_CLIENTS`] bounds them and the nearest client
//! serves. All clients share one TLS configuration, so certificates are loaded and sessions resumed once, and what is
//! known of upstreams' connections: the timeout is a ceiling, see [`super::connect`]. It stays a client's own, because
//! the library divides it among the addresses of a host, so that one dead address does not use up the whole time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::{Client, ClientBuilder, Proxy, redirect, retry};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use seawall_core::ports::TransportFailure;

use super::connect::{Limited, Pasts};
use super::{TransportSettings, TransportSetupError};

/// More than a configuration has use for; each further pool only costs connections.
const MAX_CLIENTS: usize = 16;
/// Finds connections that died silently, while a stream is open on them.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Clients {
    /// In ascending order of their timeouts.
    by_timeout: ArcSwap<Vec<(Duration, Client)>>,
    settings: TransportSettings,
    tls: ClientConfig,
    pasts: Arc<Pasts>,
}

impl Clients {
    pub(super) fn new(settings: &TransportSettings) -> Result<Self, TransportSetupError> {
        let (settings, pasts) = (settings.clone(), Arc::default());
        let clients = Self { by_timeout: ArcSwap::default(), settings, tls: tls_config()?, pasts };
        clients.build(Duration::from_secs(1))?; // shows at start what would otherwise fail the first request
        Ok(clients)
    }

    /// The client whose connect timeout this is.
    pub(super) fn for_timeout(&self, connect: Duration) -> Result<Client, TransportFailure> {
        let known = self.by_timeout.load();
        if let Some(client) = pick(&known, connect) {
            return Ok(client);
        }
        let made = self.build(connect).map_err(|e| TransportFailure::Connect(e.to_string()))?;
        self.by_timeout.rcu(|all| {
            let mut all = all.to_vec();
            if all.len() < MAX_CLIENTS && !all.iter().any(|(timeout, _)| *timeout == connect) {
                all.push((connect, made.clone()));
                all.sort_by_key(|(timeout, _)| *timeout);
            }
            all
        });
        // Another thread may have been faster: its pool is the one to use.
        Ok(pick(&self.by_timeout.load(), connect).unwrap_or(made))
    }

    /// Upstreams with the number of their connections that are remembered.
    #[cfg(test)]
    pub(super) fn learned(&self) -> Vec<(String, usize)> {
        self.pasts.known()
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.by_timeout.load().len()
    }

    fn build(&self, connect: Duration) -> Result<Client, TransportSetupError> {
        let settings = &self.settings;
        let mut builder = ClientBuilder::new()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("seawall/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // Zero as a maximum also saves the copy of each request that a retry would need.
            .retry(retry::never().max_retries_per_request(0))
            .connect_timeout(connect)
            .connector_layer(Limited { pasts: Arc::clone(&self.pasts), ceiling: connect })
            .pool_idle_timeout(settings.pool_idle)
            .pool_max_idle_per_host(settings.pool_max_idle)
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT);
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(|_| TransportSetupError::Proxy)?);
        }
        builder.build().map_err(|e| TransportSetupError::Client(e.without_url().to_string()))
    }
}

/// The exact client, or, when there may be no more, the one with the next longer (else the longest) timeout.
fn pick(known: &[(Duration, Client)], connect: Duration) -> Option<Client> {
    let exact = known.iter().find(|(timeout, _)| *timeout == connect);
    let nearest = || known.iter().find(|(timeout, _)| *timeout > connect).or(known.last());
    let found = if known.len() < MAX_CLIENTS { exact } else { exact.or_else(nearest) };
    found.map(|(_, client)| client.clone())
}

pub(super) fn tls_config() -> Result<ClientConfig, TransportSetupError> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| TransportSetupError::Client(e.to_string()))
    };
    let verified = builder()?.with_platform_verifier().or_else(|error| {
        // Without any root certificate a gateway in front of plain-http upstreams must still start.
        tracing::warn!(%error, "no usable root certificates on this system: https providers will be refused");
        builder().map(|builder| builder.with_root_certificates(RootCertStore::empty()))
    });
    let mut config = verified?.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
