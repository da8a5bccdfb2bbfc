//! Clients' side of the gateway: HTTP in, HTTP out, in the client's own protocol.
//!
//! Invariants: whatever goes wrong before or after the cascade is answered in the shape that the client's library
//! understands; a client's credentials, cookies and hop-by-hop headers end here; bodies are read up to a cap and within
//! a time. When a client leaves, its request is dropped, which cancels the upstream call.

mod admission;
mod answer;
mod body;
mod caller;
mod doors;
mod intake;
mod models;
mod relay;
mod stay;
mod stream;

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::response::Response;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Uri};
use hyper::body::Incoming;
use seawall_core::random::Random;
use seawall_core::reply::{ClientError, Reply};
use seawall_core::request::{Protocol, Request, RequestId};
use seawall_core::trace::Trace;
use tokio::time::timeout;

pub(crate) use self::admission::{Admission, Load};
pub(crate) use self::caller::bearer_token;
use self::doors::Door;
pub(crate) use self::relay::relayed;
use self::stay::Stay;
use self::stream::StreamBody;
use crate::audit::Ids;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::shutdown::{Phase, PhaseWatch};
use crate::telemetry::HttpFigures;

/// What [`Handler::handle`] gives.
pub type Handling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Answers requests; dropping the future cancels the request.
pub trait Handler: Send + Sync + 'static {
    /// One request.
    fn handle(self: Arc<Self>, request: Arc<Request>) -> Handling;

    /// One was refused before that.
    fn refused(&self, refusal: Refusal<'_>) {
        let Refusal { id, protocol, error, .. } = refusal;
        tracing::debug!(request = %id, %protocol, status = error.status, code = error.code, "request refused");
    }
}

/// A request that was refused before it was resolved.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Which.
    pub id: RequestId,
    /// In which protocol the client is told.
    pub protocol: Protocol,
    /// What it is told.
    pub error: &'a ClientError,
    /// How long after it had come in.
    pub after: Duration,
    /// Its place in a distributed trace, where it has one.
    pub trace: Option<Arc<Trace>>,
}

impl Handler for Gateway {
    fn handle(self: Arc<Self>, request: Arc<Request>) -> Handling {
        Box::pin(async move { Gateway::handle(&self, request).await })
    }

    fn refused(&self, refusal: Refusal<'_>) {
        Gateway::refused(self, refusal);
    }
}

/// What a listener serves.
pub(crate) trait Serve: Clone + Send + Sync + 'static {
    /// The answer to one request. Dropping the future cancels the request.
    fn serve(&self, request: http::Request<Incoming>) -> impl Future<Output = Response> + Send + 'static;
}

impl Serve for Arc<Ingress> {
    fn serve(&self, request: http::Request<Incoming>) -> impl Future<Output = Response> + Send + 'static {
        Arc::clone(self).respond(request.map(Body::new))
    }
}

