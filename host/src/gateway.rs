//! The path of one request, top to bottom. Each step is one call; what it does stands in its own room.
//!
//! | step | room | when it fails |
//! |---|---|---|
//! | ingress | `ingress` (calls [`Gateway::handle`]) | 400 401 413 415 in the client's protocol |
//! | resolve | `config` | 404 with the nearest names |
//! | route | `core::route`, policy plugin | the configured order |
//! | cascade | `core::cascade` | a typed error in bounded time |
//! | gates, breaker | `core::targets` | the next candidate, no wait |
//! | encode | `wasm` -> adapter | the next candidate |
//! | fault | `core::fault` -> fault plugin | only what it injects |
//! | transport | `transport` | the next candidate |
//! | decode | `wasm` -> adapter | before commit the next candidate, after it a typed stream error |
//! | egress | `ingress` writes [`Reply`] | the client left |

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_core::cascade::{self, Engine};
use seawall_core::note::Note;
use seawall_core::reply::{Degraded, Reply, Trail};
use seawall_core::request::Request;

use crate::audit::Audit;
use crate::config::Config;
use crate::ingress::Refusal;

/// Answers requests.
#[derive(Debug)]
pub struct Gateway {
    config: Arc<ArcSwap<Config>>,
    engine: Arc<Engine>,
    audit: Option<Audit>,
}

impl Gateway {
    /// A gateway over what [`Engine`] stands on. The audit hears the content of requests for which that is wanted.
    pub fn new(config: Arc<ArcSwap<Config>>, engine: Engine, audit: Option<Audit>) -> Self {
        Self { config, engine: Arc::new(engine), audit }
    }

    /// What all requests share: targets, faults, plugins.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers one request. Dropping the future cancels whatever is under way upstream.
    pub async fn handle(&self, request: Arc<Request>) -> Reply {
        let config = self.config.load_full();
        let alias = match config.resolve(&request.facts.model) {
            Ok(alias) => alias,
            Err(error) => {
                let (id, protocol) = (request.id, request.protocol);
                let (after, trace) = (Duration::ZERO, request.trace.clone());
                self.refused(Refusal { id, protocol, error: &error, after, trace });
                let trail = Trail {
                    id,
                    target: None,
                    attempts: 0,
                    degraded: Degraded::None,
                    lost: Vec::new(),
                    faults: Vec::new(),
                };
                return Reply::Failed { error, trail };
            }
        };
        let tap = self.audit.as_ref().and_then(|audit| audit.tap(&alias.name, &request));
        let reply = cascade::answer(&self.engine, request, alias).await;
        match tap {
            Some(tap) => tap.on(reply),
            None => reply,
        }
    }

    /// Says that a request was refused before it was resolved.
    pub fn refused(&self, refusal: Refusal<'_>) {
        let Refusal { id, protocol, error, after, trace } = refusal;
        let (status, code) = (error.status, error.code.clone());
        self.engine.observer.note(Note::RequestRefused { id, protocol, status, code, after, trace });
    }
}
