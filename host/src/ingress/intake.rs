//! From HTTP to the unified request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_ENCODING, EXPECT};
use http::{HeaderMap, HeaderName};
use seawall_core::egress;
use seawall_core::protocol;
use seawall_core::reply::ClientError;
use seawall_core::request::{Protocol, Request, RequestId};
use seawall_core::trace::Trace;

use super::admission::Place;
use super::answer::X_SEAWALL_CHAOS;
use super::{Ingress, body};
use crate::shutdown::Phase;

/// The client's own deadline in milliseconds.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// The client's word against continued streams.
const STRICT_HEADER: HeaderName = HeaderName::from_static("x-seawall-strict");
/// Whoever asks for faults by [`X_SEAWALL_CHAOS`] proves to be an operator.
const CHAOS_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-seawall-chaos-token");
/// Longest name of faults.
const CHAOS_NAME_BYTES: usize = 64;

impl Ingress {
    /// The request with its place, or what is wrong with it.
    pub(super) async fn admit(
        &self,
        protocol: Protocol,
        id: RequestId,
        headers: HeaderMap,
        mut body: Body,
        trace: Option<Arc<Trace>>,
    ) -> Result<(Arc<Request>, Place), ClientError> {
        let knock = match self.knock(&headers).await {
            Ok(knock) => knock,
            Err(error) => {
                // Who asked first whether to send the body at all has its answer before it does.
                if !headers.contains_key(EXPECT) {
                    body::discard(&mut body).await;
                }
                return Err(error);
            }
        };
        let read = self.read(protocol, id, knock, headers, &mut body, trace).await;
        if read.is_err() {
            body::discard(&mut body).await;
        }
        read
    }

    /// Everything that can be refused before the body is read. Who may not call takes no place.
    async fn knock(&self, headers: &HeaderMap) -> Result<Knock, ClientError> {
        if self.phase.phase() >= Phase::Draining {
            return Err(leaving());
        }
        let tenant = self.caller(headers)?;
        refuse_encoded(headers)?;
        let deadline = deadline(headers)?;
        let strict = strict(headers)?;
        let chaos = self.chaos(headers)?;
        let place = self.admission.place(&self.random).await?;
        Ok(Knock { tenant, deadline, strict, chaos, place })
    }

    /// The faults that an operator asks for. Whoever asks without the right is told so, and never which part was wrong.
    fn chaos(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, ClientError> {
        let Some(name) = headers.get(X_SEAWALL_CHAOS) else { return Ok(None) };
        let token = headers.get(CHAOS_TOKEN_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !self.config.load().chaos.may_opt_in(token) {
            let message = "x-seawall-chaos needs an operator's token in x-seawall-chaos-token";
            return Err(
                ClientError::new(403, "chaos_not_allowed", message).with_param(X_SEAWALL_CHAOS.as_str())
            );
        }
        let good = |name: &&str| !name.is_empty() && name.len() <= CHAOS_NAME_BYTES;
        let name = name.to_str().ok().map(str::trim).filter(good);
        let message = "x-seawall-chaos must be a name of at most 64 letters";
        name.map(|name| Some(Arc::from(name))).ok_or_else(|| {
            ClientError::new(400, "invalid_header", message).with_param(X_SEAWALL_CHAOS.as_str())
        })
    }

    async fn read(
        &self,
        protocol: Protocol,
        id: RequestId,
        knock: Knock,
        mut headers: HeaderMap,
        body: &mut Body,
        trace: Option<Arc<Trace>>,
    ) -> Result<(Arc<Request>, Place), ClientError> {
        let Knock { tenant, deadline, strict, chaos, place } = knock;
        let bytes = body::read(body, self.config.load().server.max_body_bytes).await?;
        strip(&mut headers);
        let (facts, body) = protocol::read_request(protocol, bytes, headers, self.nonce(id))?;
        let body = Arc::new(body);
        let request = Request { id, protocol, tenant, facts, body, deadline, strict, trace, chaos };
        Ok((Arc::new(request), place))
    }
}

/// Somebody who may call, with a place.
struct Knock {
    tenant: Arc<str>,
    deadline: Option<Duration>,
    strict: bool,
    chaos: Option<Arc<str>>,
    place: Place,
}

/// What clients are told when there is no time left to answer them.
pub(super) fn leaving() -> ClientError {
    let mut error = ClientError::new(503, "shutting_down", "this gateway is shutting down; try another one");
    error.retry_after = Some(Duration::from_secs(1));
    error.should_retry = Some(true);
    error
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), ClientError> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let message = "compressed bodies are not taken; send it without content-encoding";
    Err(ClientError::new(415, "unsupported_content_encoding", message))
}

fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, ClientError> {
    let Some(value) = headers.get(TIMEOUT_HEADER) else { return Ok(None) };
    let ms = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()).filter(|ms| *ms > 0);
    let message = "x-request-timeout-ms must be a whole number of milliseconds above 0";
    ms.map(|ms| Some(Duration::from_millis(ms)))
        .ok_or_else(|| ClientError::new(400, "invalid_header", message).with_param(TIMEOUT_HEADER.as_str()))
}

/// Whether the client wants no stream continued by another target.
fn strict(headers: &HeaderMap) -> Result<bool, ClientError> {
    match headers.get(STRICT_HEADER).map(http::HeaderValue::as_bytes) {
        None | Some(b"false") => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => {
            let message = "x-seawall-strict must be true or false";
            Err(ClientError::new(400, "invalid_header", message).with_param(STRICT_HEADER.as_str()))
        }
    }
}

/// Leaves what adapters may ask for: nothing that authenticates the client, nothing that was meant for this hop.
fn strip(headers: &mut HeaderMap) {
    let named_by_connection: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let reserved: Vec<HeaderName> =
        headers.keys().filter(|name| egress::is_reserved(name.as_str())).cloned().collect();
    for name in named_by_connection.iter().chain(&reserved) {
        headers.remove(name);
    }
}
