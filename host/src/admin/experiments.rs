//! Experiments: the board, scenarios, reports, and the switch that ends everything.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use seawall_core::experiment::{
    self, Action, ExperimentReport, Lab, Press, Run, Scenario, Setting, StartError, Summary,
};
use seawall_core::fault::FaultMatch;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::json::{AdminError, ErrorBody, json};
use super::order::{self, Ttl};
use super::{Admin, Shared, chaos};
use crate::config::Config;
use crate::reports::Reports;
use crate::tasks::blocking;

const PRESS_EXAMPLE: &str =
    r#"for example {"match":{"provider":"NAME"},"ttl":"60s"}, or {"everything":true}"#;
const SCENARIO_EXAMPLE: &str = r#"for example {"name":"trial","for":"60s","steps":[{"at":"5s","for":"20s","kind":"outage","match":{"provider":"NAME"}}]}"#;

/// How long a hash of a configuration is: enough to tell two apart.
const HASH_BYTES: usize = 8;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BoardOrder)]
struct Pressed {
    #[serde(default, rename = "match")]
    matching: FaultMatch,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    config: serde_json::Value,
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    seed: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentStarted)]
struct Started {
    id: u64,
    name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentsStopped)]
struct Stopped {
    experiments: usize,
    disarmed: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentList)]
struct Listed {
    experiments: Vec<Summary>,
}

/// Presses a button of the board: an experiment of one fault, with a report. Whom it hits has to be said.
#[utoipa::path(post, path = "/admin/chaos/board/{action}", tag = "experiments",
    params(("action" = String, Path, description = "On the board of the catalogue")),
    request_body = Pressed,
    responses(
        (status = 201, description = "It runs", body = Started),
        (status = 400, description = "`bad_order`, `no_aim`, `bad_scenario`, `bad_config`, `out_of_range`, `unknown_name`", body = ErrorBody),
        (status = 404, description = "`unknown_action`, `unknown_kind`", body = ErrorBody),
        (status = 409, description = "`too_many`", body = ErrorBody),
        (status = 502, description = "`plugin_fault`", body = ErrorBody),
    ),
)]
pub(super) async fn press(
    State(admin): State<Shared>,
    Path(action): Path<String>,
    body: Body,
) -> Result<Response, AdminError> {
    let Some(action) = Action::of(&action) else {
        let known = Action::ALL.map(|action| action.info().name).join(", ");
        let error = AdminError::new(StatusCode::NOT_FOUND, "unknown_action", "the board has no such action");
        return Err(error.fix(format!("on the board: {known}")));
    };
    let pressed: Pressed = order::read(body, PRESS_EXAMPLE).await?;
    let aimed = pressed.matching.provider.is_some()
        || pressed.matching.domain.is_some()
        || pressed.matching.model.is_some()
        || pressed.matching.tier.is_some()
        || action == Action::ThrottledTier;
    if !aimed && !pressed.everything {
        let message = "it is not said whom this hits";
        return Err(AdminError::new(StatusCode::BAD_REQUEST, "no_aim", message).fix(PRESS_EXAMPLE));
    }
    let ttl = pressed.ttl.as_ref().map(|ttl| ttl.read(PRESS_EXAMPLE)).transpose()?;
    let Pressed { matching, everything, config, seed, .. } = pressed;
    begin(&admin, action.press(Press { matching, everything, config, ttl, seed })).await
}

/// Starts an experiment.
#[utoipa::path(post, path = "/admin/chaos/experiments", tag = "experiments",
    request_body = Scenario,
    responses(
        (status = 201, description = "It runs", body = Started),
        (status = 400, description = "`bad_order`, `bad_scenario`, `bad_config`, `out_of_range`, `unknown_name`", body = ErrorBody),
        (status = 404, description = "`unknown_kind`", body = ErrorBody),
        (status = 409, description = "`too_many`", body = ErrorBody),
        (status = 502, description = "`plugin_fault`", body = ErrorBody),
    ),
)]
pub(super) async fn start(State(admin): State<Shared>, body: Body) -> Result<Response, AdminError> {
    let scenario: Scenario = order::read(body, SCENARIO_EXAMPLE).await?;
    begin(&admin, scenario).await
}

async fn begin(admin: &Admin, scenario: Scenario) -> Result<Response, AdminError> {
    let config = admin.config.load_full();
    for step in &scenario.steps {
        chaos::names_exist(&config, &step.matching)?;
    }
    let lab = Arc::clone(admin.notes.lab());
    let name = scenario.name.clone();
    let run = lab.start(scenario, setting(admin, &config)).await.map_err(refused)?;
    let id = run.id();
    admin.background.spawn("experiment", watch_over(run, lab, admin.reports.clone()));
    Ok(json(StatusCode::CREATED, &Started { id, name }))
}

