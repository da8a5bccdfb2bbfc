//! Plugins as operators see them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use seawall_wasm::{PluginStatus, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::json::{AdminError, ErrorBody, json};

/// What the admin interface asks of the plugins' host.
pub trait PluginControl: Send + Sync + Debug {
    /// Every plugin with its generations and troubles.
    fn status(&self) -> PluginReport;
    /// The serving versions in numbers.
    fn figures(&self) -> Vec<PluginFigures>;
    /// Goes back to the generation before; what serves afterwards.
    fn rollback(&self, id: &str) -> Result<Serving, AdminError>;
}

/// Every plugin, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct PluginReport {
    /// By id.
    pub plugins: Vec<PluginStatus>,
    /// Of the configuration: what a provider asks of a plugin and does not get.
    pub problems: Vec<Problem>,
}

/// What serves of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PluginServing)]
pub struct Serving {
    /// The file's stem.
    pub id: String,
    /// None while none does.
    pub generation: Option<u64>,
}

/// What the serving version of a plugin did so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFigures {
    /// The file's stem.
    pub id: Arc<str>,
    /// Counts up with each version loaded.
    pub generation: u64,
    /// Calls.
    pub calls: u64,
    /// Wall time of all calls.
    pub time: Duration,
    /// Calls that ended in a fault of the plugin.
    pub faults: u64,
    /// Live instances.
    pub instances: u32,
}

/// Every plugin with its generations and troubles.
#[utoipa::path(get, path = "/admin/plugins", tag = "plugins", responses(
    (status = 200, description = "As they are now", body = PluginReport),
))]
pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &admin.control.status())
}

/// Goes back to the generation before.
#[utoipa::path(post, path = "/admin/plugins/{id}/rollback", tag = "plugins",
    params(("id" = String, Path, description = "The file's stem")),
    responses(
        (status = 200, description = "What serves afterwards", body = Serving),
        (status = 404, description = "`unknown_plugin`", body = ErrorBody),
        (status = 409, description = "`nothing_older`", body = ErrorBody),
    ),
)]
pub(super) async fn rollback(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    admin.control.rollback(&id).map(|now| json(StatusCode::OK, &now))
}
