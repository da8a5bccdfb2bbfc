//! Plugins as operators see them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::Shared;
use super::json::{AdminError, json};

/// What the admin interface asks of the plugins' host.
pub trait PluginControl: Send + Sync + Debug {
    /// Every plugin with its generations and troubles, as JSON.
    fn status(&self) -> Value;
    /// The serving versions in numbers.
    fn figures(&self) -> Vec<PluginFigures>;
    /// Goes back to the generation before; what serves afterwards, as JSON.
    fn rollback(&self, id: &str) -> Result<Value, AdminError>;
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

pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &admin.control.status())
}

pub(super) async fn rollback(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    admin.control.rollback(&id).map(|now| json(StatusCode::OK, &now))
}
