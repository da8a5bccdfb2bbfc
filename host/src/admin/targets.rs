//! Targets as operators see them, and what operators may do to them: hold a breaker open or closed for a while, end
//! that, start a target afresh, and open the gates that only a person could repair.
//!
//! Every order names a target that exists, says why, and ends by itself. Who changed what stands in the log.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use seawall_core::target::TargetId;
use seawall_core::targets::TargetStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{AdminError, ErrorBody, json};
use super::order::{self, Ttl, bad_order};
use super::{Admin, Shared};
use crate::config::nearest;

const TARGET_EXAMPLE: &str = r#"for example {"action":"force-open","reason":"vendor maintenance","ttl":"30m"}; actions: force-open, force-closed (both want a reason), release, reset"#;
const PROVIDER_EXAMPLE: &str = r#"the one action is {"action":"clear-gates"}"#;
/// Nobody forgets a forced target for longer.
const LONGEST: Duration = Duration::from_hours(24);
const USUAL: Duration = Duration::from_hours(1);
/// As much of a reason as the core keeps.
const REASON_CHARS: usize = 200;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetOrder {
    action: TargetAction,
    /// One line; wanted by those who force.
    #[serde(default)]
    reason: Option<String>,
    /// Of what is forced; at most a day, an hour unless said.
    #[serde(default)]
    ttl: Option<Ttl>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum TargetAction {
    ForceOpen,
    ForceClosed,
    Release,
    Reset,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderOrder {
    #[serde(rename = "action")]
    _action: ProviderAction,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum ProviderAction {
    ClearGates,
}

#[derive(Serialize, ToSchema)]
struct TargetList {
    targets: Vec<TargetStatus>,
}

/// Every target.
#[utoipa::path(get, path = "/admin/targets", tag = "targets", responses(
    (status = 200, description = "As they are now", body = TargetList),
))]
pub(super) async fn list(State(admin): State<Shared>) -> Response {
    json(StatusCode::OK, &TargetList { targets: admin.targets.status() })
}

/// One target.
#[utoipa::path(get, path = "/admin/targets/{*target}", tag = "targets",
    params(("target" = String, Path, description = "`provider/model`")),
    responses(
        (status = 200, description = "As it is now", body = TargetStatus),
        (status = 404, description = "`unknown_name`", body = ErrorBody),
    ),
)]
pub(super) async fn one(
    State(admin): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    let (_, status) = admin.known(&name)?;
    Ok(json(StatusCode::OK, &status))
}

