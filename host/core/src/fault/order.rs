//! What an operator arms: a kind, the attempts it is for, and for how long.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ArmError, Caps, DEFAULT_TTL, MAX_TTL};
use crate::ports::ConfigProblem;

/// Which attempts a fault hits; a missing member matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FaultMatch {
    /// Configured provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Upstream model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Failure domain of the target: a vendor, a cloud region; of a target without any, its provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What class of model it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Alias that the client asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Client's partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Streamed or plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// A header of the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderMatch>,
    /// Only requests that ask for it by this name, with an operator's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_in: Option<String>,
    /// Share of the matching attempts, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// A header of the client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// Its name; credentials cannot be matched.
    pub name: String,
    /// Its value; any, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What class of model a target is, by its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Output at least as dear as [`Caps::high_tier_price`].
    High,
    /// Cheaper, or of unknown price.
    Standard,
}

/// What an operator arms.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultOrder {
    /// A kind from the catalogue.
    pub kind: String,
    /// Which attempts.
    pub matching: FaultMatch,
    /// The kind's parameters as JSON text.
    pub config: String,
    /// How long.
    pub ttl: Duration,
    /// The share of attempts grows from nothing over this time.
    pub ramp: Duration,
    /// Decides the sampling and the component's draws, together with the kind.
    pub seed: u64,
    /// Whose report counts it.
    pub experiment: Option<Arc<str>>,
    /// Count what would be hit, and inject nothing.
    pub dry_run: bool,
    /// What is injected counts as news about providers: it teaches estimates and availability.
    pub teach: bool,
    /// It may also hit the last healthy failure domain of an alias.
    pub allow_total_outage: bool,
}

impl FaultOrder {
    /// A kind as it is unless an operator says more: it matches everything, for a minute.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            matching: FaultMatch::default(),
            config: "{}".to_owned(),
            ttl: DEFAULT_TTL,
            ramp: Duration::ZERO,
            seed: 0,
            experiment: None,
            dry_run: false,
            teach: false,
            allow_total_outage: false,
        }
    }

    pub(super) fn check(&self, caps: &Caps) -> Result<(), ArmError> {
        let out_of_range = |member, message| Err(ArmError::Range { member, message });
        if self.ttl.is_zero() || self.ttl > MAX_TTL {
            return out_of_range("ttl", format!("must be longer than 0 and at most {} s", MAX_TTL.as_secs()));
        }
        if self.ramp > self.ttl {
            return out_of_range("ramp", "must not be longer than the fault lives".to_owned());
        }
        let percent = self.matching.percent.unwrap_or(100.0);
        if !(0.0..=100.0).contains(&percent) {
            return out_of_range("match.percent", "must lie between 0 and 100".to_owned());
        }
        if percent > caps.max_percent && !self.dry_run {
            let cap = caps.max_percent;
            return out_of_range(
                "match.percent",
                format!("must be given and at most {cap}: [chaos] max_percent"),
            );
        }
        Ok(())
    }
}

/// What is wrong with a kind's parameters, the first problem of them.
pub(super) fn refuse(kind: &str, problems: Vec<ConfigProblem>) -> Result<(), ArmError> {
    let Some(ConfigProblem { path, message, fix }) = problems.into_iter().next() else { return Ok(()) };
    Err(ArmError::Config { kind: kind.to_owned(), path, message, fix })
}
