//! Plugins as operators see them.

use std::fmt::Debug;

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
    /// Goes back to the generation before; what serves afterwards, as JSON.
    fn rollback(&self, id: &str) -> Result<Value, AdminError>;
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