/// The data port.
pub struct Ingress {
    handler: Arc<dyn Handler>,
    config: Arc<ArcSwap<Config>>,
    admission: Arc<Admission>,
    http: Arc<HttpFigures>,
    phase: PhaseWatch,
    ids: Arc<Ids>,
    random: Random,
    nonces: RandomState,
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Ingress {
    /// Requests of clients that the configuration knows go to this handler.
    pub(crate) fn new(
        handler: Arc<dyn Handler>,
        config: Arc<ArcSwap<Config>>,
        http: Arc<HttpFigures>,
        phase: PhaseWatch,
        ids: Arc<Ids>,
    ) -> Arc<Self> {
        let nonces = RandomState::new();
        let random = Random::seeded(RandomState::new().hash_one(0));
        let admission = Arc::new(Admission::new(config.load().server.admission));
        Arc::new(Self { handler, config, admission, http, phase, ids, random, nonces })
    }

    /// The places for requests.
    pub(crate) fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// One request at any door.
    async fn respond(self: Arc<Self>, request: HttpRequest) -> Response {
        let Some(door) = Door::at(request.uri().path()) else { return self.no_door(&request) };
        if !door.takes(request.method()) {
            return self.no_method(&request, &door);
        }
        match door {
            Door::Requests(protocol) => self.answer(protocol, request).await,
            Door::Models => models::list(&self, request.headers()),
            Door::Model(name) => models::one(&self, &name, request.headers()),
            Door::Health => self.health(),
        }
    }

    fn next_id(&self) -> RequestId {
        self.ids.next()
    }

    /// An answer without the gateway.
    fn refuse(&self, refusal: Refusal<'_>) -> Response {
        let Refusal { id, protocol, error, .. } = refusal;
        self.handler.refused(refusal);
        answer::refusal(protocol, id, error)
    }

    /// The same for what was no request to a model; such are in no trace.
    fn decline(&self, protocol: Protocol, error: &ClientError) -> Response {
        let id = self.next_id();
        self.refuse(Refusal { id, protocol, error, after: Duration::ZERO, trace: None })
    }

    /// Keyed with what nobody outside knows, so that a body cannot hold a forged blob token.
    fn nonce(&self, id: RequestId) -> u64 {
        self.nonces.hash_one(id)
    }

    async fn answer(self: Arc<Self>, protocol: Protocol, request: HttpRequest) -> Response {
        let id = self.next_id();
        let (Parts { headers, .. }, body) = request.into_parts();
        let mut visit = self.http.enter(protocol, &headers, &self.random);
        let trace = visit.trace().cloned();
        let (request, place) = match self.admit(protocol, id, headers, body, trace.clone()).await {
            Ok(admitted) => admitted,
            Err(error) => {
                visit.answered(error.status);
                let after = visit.lasted();
                return self.refuse(Refusal { id, protocol, error: &error, after, trace });
            }
        };
        let stay = Stay::new(place, visit);
        let wants_stream = request.facts.stream;
        let mut handling = Arc::clone(&self.handler).handle(request);
        let (phase, mut closing) = (self.phase.clone(), self.phase.clone());
        // None: a stream has to begin before anything is known.
        let decided = async {
            if wants_stream {
                timeout(stream::PATIENCE, &mut handling).await.ok()
            } else {
                Some(handling.as_mut().await)
            }
        };
        let reply = tokio::select! {
            biased;
            reply = decided => reply,
            () = closing.reached(Phase::Closing) => {
                let error = intake::leaving();
                // What is told stands before the request is dropped, whose end is told, too.
                trace.iter().for_each(|trace| trace.answers(error.status));
                drop(stay.answered(error.status));
                return answer::refusal(protocol, id, &error);
            }
        };
        match reply {
            Some(reply) => answer::from_reply(protocol, reply, phase, stay),
            None => answer::undecided(protocol, id, StreamBody::undecided(protocol, handling, phase, stay)),
        }
    }

    fn health(&self) -> Response {
        match self.phase.phase() {
            Phase::Serving => answer::json(200, r#"{"status":"ok"}"#),
            _ => answer::json(503, r#"{"status":"shutting_down"}"#),
        }
    }

    fn no_door(&self, request: &HttpRequest) -> Response {
        let asked: String = request.uri().path().chars().take(200).collect();
        let message = format!("there is no {} {asked} here; {WHAT_EXISTS}", request.method());
        self.decline(shape_for(request.uri()), &ClientError::new(404, "unknown_url", message))
    }

    fn no_method(&self, request: &HttpRequest, door: &Door) -> Response {
        let (method, uri) = (request.method(), request.uri());
        let message = format!("{} does not take {method}; {WHAT_EXISTS}", uri.path());
        let error = ClientError::new(405, "method_not_allowed", message);
        let mut response = self.decline(shape_for(uri), &error);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(door.methods()));
        response
    }
}

const WHAT_EXISTS: &str = "this gateway has POST /v1/chat/completions, POST /v1/embeddings, POST /v1/messages, \
                           GET /v1/models, GET /v1/models/{id} and GET /health";

fn shape_for(uri: &Uri) -> Protocol {
    if uri.path().starts_with("/v1/messages") { Protocol::Messages } else { Protocol::Chat }
}
