//! Operators' side: health, status, metrics, the live stream, availability, targets, plugins, chaos, on a listener of
//! its own.
//!
//! Denied by default: whatever is not one of the two health answers wants the token, unknown paths included; metrics can
//! be opened by the configuration. Browsers are
//! kept out unless they stand on this very address: a `Host` that is neither loopback nor the listen address (DNS
//! rebinding) and a foreign `Origin` are refused, and no CORS header is ever sent. Answers hold no secret and nothing
//! of any request's content.

mod audit;
mod availability;
mod chaos;
mod document;
mod experiments;
mod guard;
mod json;
mod metrics;
mod order;
mod plugins;
mod status;
mod stream;
mod targets;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use seawall_core::fault::Chaos;
use seawall_core::ports::PluginSource;
use seawall_core::targets::Targets;
use secrecy::SecretString;
use tokio::time::Instant;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

pub use self::json::AdminError;
pub use self::plugins::{PluginControl, PluginFigures, PluginReport, Serving};
use crate::audit::Audit;
use crate::config::Config;
use crate::ingress::{Admission, Serve};
use crate::reports::Reports;
use crate::shutdown::PhaseWatch;
use crate::tasks::Tasks;
use crate::telemetry::Notes;

/// What operators look at and work on.
pub struct Admin {
    /// Opens every door but health's.
    pub token: SecretString,
    /// Where the listener really is.
    pub addr: SocketAddr,
    /// The configuration that serves now.
    pub config: Arc<ArcSwap<Config>>,
    /// The places for requests at the data port.
    pub(crate) ingress: Arc<Admission>,
    /// Health of targets.
    pub targets: Arc<Targets>,
    /// Armed faults.
    pub chaos: Arc<Chaos>,
    /// The plugins that serve now.
    pub plugins: Arc<dyn PluginSource>,
    /// The plugins' host.
    pub control: Arc<dyn PluginControl>,
    /// Counters and availability.
    pub notes: Arc<Notes>,
    /// Where reports of experiments are kept; none = they end with the process.
    pub reports: Option<Reports>,
    /// The trail, if one is kept.
    pub audit: Option<Audit>,
    /// Connections and other tasks of the data port.
    pub tasks: Tasks,
    /// Work that no client waits for: experiments.
    pub background: Tasks,
    /// Serving or leaving.
    pub phase: PhaseWatch,
    /// When the process began to serve.
    pub started: Instant,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("addr", &self.addr).finish_non_exhaustive()
    }
}

type Shared = Arc<Admin>;

/// Who may knock at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Anybody who reaches the listener; answers name nothing.
    Health,
    /// Holders of the token.
    Token,
    /// Holders of the token, or anybody if the configuration says so.
    Metrics,
}

/// Handlers of one path, with what the document says of them.
type Documented = UtoipaMethodRouter<Shared>;

/// Every route, in one table that router and document are made of, so that neither can forget one. Paths and methods
/// stand at the handlers.
fn routes() -> [(Door, Documented); 24] {
    [
        (Door::Health, routes!(status::live)),
        (Door::Health, routes!(status::ready)),
        (Door::Metrics, routes!(metrics::metrics)),
        (Door::Token, routes!(document::document)),
        (Door::Token, routes!(stream::open)),
        (Door::Token, routes!(status::status)),
        (Door::Token, routes!(availability::report)),
        (Door::Token, routes!(audit::page)),
        (Door::Token, routes!(audit::export)),
        (Door::Token, routes!(audit::status)),
        (Door::Token, routes!(audit::one)),
        (Door::Token, routes!(targets::list)),
        (Door::Token, routes!(targets::one, targets::act)),
        (Door::Token, routes!(targets::clear)),
        (Door::Token, routes!(plugins::list)),
        (Door::Token, routes!(plugins::rollback)),
        (Door::Token, routes!(chaos::catalogue)),
        (Door::Token, routes!(chaos::arm, chaos::list, chaos::disarm_all)),
        (Door::Token, routes!(chaos::disarm)),
        (Door::Token, routes!(experiments::press)),
        (Door::Token, routes!(experiments::start, experiments::list)),
        (Door::Token, routes!(experiments::report, experiments::stop)),
        (Door::Token, routes!(experiments::page)),
        (Door::Token, routes!(experiments::stop_all)),
    ]
}

/// The admin port, as a listener serves it.
pub type Routes = TowerToHyperService<Router>;

impl Serve for Routes {
    fn serve(&self, request: Request<Incoming>) -> impl Future<Output = Response> + Send + 'static {
        let answer = self.call(request.map(Body::new));
        async move {
            let Ok(response) = answer.await;
            response
        }
    }
}

impl Admin {
    /// All routes behind their guards.
    pub fn routes(self: Arc<Self>) -> Routes {
        let shared = self;
        let metrics_are_open = shared.config.load().metrics.open;
        let mut health = Router::new();
        let mut guarded = Router::new();
        for (door, (_, paths, methods)) in routes() {
            for path in paths.paths.keys() {
                let methods = methods.clone();
                match door {
                    Door::Health => health = health.route(path, methods),
                    Door::Metrics if metrics_are_open => health = health.route(path, methods),
                    Door::Token | Door::Metrics => guarded = guarded.route(path, methods),
                }
            }
        }
        let guarded = guarded
            .fallback(json::no_route)
            .method_not_allowed_fallback(json::no_method)
            .layer(from_fn_with_state(Arc::clone(&shared), audit::deeds))
            .layer(from_fn_with_state(Arc::clone(&shared), guard::token));
        let router = health
            .merge(guarded)
            .layer(from_fn_with_state(Arc::clone(&shared), guard::neighbourhood))
            .with_state(shared);
        TowerToHyperService::new(router)
    }
}
