//! One request: which lane and dialect it is for, which fault takes it, and what is answered. Nothing that a client can
//! send makes this fail other than with an error in the dialect's own shape.

mod chat;
mod reply;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use self::reply::error_response;
pub(crate) use self::reply::{control_response, misuse, response};
use crate::ask::Framing;
use crate::bench::{Bench, Ready};
use crate::body::SimBody;
use crate::connection::Line;
use crate::credential;
use crate::dialect::{Dialect, Wire};
use crate::fault::Kind;
use crate::lane::{Lane, Lanes, Ticket};
use crate::log::{Entry, Headers, Outcome};
use crate::route::{Operation, Route, route};
use crate::script::Step;
use crate::trouble::{Code, Trouble};
use crate::{control, mark};

/// Largest request body that is read.
const MOST_BODY_BYTES: usize = 32 << 20;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lanes: Lanes,
    pub(crate) bench: Bench,
    /// Base of URLs that refuse connections.
    pub(crate) refused: String,
    pub(crate) started: Instant,
}

/// Answers requests; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Service(pub(crate) Arc<Shared>);

/// What the body of a request says at first sight; enough for the log and the bench models.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Glance {
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: bool,
}

/// A request on its lane.
struct Exchange<'a> {
    lane: &'a Lane,
    wire: &'static dyn Wire,
    operation: Operation<'a>,
    parts: &'a Parts,
    body: Bytes,
    framing: Option<Framing>,
    line: Arc<Line>,
}

impl Service {
    /// Answers one request, in time; some faults take for ever.
    pub(crate) async fn answer<B>(self, request: Request<B>, line: Arc<Line>) -> Response<SimBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, MOST_BODY_BYTES).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Code::TooLarge),
            Err(_) => Err(Code::BadRequest),
        };
        let path = parts.uri.path();
        if path.strip_prefix(control::ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return control::answer(&self.0, &parts, &body.unwrap_or_default());
        }
        let Some(route) = route(path, parts.uri.query(), &parts.headers) else {
            return misuse(
                StatusCode::NOT_FOUND,
                "no lane in the path; use /{lane}/v1/..., or GET /_sim for help",
            );
        };
        let Some(lane) = self.0.lanes.get(route.lane) else {
            let why = "not a lane's name, or too many lanes already: letters, digits, `-`, `_`, `.`, at most 64 lanes";
            return misuse(StatusCode::INSUFFICIENT_STORAGE, why);
        };
        match body {
            Ok(body) => self.exchange(&lane, route, &parts, body, line).await,
            Err(code) => {
                let ticket = self.admit(&lane, &route, &parts, &Bytes::new(), &Glance::default(), None);
                error_response(route.dialect.wire(), &Trouble::of(code), ticket)
            }
        }
    }

    async fn exchange(
        &self,
        lane: &Lane,
        route: Route<'_>,
        parts: &Parts,
        body: Bytes,
        line: Arc<Line>,
    ) -> Response<SimBody> {
        let wire = route.dialect.wire();
        let asks = parts.method == Method::POST && route.operation != Operation::Unknown;
        let glance: Glance =
            if asks { serde_json::from_slice(&body).unwrap_or_default() } else { Glance::default() };
        let framing = framing(&route, &glance);
        let exchange = Exchange { lane, wire, operation: route.operation, parts, body, framing, line };
        let fault = match exchange.chosen_fault() {
            Ok(None) if asks => lane.take_fault(),
            Ok(chosen) => chosen,
            Err(why) => return misuse(StatusCode::BAD_REQUEST, &why),
        };
        let mut ticket = self.admit(lane, &route, parts, &exchange.body, &glance, fault.as_ref());
        match &fault {
            Some(Kind::Hang {}) => std::future::pending().await,
            Some(Kind::Reset {}) => {
                ticket.close(Outcome::Cut);
                exchange.line.reset();
                std::future::pending().await
            }
            Some(Kind::SlowHeaders { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Some(_) => {}
            None if matches!(route.operation, Operation::Chat(_)) && asks && !lane.is_special() => {
                let model = model(&route, &glance).unwrap_or_default();
                let usage = glance.stream_options.as_ref().is_some_and(|options| options.include_usage);
                if let Some(ready) = self.0.bench.ready(route.dialect, model, framing, usage) {
                    return exchange.bench(ready, ticket);
                }
            }
            None => {}
        }
        exchange.respond(fault.as_ref(), ticket)
    }

    fn admit(
        &self,
        lane: &Lane,
        route: &Route<'_>,
        parts: &Parts,
        body: &Bytes,
        glance: &Glance,
        fault: Option<&Kind>,
    ) -> Ticket {
        let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |path| path.as_str());
        let entry = Entry {
            number: 0,
            unix_ms: unix_time().as_millis().try_into().unwrap_or(u64::MAX),
            monotonic_ms: self.0.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
            method: parts.method.clone(),
            path: credential::masked_path(path),
            headers: Headers::masked(&parts.headers),
            credential: credential::describe(&parts.headers, parts.uri.query()),
            body_bytes: body.len(),
            dialect: route.dialect,
            model: model(route, glance).map(str::to_owned),
            stream: framing(route, glance).is_some(),
            fault: fault.map(Kind::name),
            status: None,
            outcome: Outcome::Open,
            sent_bytes: 0,
        };
        lane.admit(entry, body.clone())
    }
}

