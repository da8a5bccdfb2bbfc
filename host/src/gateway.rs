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

use arc_swap::ArcSwap;
use seawall_core::cascade::{self, Engine};
use seawall_core::reply::{Degraded, Reply, Trail};
use seawall_core::request::Request;

use crate::config::Config;

/// Answers requests.
#[derive(Debug)]
pub struct Gateway {
    config: Arc<ArcSwap<Config>>,
    engine: Arc<Engine>,
}

impl Gateway {
    /// A gateway over what [`Engine`] stands on.
    pub fn new(config: Arc<ArcSwap<Config>>, engine: Engine) -> Self {
        Self { config, engine: Arc::new(engine) }
    }

    /// What all requests share: targets, faults, plugins.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers one request. Dropping the future cancels whatever is under way upstream.
    pub async fn handle(&self, request: Request) -> Reply {
        let config = self.config.load_full();
        let alias = match config.resolve(&request.facts.model) {
            Ok(alias) => alias,
            Err(error) => {
                tracing::debug!(request = %request.id, status = error.status, code = error.code, "request refused");
                let trail = Trail {
                    id: request.id,
                    target: None,
                    attempts: 0,
                    degraded: Degraded::None,
                    lost: Vec::new(),
                };
                return Reply::Failed { error, trail };
            }
        };
        cascade::answer(&self.engine, Arc::new(request), alias).await
    }
}
