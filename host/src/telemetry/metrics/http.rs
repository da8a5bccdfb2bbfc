//! What is counted of the data port: requests under way, and how long they took by status.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use seawall_core::request::Protocol;
use tokio::time::Instant;

use super::super::figures::{Histogram, Label, REQUEST_TIMES, Sheet};
use super::super::names::{self, key};

const PROTOCOLS: [Protocol; 3] = [Protocol::Chat, Protocol::Messages, Protocol::Embeddings];
/// Statuses 100 to 599.
const STATUSES: u16 = 500;
const FIRST_STATUS: u16 = 100;
/// The client left before its answer began.
const CLIENT_LEFT: u16 = 499;

/// The data port in numbers.
#[derive(Debug)]
pub(crate) struct HttpFigures([Arc<Route>; PROTOCOLS.len()]);

#[derive(Debug)]
struct Route {
    path: &'static str,
    active: AtomicU64,
    /// Made when a status first occurs.
    durations: Box<[OnceLock<Box<Histogram>>]>,
}

/// One request at the data port. Counts when it is dropped: an answer's last byte, or the client's leaving.
#[derive(Debug)]
pub(crate) struct Visit {
    route: Arc<Route>,
    began: Instant,
    status: u16,
}

impl Default for HttpFigures {
    fn default() -> Self {
        Self(PROTOCOLS.map(|protocol| {
            let path = protocol.path();
            let durations = (0..STATUSES).map(|_| OnceLock::new()).collect();
            Arc::new(Route { path, active: AtomicU64::new(0), durations })
        }))
    }
}

impl HttpFigures {
    /// A request has come in.
    pub(crate) fn enter(&self, protocol: Protocol) -> Visit {
        let [chat, messages, embeddings] = &self.0;
        let route = match protocol {
            Protocol::Chat => chat,
            Protocol::Messages => messages,
            Protocol::Embeddings => embeddings,
        };
        route.active.fetch_add(1, Relaxed);
        Visit { route: Arc::clone(route), began: Instant::now(), status: CLIENT_LEFT }
    }

    pub(crate) fn gather(&self, sheet: &mut Sheet) {
        for route in &self.0 {
            let labels = || -> [Label; 2] {
                [(key::HTTP_METHOD, "POST".into()), (key::HTTP_ROUTE, route.path.into())]
            };
            sheet.put(&names::HTTP_ACTIVE, labels(), route.active.load(Relaxed));
            for (status, durations) in (FIRST_STATUS..).zip(&route.durations) {
                if let Some(durations) = durations.get() {
                    let status = (key::HTTP_STATUS, Cow::Owned(status.to_string()));
                    sheet.put(&names::HTTP_DURATION, labels().into_iter().chain([status]), &**durations);
                }
            }
        }
    }
}

impl Visit {
    /// The answer begins with this status.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.route.active.fetch_sub(1, Relaxed);
        let slot = self
            .status
            .checked_sub(FIRST_STATUS)
            .and_then(|slot| self.route.durations.get(usize::from(slot)));
        if let Some(durations) = slot {
            durations.get_or_init(|| Box::new(Histogram::new(&REQUEST_TIMES))).took(self.began.elapsed());
        }
    }
}
