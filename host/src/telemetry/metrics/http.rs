//! What is counted of the data port: requests under way, and how long they took by status.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use seawall_core::random::Random;
use seawall_core::request::Protocol;
use seawall_core::trace::Trace;
use tokio::time::Instant;

use super::super::figures::{Histogram, Label, REQUEST_TIMES, Sheet};
use super::super::names::{self, key};
use super::super::otlp::Sampler;
use crate::lanes::Lanes;

/// Statuses 100 to 599.
const STATUSES: u16 = 500;
const FIRST_STATUS: u16 = 100;
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The client left before its answer began.
const CLIENT_LEFT: u16 = 499;

/// The data port in numbers.
#[derive(Debug)]
pub(crate) struct HttpFigures {
    routes: [Lanes<Arc<Route>>; Protocol::ALL.len()],
    counts: AtomicBool,
    /// Set where spans are recorded.
    sampler: OnceLock<Sampler>,
}

/// Requests of one route. Its own lines of memory are to hold its count of references, too: see [`Lanes`].
#[derive(Debug)]
#[repr(align(128))]
struct Route {
    active: AtomicU64,
    /// Made when a status first occurs.
    durations: Box<[OnceLock<Box<Histogram>>]>,
}

/// One request at the data port. Counts when it is dropped: an answer's last byte, or the client's leaving.
#[derive(Debug)]
pub(crate) struct Visit {
    /// None: it is not counted.
    route: Option<Arc<Route>>,
    began: Instant,
    status: u16,
    trace: Option<Arc<Trace>>,
}

impl Route {
    /// How long requests took whose answers had this status, counted from the first.
    fn took(&self, slot: u16) -> Option<&Histogram> {
        self.durations.get(usize::from(slot))?.get().map(AsRef::as_ref)
    }
}

impl Default for HttpFigures {
    fn default() -> Self {
        let route = || {
            let durations = (0..STATUSES).map(|_| OnceLock::new()).collect();
            Arc::new(Route { active: AtomicU64::new(0), durations })
        };
        let routes = Protocol::ALL.map(|_| Lanes::new(route));
        Self { routes, counts: AtomicBool::new(true), sampler: OnceLock::new() }
    }
}

impl HttpFigures {
    /// A request has come in.
    pub(crate) fn enter(&self, protocol: Protocol, headers: &HeaderMap, random: &Random) -> Visit {
        let [chat, messages, embeddings] = &self.routes;
        let route = match protocol {
            Protocol::Chat => chat,
            Protocol::Messages => messages,
            Protocol::Embeddings => embeddings,
        };
        let route = self.counts().then(|| Arc::clone(route.mine()));
        if let Some(route) = &route {
            route.active.fetch_add(1, Relaxed);
        }
        let trace = self.trace(headers, random);
        Visit { route, began: Instant::now(), status: CLIENT_LEFT, trace }
    }

    /// Whether requests that come in from now on are counted.
    pub(in super::super) fn count(&self, counts: bool) {
        self.counts.store(counts, Relaxed);
    }

    pub(in super::super) fn counts(&self) -> bool {
        self.counts.load(Relaxed)
    }

    /// Spans are recorded from now on.
    pub(in super::super) fn record(&self, sampler: Sampler) {
        // The first word counts.
        let _ = self.sampler.set(sampler);
    }

    /// The request's place in a trace: the caller's where it sent one, with a span of our own where spans are recorded.
    fn trace(&self, headers: &HeaderMap, random: &Random) -> Option<Arc<Trace>> {
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = header(TRACEPARENT).and_then(|parent| Trace::parse(parent, header(TRACESTATE)));
        let Some(sampler) = self.sampler.get() else { return caller.map(Arc::new) };
        let (low, span) = (random.next_u64(), random.next_u64());
        Some(Arc::new(match caller {
            Some(caller) => {
                let sampled = sampler.wants(Some(caller.sampled), low);
                Trace { sampled, ..caller.with_span(span) }
            }
            None => {
                let trace_id = (u128::from(random.next_u64()) << 64) | u128::from(low);
                Trace::begin(trace_id, span, sampler.wants(None, low))
            }
        }))
    }

    pub(crate) fn gather(&self, sheet: &mut Sheet) {
        for (protocol, route) in Protocol::ALL.into_iter().zip(&self.routes) {
            let labels = || -> [Label; 2] {
                [(key::HTTP_METHOD, "POST".into()), (key::HTTP_ROUTE, protocol.path().into())]
            };
            let active: u64 = route.all().map(|route| route.active.load(Relaxed)).sum();
            sheet.put(&names::HTTP_ACTIVE, labels(), active);
            for slot in 0..STATUSES {
                if let Some(spread) = route.spread(|route| route.took(slot)) {
                    let status = (key::HTTP_STATUS, Cow::Owned((FIRST_STATUS + slot).to_string()));
                    sheet.put(&names::HTTP_DURATION, labels().into_iter().chain([status]), spread);
                }
            }
        }
    }
}

impl Visit {
    /// The answer begins with this status.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        if let Some(trace) = &self.trace {
            trace.answers(status);
        }
    }

    /// The request's place in a trace.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// How long ago it came in.
    pub(crate) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(route) = &self.route else { return };
        route.active.fetch_sub(1, Relaxed);
        let slot = self.status.checked_sub(FIRST_STATUS);
        let slot = slot.and_then(|slot| route.durations.get(usize::from(slot)));
        if let Some(durations) = slot {
            durations.get_or_init(|| Box::new(Histogram::new(&REQUEST_TIMES))).took(self.began.elapsed());
        }
    }
}