/// Holds a target open or closed for a while, ends that, or starts it afresh.
#[utoipa::path(post, path = "/admin/targets/{*target}", tag = "targets",
    params(("target" = String, Path, description = "`provider/model`")),
    request_body = TargetOrder,
    responses(
        (status = 200, description = "What it is afterwards", body = TargetStatus),
        (status = 400, description = "`bad_order`, `out_of_range`", body = ErrorBody),
        (status = 404, description = "`unknown_name`", body = ErrorBody),
        (status = 409, description = "`not_forced`", body = ErrorBody),
    ),
)]
pub(super) async fn act(
    State(admin): State<Shared>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, AdminError> {
    let order: TargetOrder = order::read(body, TARGET_EXAMPLE).await?;
    let (id, before) = admin.known(&name)?;
    let (action, reason, ttl) = match order.action {
        TargetAction::ForceOpen => {
            let (reason, ttl) = forced(&order)?;
            admin.targets.force_open(&id, reason, ttl);
            ("force-open", reason, Some(ttl))
        }
        TargetAction::ForceClosed => {
            let (reason, ttl) = forced(&order)?;
            admin.targets.force_closed(&id, reason, ttl);
            ("force-closed", reason, Some(ttl))
        }
        TargetAction::Release => {
            if before.forced_reason.is_none() {
                let message = format!("`{id}` is {}: nobody holds it", before.circuit);
                return Err(AdminError::new(StatusCode::CONFLICT, "not_forced", message)
                    .fix("`reset` closes a breaker that opened by itself"));
            }
            admin.targets.release(&id);
            ("release", note(&order)?, None)
        }
        TargetAction::Reset => {
            admin.targets.reset(&id);
            ("reset", note(&order)?, None)
        }
    };
    let (_, after) = admin.known(&name)?;
    tracing::info!(
        audit = true,
        action,
        target_name = %id,
        ?reason,
        ttl_s = ttl.map(|ttl| ttl.as_secs()),
        from = before.circuit,
        to = after.circuit,
        "an operator changed a target"
    );
    Ok(json(StatusCode::OK, &after))
}

/// Opens the credential, quota and missing-model gates of everything behind a provider's credential, and lets its open
/// breakers probe at once: the operator has repaired something at the provider's.
#[utoipa::path(post, path = "/admin/providers/{id}", tag = "targets",
    params(("id" = String, Path, description = "A configured provider")),
    request_body = ProviderOrder,
    responses(
        (status = 200, description = "What its targets are afterwards", body = TargetList),
        (status = 400, description = "`bad_order`", body = ErrorBody),
        (status = 404, description = "`unknown_name`", body = ErrorBody),
    ),
)]
pub(super) async fn clear(
    State(admin): State<Shared>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, AdminError> {
    let _order: ProviderOrder = order::read(body, PROVIDER_EXAMPLE).await?;
    let known = admin.config.load();
    let Some((provider, _)) = known.providers.get_key_value(name.as_str()) else {
        let names = known.providers.keys().map(|name| &**name);
        return Err(unknown("provider", &name, names.collect()));
    };
    admin.targets.provider_changed(provider);
    tracing::info!(audit = true, action = "clear-gates", provider = %provider, "an operator changed a provider");
    let mut targets = admin.targets.status();
    targets.retain(|status| status.target.split_once('/').is_some_and(|(owner, _)| owner == name));
    Ok(json(StatusCode::OK, &TargetList { targets }))
}

/// Why, and for how long.
fn forced(order: &TargetOrder) -> Result<(&str, Duration), AdminError> {
    let reason = note(order)?;
    if reason.is_empty() {
        return Err(bad_order(
            "holding a target wants a `reason`, for whoever finds it so".into(),
            TARGET_EXAMPLE,
        ));
    }
    let ttl = order.ttl.as_ref().map_or(Ok(USUAL), |ttl| ttl.read(TARGET_EXAMPLE))?;
    if ttl.is_zero() || ttl > LONGEST {
        return Err(AdminError::new(
            StatusCode::BAD_REQUEST,
            "out_of_range",
            "`ttl` must be above 0 and at most 24h",
        )
        .fix("to leave a target out for longer, remove it from the configuration"));
    }
    Ok((reason, ttl))
}

/// The operator's words. They stand in logs and on pages, so they hold no line ends.
fn note(order: &TargetOrder) -> Result<&str, AdminError> {
    let reason = order.reason.as_deref().unwrap_or_default().trim();
    if reason.chars().count() > REASON_CHARS || reason.chars().any(char::is_control) {
        let message = format!("`reason` is one line of at most {REASON_CHARS} characters");
        return Err(bad_order(message, TARGET_EXAMPLE));
    }
    Ok(reason)
}

impl Admin {
    /// A target that the configuration names or that was asked before: an order for a name with a typing error would be
    /// carried out and help nobody.
    fn known(&self, name: &str) -> Result<(TargetId, TargetStatus), AdminError> {
        let all = self.targets.status();
        let found = all.iter().find(|status| status.target == name).cloned();
        TargetId::parse(name)
            .zip(found)
            .ok_or_else(|| unknown("target", name, all.iter().map(|status| status.target.as_str()).collect()))
    }
}

fn unknown(what: &str, name: &str, known: Vec<&str>) -> AdminError {
    const SHOWN: usize = 10;
    let asked: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let fix = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ")),
    };
    AdminError::new(StatusCode::NOT_FOUND, "unknown_name", format!("there is no {what} `{asked}`")).fix(fix)
}