/// To its end, and its report to where it outlives the process.
async fn watch_over(run: Arc<Run>, lab: Arc<Lab>, reports: Option<Reports>) {
    let report = run.drive(lab).await;
    let Some(reports) = reports else { return };
    let (id, dir) = (report.id, reports.dir().to_owned());
    if let Some(Err(error)) = blocking(move || reports.keep(&report)).await {
        tracing::warn!(
            experiment = id,
            dir = %dir.display(),
            %error,
            "its report cannot be kept, and is gone when the gateway stops; look whether the folder can be written to"
        );
    }
}

fn setting(admin: &Admin, config: &Config) -> Setting {
    let digest = Sha256::digest(config.source.text().as_bytes());
    let hash: String = digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Setting {
        chaos: Arc::clone(&admin.chaos),
        plugins: Arc::clone(&admin.plugins),
        clock: Arc::new(seawall_core::ports::TokioClock),
        aliases: config.aliases.values().cloned().collect(),
        config: hash.into(),
    }
}

/// Experiments that run, and the last ones that did.
#[utoipa::path(get, path = "/admin/chaos/experiments", tag = "experiments", responses(
    (status = 200, description = "As they are now", body = Listed),
))]
pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &Listed { experiments: admin.notes.lab().list() })
}

/// What an experiment found out, so far or in the end.
#[utoipa::path(get, path = "/admin/chaos/experiments/{id}", tag = "experiments",
    params(("id" = u64, Path, description = "Of the experiment")),
    responses(
        (status = 200, description = "The report", body = ExperimentReport),
        (status = 404, description = "`no_experiment`", body = ErrorBody),
    ),
)]
pub(super) async fn report(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    Ok(json(StatusCode::OK, &*find(&admin, &id)?))
}

/// The same as a page for people. It brings everything it needs, and may load nothing.
#[utoipa::path(get, path = "/admin/chaos/experiments/{id}/page", tag = "experiments",
    params(("id" = u64, Path, description = "Of the experiment")),
    responses(
        (status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 404, description = "`no_experiment`", body = ErrorBody),
    ),
)]
pub(super) async fn page(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    let page = experiment::page(&*find(&admin, &id)?);
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

/// Ends an experiment with its faults.
#[utoipa::path(delete, path = "/admin/chaos/experiments/{id}", tag = "experiments",
    params(("id" = u64, Path, description = "Of the experiment")),
    responses(
        (status = 200, description = "It ends", body = Stopped),
        (status = 404, description = "`no_experiment`", body = ErrorBody),
    ),
)]
pub(super) async fn stop(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    if id.parse().is_ok_and(|id| admin.notes.lab().stop(id)) {
        return Ok(json(StatusCode::OK, &Stopped { experiments: 1, disarmed: 0 }));
    }
    Err(not_found("no running experiment has this id"))
}

/// The kill switch: ends every experiment and every fault.
#[utoipa::path(post, path = "/admin/chaos/stop", tag = "experiments", responses(
    (status = 200, description = "How many there were", body = Stopped),
))]
pub(super) async fn stop_all(State(admin): State<Shared>) -> Response {
    // Before the faults, or an experiment could arm its next step in between.
    let experiments = admin.notes.lab().stop_all();
    json(StatusCode::OK, &Stopped { experiments, disarmed: admin.chaos.disarm_all() })
}

fn find(admin: &Admin, id: &str) -> Result<Arc<ExperimentReport>, AdminError> {
    let known = id.parse().ok().and_then(|id| admin.notes.lab().report(id));
    known.ok_or_else(|| not_found("no experiment has this id"))
}

fn not_found(message: &str) -> AdminError {
    AdminError::new(StatusCode::NOT_FOUND, "no_experiment", message)
        .fix("GET /admin/chaos/experiments lists those that run and the last ones that did")
}

fn refused(error: StartError) -> AdminError {
    let message = error.to_string();
    match error {
        StartError::Scenario(_) => {
            AdminError::new(StatusCode::BAD_REQUEST, "bad_scenario", message).fix(SCENARIO_EXAMPLE)
        }
        StartError::Step { error, .. } => chaos::refused(error),
        StartError::Full => AdminError::new(StatusCode::CONFLICT, "too_many", message)
            .fix("DELETE /admin/chaos/experiments/{id}, or wait until one ends"),
    }
}
