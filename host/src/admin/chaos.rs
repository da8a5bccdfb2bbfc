//! Faults: what is armed, arming, disarming.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use seawall_core::fault::{ArmError, DEFAULT_TTL, FaultMatch, FaultOrder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shared;
use super::json::{AdminError, json};
use super::order::{self, Ttl};
use crate::config::Config;

const EXAMPLE: &str = r#"for example {"kind":"outage","match":{"provider":"NAME"},"config":{},"ttl":"60s"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    kind: String,
    #[serde(default, rename = "match")]
    matching: FaultMatch,
    #[serde(default)]
    config: Option<Box<RawValue>>,
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    seed: u64,
}

#[derive(Serialize)]
struct Armed {
    id: u64,
}

#[derive(Serialize)]
struct Disarmed {
    disarmed: usize,
}

#[derive(Serialize)]
struct Faults<T> {
    faults: T,
}

pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &Faults { faults: admin.chaos.list() })
}

pub(super) async fn arm(State(admin): State<Shared>, body: Body) -> Result<Response, AdminError> {
    let order = read(body).await?;
    names_exist(&admin.config.load(), &order.matching)?;
    let plugins = admin.plugins.current();
    let id = admin.chaos.arm(&plugins, order).await.map_err(refused)?;
    Ok(json(StatusCode::CREATED, &Armed { id }))
}

pub(super) async fn disarm(
    State(admin): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, AdminError> {
    if id.parse().is_ok_and(|id| admin.chaos.disarm(id)) {
        return Ok(json(StatusCode::OK, &Disarmed { disarmed: 1 }));
    }
    Err(AdminError::new(StatusCode::NOT_FOUND, "not_armed", "no armed fault has this id")
        .fix("GET /admin/chaos/faults lists what is armed; faults end by themselves after their ttl"))
}

pub(super) async fn disarm_all(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &Disarmed { disarmed: admin.chaos.disarm_all() })
}

/// A fault for a name that nobody has would be armed and never strike. Clients may name targets (`provider/model`)
/// without an alias.
fn names_exist(config: &Config, matching: &FaultMatch) -> Result<(), AdminError> {
    let unknown = |what: &str, name: &str, known: Vec<&str>| {
        let message = format!("no {what} `{name}` is configured, so this fault would never strike");
        Err(AdminError::new(StatusCode::BAD_REQUEST, "unknown_name", message)
            .fix(format!("configured: {}", known.join(", "))))
    };
    if let Some(name) = matching.provider.as_deref().filter(|name| !config.providers.contains_key(*name)) {
        return unknown("provider", name, config.providers.keys().map(|name| &**name).collect());
    }
    match matching.alias.as_deref() {
        Some(name) if !config.aliases.contains_key(name) && config.resolve(name).is_err() => {
            unknown("alias", name, config.aliases.keys().map(|name| &**name).collect())
        }
        _ => Ok(()),
    }
}

async fn read(body: Body) -> Result<FaultOrder, AdminError> {
    let order: Order = order::read(body, EXAMPLE).await?;
    let ttl = order.ttl.as_ref().map_or(Ok(DEFAULT_TTL), |ttl| ttl.read(EXAMPLE))?;
    Ok(FaultOrder {
        kind: order.kind,
        matching: order.matching,
        config: order.config.map_or_else(|| "{}".to_owned(), |config| config.get().to_owned()),
        ttl,
        seed: order.seed,
    })
}

fn refused(error: ArmError) -> AdminError {
    let message = error.to_string();
    match error {
        ArmError::UnknownKind { .. } => AdminError::new(StatusCode::NOT_FOUND, "unknown_kind", message)
            .fix("drop a fault component that offers the kind into the plugins folder, or name one of the known kinds"),
        ArmError::Config { fix, .. } => {
            let fix = fix.unwrap_or_else(|| {
                "correct that member of `config`, or leave it out for its usual value".to_owned()
            });
            AdminError::new(StatusCode::BAD_REQUEST, "bad_config", message).fix(fix)
        }
        ArmError::Range { .. } => {
            AdminError::new(StatusCode::BAD_REQUEST, "out_of_range", message).fix(EXAMPLE)
        }
        ArmError::Plugin(_) => AdminError::new(StatusCode::BAD_GATEWAY, "plugin_fault", message),
        ArmError::Full => AdminError::new(StatusCode::CONFLICT, "too_many", message)
            .fix("DELETE /admin/chaos/faults/{id}, or wait until one ends"),
    }
}
