//! Faults: what there is, what is armed, arming, disarming.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use seawall_core::experiment::{Action, ActionInfo};
use seawall_core::fault::{self, ArmError, ArmedStatus, DEFAULT_TTL, Entry, FaultMatch, FaultOrder};
use seawall_core::settings::{Alias, AliasTarget};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Shared;
use super::json::{AdminError, ErrorBody, json};
use super::order::{self, Ttl};
use crate::config::{Config, Provider};

const EXAMPLE: &str = r#"for example {"kind":"outage","match":{"provider":"NAME"},"config":{},"ttl":"60s"}"#;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FaultOrder)]
struct Order {
    /// Of the catalogue.
    kind: String,
    /// Whom it hits; everybody, if missing.
    #[serde(default, rename = "match")]
    matching: FaultMatch,
    /// The kind's parameters.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Box<RawValue>>,
    /// A minute unless said, at most an hour.
    #[serde(default)]
    ttl: Option<Ttl>,
    /// The share of attempts grows from nothing over this time.
    #[serde(default)]
    ramp: Option<Ttl>,
    /// Decides every draw.
    #[serde(default)]
    seed: u64,
    /// Count what would be hit, and inject nothing.
    #[serde(default)]
    dry_run: bool,
    /// What is injected counts as news about providers.
    #[serde(default)]
    teach: bool,
    /// It may also hit the last healthy failure domain of an alias.
    #[serde(default)]
    allow_total_outage: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FaultArmed)]
struct Armed {
    id: u64,
    /// Aliases that would be left without a healthy failure domain: there, only delays act.
    spares: Vec<Arc<str>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FaultCatalogue)]
struct Catalogue {
    kinds: Vec<Entry>,
    /// What is one call away, with a report.
    board: [ActionInfo; 5],
}

#[derive(Serialize, ToSchema)]
#[schema(as = FaultsDisarmed)]
struct Disarmed {
    disarmed: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FaultList)]
struct Faults {
    faults: Vec<ArmedStatus>,
}

/// Every kind of fault that can be armed, and the board.
#[utoipa::path(get, path = "/admin/chaos/catalogue", tag = "chaos", responses(
    (status = 200, description = "As it is with the plugins that serve now", body = Catalogue),
))]
pub(super) async fn catalogue(State(admin): State<Shared>) -> Response {
    json(
        StatusCode::OK,
        &Catalogue {
            kinds: fault::catalogue(&admin.plugins.current()),
            board: Action::ALL.map(Action::info),
        },
    )
}

/// Armed faults, and what they did so far.
#[utoipa::path(get, path = "/admin/chaos/faults", tag = "chaos", responses(
    (status = 200, description = "As they are now", body = Faults),
))]
pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &Faults { faults: admin.chaos.list() })
}

/// Arms a fault; it ends by itself.
#[utoipa::path(post, path = "/admin/chaos/faults", tag = "chaos",
    request_body = Order,
    responses(
        (status = 201, description = "It is armed", body = Armed),
        (status = 400, description = "`bad_order`, `bad_config`, `out_of_range`, `unknown_name`", body = ErrorBody),
        (status = 404, description = "`unknown_kind`", body = ErrorBody),
        (status = 409, description = "`too_many`", body = ErrorBody),
        (status = 502, description = "`plugin_fault`", body = ErrorBody),
    ),
)]
pub(super) async fn arm(State(admin): State<Shared>, body: Body) -> Result<Response, AdminError> {
    let order = read(body).await?;
    let config = admin.config.load_full();
    names_exist(&config, &order.matching)?;
    let spares = spares(&config, &order);
    let id = admin.chaos.arm(&admin.plugins.current(), order).await.map_err(refused)?;
    Ok(json(StatusCode::CREATED, &Armed { id, spares }))
}

/// Ends a fault.
#[utoipa::path(delete, path = "/admin/chaos/faults/{id}", tag = "chaos",
    params(("id" = u64, Path, description = "Of the armed fault")),
    responses(
        (status = 200, description = "It is gone", body = Disarmed),
        (status = 404, description = "`not_armed`", body = ErrorBody),
    ),
)]
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

