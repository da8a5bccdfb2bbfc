//! Availability: what targets promise together, and what clients got.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use tokio::time::Instant;

use super::Shared;
use super::json::json;

pub(super) async fn report(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &admin.notes.availability().report(Instant::now()))
}
