//! Availability: what targets promise together, and what clients got.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use seawall_core::availability::Report;
use tokio::time::Instant;

use super::Shared;
use super::json::json;

/// Availability of every alias, predicted and observed, and what targets share.
#[utoipa::path(get, path = "/admin/availability", tag = "status", responses(
    (status = 200, description = "As it is now", body = Report),
))]
pub(super) async fn report(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &admin.notes.availability().report(Instant::now()))
}