/// Ends every fault. Experiments would arm their next step, so they end, too.
#[utoipa::path(delete, path = "/admin/chaos/faults", tag = "chaos", responses(
    (status = 200, description = "How many there were", body = Disarmed),
))]
pub(super) async fn disarm_all(State(admin): State<Shared>) -> Response {
    admin.notes.lab().stop_all();
    json(StatusCode::OK, &Disarmed { disarmed: admin.chaos.disarm_all() })
}

/// A fault for a name that nobody has would be armed and never strike. Clients may name targets (`provider/model`)
/// without an alias.
pub(super) fn names_exist(config: &Config, matching: &FaultMatch) -> Result<(), AdminError> {
    let unknown = |what: &str, name: &str, known: Vec<&str>| {
        let message = format!("no {what} `{name}` is configured, so this fault would never strike");
        Err(AdminError::new(StatusCode::BAD_REQUEST, "unknown_name", message)
            .fix(format!("configured: {}", known.join(", "))))
    };
    if let Some(name) = matching.provider.as_deref().filter(|name| !config.providers.contains_key(*name)) {
        return unknown("provider", name, config.providers.keys().map(|name| &**name).collect());
    }
    let domains = || {
        let named =
            |provider: &Provider| provider.domains.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let of = |provider: &Provider| match provider.domains.as_slice() {
            [] => vec![provider.name.to_string()],
            _ => named(provider),
        };
        config.providers.values().flat_map(of).collect::<BTreeSet<String>>()
    };
    if let Some(name) = matching.domain.as_deref() {
        let known = domains();
        if !known.contains(name) {
            return unknown("failure domain", name, known.iter().map(String::as_str).collect());
        }
    }
    match matching.alias.as_deref() {
        Some(name) if !config.aliases.contains_key(name) && config.resolve(name).is_err() => {
            unknown("alias", name, config.aliases.keys().map(|name| &**name).collect())
        }
        _ => Ok(()),
    }
}

/// Aliases whose every failure domain the order takes down. What a model costs is not known here, so an order for a tier
/// tells of none.
fn spares(config: &Config, order: &FaultOrder) -> Vec<Arc<str>> {
    let matching = &order.matching;
    if order.allow_total_outage || order.dry_run || !matching.takes_down() || matching.tier.is_some() {
        return Vec::new();
    }
    let of_alias = |alias: &&Arc<Alias>| matching.alias.as_deref().is_none_or(|name| name == &*alias.name);
    let is_spared = |alias: &&Arc<Alias>| {
        let (hit, left): (Vec<&AliasTarget>, Vec<&AliasTarget>) =
            alias.targets.iter().partition(|target| matching.covers_place(target));
        !hit.is_empty() && !left.iter().any(|left| hit.iter().any(|hit| !hit.shares_domain(left)))
    };
    let aliases = config.aliases.values().filter(of_alias).filter(is_spared);
    aliases.map(|alias| Arc::clone(&alias.name)).collect()
}

async fn read(body: Body) -> Result<FaultOrder, AdminError> {
    let order: Order = order::read(body, EXAMPLE).await?;
    let ttl = order.ttl.as_ref().map_or(Ok(DEFAULT_TTL), |ttl| ttl.read(EXAMPLE))?;
    let ramp = order.ramp.as_ref().map_or(Ok(Duration::ZERO), |ramp| ramp.read(EXAMPLE))?;
    Ok(FaultOrder {
        matching: order.matching,
        config: order.config.map_or_else(|| "{}".to_owned(), |config| config.get().to_owned()),
        ttl,
        ramp,
        seed: order.seed,
        dry_run: order.dry_run,
        teach: order.teach,
        allow_total_outage: order.allow_total_outage,
        ..FaultOrder::new(order.kind)
    })
}

pub(super) fn refused(error: ArmError) -> AdminError {
    let message = error.to_string();
    match error {
        ArmError::UnknownKind { .. } => AdminError::new(StatusCode::NOT_FOUND, "unknown_kind", message)
            .fix("GET /admin/chaos/catalogue tells all; a fault component dropped into the plugins folder adds its kinds"),
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
        ArmError::Full { .. } => AdminError::new(StatusCode::CONFLICT, "too_many", message)
            .fix("DELETE /admin/chaos/faults/{id}, or wait until one ends"),
    }
}