fn model<'a>(route: &Route<'a>, glance: &'a Glance) -> Option<&'a str> {
    let in_path = match route.operation {
        Operation::Chat(target) | Operation::CountTokens(target) | Operation::Embed { target, .. } => {
            target.model
        }
        Operation::Models(one) => one,
        Operation::Unknown => None,
    };
    in_path.or(glance.model.as_deref())
}

fn framing(route: &Route<'_>, glance: &Glance) -> Option<Framing> {
    match route.operation {
        Operation::Chat(target) if route.dialect == Dialect::Gemini => target.stream,
        Operation::Chat(_) => (glance.stream == Some(true)).then_some(Framing::Sse),
        _ => None,
    }
}

pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Exchange<'_> {
    /// The fault that the request chose for itself.
    fn chosen_fault(&self) -> Result<Option<Kind>, String> {
        if let Some(kind) = mark::in_header(&self.parts.headers, self.lane.name())? {
            return Ok(Some(kind));
        }
        let Operation::Chat(target) = self.operation else { return Ok(None) };
        if !mark::may_be_in(&self.body) {
            return Ok(None);
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match self.wire.ask(target, &self.parts.headers, &body) {
            Ok(mut ask) => mark::in_text(&mut ask.user, self.lane.name()),
            Err(_) => Ok(None),
        }
    }

    fn bench(self, ready: Ready, ticket: Ticket) -> Response<SimBody> {
        let headers = HeaderMap::with_capacity(2);
        match ready {
            Ready::Whole(bytes) => self.send(headers, Sending::Whole(bytes), ticket),
            Ready::Script(steps) => self.send(headers, Sending::Script(steps), ticket),
        }
    }

    /// The answer under a fault; those that need waiting before the headers have waited already.
    fn respond(self, fault: Option<&Kind>, ticket: Ticket) -> Response<SimBody> {
        let headers = self.wire.headers(ticket.salt());
        let sending = match fault {
            Some(Kind::Status { status, code, retry_after, message }) => {
                let trouble = Trouble {
                    code: code
                        .as_deref()
                        .map_or_else(|| Code::from_status(status.unwrap_or(500)), Code::from_word),
                    status: *status,
                    message: message.clone(),
                    param: None,
                    retry_after: retry_after.clone(),
                };
                return error_response(self.wire, &trouble, ticket);
            }
            Some(Kind::Html200 {}) => {
                const PAGE: &[u8] = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back.</body></html>";
                let body = SimBody::whole(Bytes::from_static(PAGE), Some(ticket));
                return response(StatusCode::OK, "text/html; charset=utf-8", HeaderMap::new(), body);
            }
            Some(Kind::ErrorIn200 { code }) => {
                let trouble = Trouble::of(code.as_deref().map_or(Code::Server, Code::from_word));
                Sending::Whole(match self.framing {
                    Some(framing) => self.wire.error_event(&trouble, framing, true),
                    None => self.wire.error(&trouble).1.to_string().into(),
                })
            }
            Some(Kind::HeartbeatOnly { ms }) => {
                let beat = self.framing.map_or("\n", |framing| self.wire.heartbeat(framing));
                let every = Duration::from_millis((*ms).max(1));
                Sending::Script([Step::Beat(Bytes::from_static(beat.as_bytes()), every)].into())
            }
            Some(Kind::Huge { bytes }) => {
                let start =
                    if self.framing == Some(Framing::Sse) { "data: {\"huge\":\"" } else { "{\"huge\":\"" };
                Sending::Script([Step::Send(Bytes::from_static(start.as_bytes())), Step::Fill(*bytes)].into())
            }
            other => match self.produce(other, &ticket) {
                Ok(sending) => sending,
                Err(trouble) => return error_response(self.wire, &trouble, ticket),
            },
        };
        self.send(headers, sending, ticket)
    }

    fn send(self, headers: HeaderMap, sending: Sending, ticket: Ticket) -> Response<SimBody> {
        ticket.note(|entry| entry.status = Some(200));
        let body = match sending {
            Sending::Whole(bytes) => SimBody::whole(bytes, Some(ticket)),
            Sending::Script(steps) => SimBody::script(steps, self.line, ticket),
        };
        response(StatusCode::OK, self.wire.content_type(self.framing), headers, body)
    }
}

/// A body with status 200.
enum Sending {
    Whole(Bytes),
    Script(Arc<[Step]>),
}
