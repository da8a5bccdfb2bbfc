//! Health and status.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use seawall_core::targets::TargetStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::json;
use super::{Admin, Shared};
use crate::audit::{Audit, Figures};
use crate::health::{NotReady, Readiness};
use crate::ingress::Load;
use crate::shutdown::Phase;
use crate::telemetry::Totals;

#[derive(Serialize, ToSchema)]
struct Live {
    live: bool,
}

/// Whether the process lives: that this is answered says it all.
#[utoipa::path(get, path = "/livez", tag = "health", responses(
    (status = 200, description = "It does", body = Live),
))]
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &Live { live: true })
}

/// Whether to send requests here.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Send them", body = Readiness),
    (status = 503, description = "Send them elsewhere", body = Readiness),
))]
pub(super) async fn ready(State(admin): State<Shared>) -> Response {
    let readiness = admin.readiness();
    json(StatusCode::from_u16(readiness.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), &readiness)
}

/// The house at one moment.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    uptime_s: u64,
    phase: &'static str,
    /// The first one serves as long as the process does.
    config_generation: u64,
    #[serde(flatten)]
    readiness: Readiness,
    faults_armed: usize,
    connections_and_tasks: usize,
    tasks_panicked: u64,
    ingress: Load,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<Totals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Figures>,
    targets: Vec<TargetStatus>,
}

/// The house at one moment: what serves, what is under way, sums since the start, every target.
#[utoipa::path(get, path = "/admin/status", tag = "status", responses(
    (status = 200, description = "As it is now", body = Status),
))]
pub(super) async fn status(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &admin.status())
}

impl Admin {
    pub(super) fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.started.elapsed().as_secs(),
            phase: match self.phase.phase() {
                Phase::Serving => "serving",
                Phase::Leaving => "leaving",
                Phase::Draining => "draining",
                Phase::Closing => "closing",
                Phase::Ended => "ended",
            },
            config_generation: 1,
            readiness: self.readiness(),
            faults_armed: self.chaos.list().len(),
            connections_and_tasks: self.tasks.live(),
            tasks_panicked: self.tasks.panicked(),
            ingress: self.ingress.load(),
            counters: self.notes.totals(),
            audit: self.audit.as_ref().map(Audit::figures),
            targets: self.targets.status(),
        }
    }

    fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        if self.phase.phase() > Phase::Serving {
            reasons.push(NotReady::ShuttingDown);
        }
        let config = self.config.load();
        let plugins = self.plugins.current();
        if config.providers.is_empty() {
            reasons.push(NotReady::NoProvider);
        } else if !config.providers.keys().any(|name| plugins.adapters.contains_key(name)) {
            reasons.push(NotReady::NoAdapter);
        }
        Readiness::new(reasons)
    }
}
