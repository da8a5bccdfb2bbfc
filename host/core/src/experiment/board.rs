//! The board: faults that are one call away, each an experiment of one step with a report.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::scenario::{Abort, Hypothesis, Scenario, Step};
use crate::fault::{DEFAULT_TTL, FaultMatch, MAX_TTL, Tier};

/// Time to recover, watched after the fault has ended.
const AFTERMATH: Duration = Duration::from_secs(20);

/// What stands on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A provider answers 503.
    Outage,
    /// Everything is late.
    LatencyStorm,
    /// 429 with a hint.
    RateLimit,
    /// Dear models at the pace of a lower tier.
    ThrottledTier,
    /// A failure domain is gone.
    KilledPool,
}

/// An action as operators see it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = BoardAction)]
pub struct ActionInfo {
    /// As it is called.
    pub name: &'static str,
    /// The kind of fault behind it.
    pub kind: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// An action, and whom it is for.
#[derive(Clone, Debug, Default)]
pub struct Press {
    /// Whom it hits; everybody only with `everything`.
    pub matching: FaultMatch,
    /// The whole system, the last healthy failure domain included.
    pub everything: bool,
    /// Parameters instead of the usual ones.
    pub config: Value,
    /// How long; a minute, if missing.
    pub ttl: Option<Duration>,
    /// Decides every draw.
    pub seed: u64,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Outage, Self::LatencyStorm, Self::RateLimit, Self::ThrottledTier, Self::KilledPool];

    /// The action of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.info().name == name)
    }

    /// What it is.
    pub fn info(self) -> ActionInfo {
        let (name, kind, about) = match self {
            Self::Outage => ("503-outage", "outage", "A provider answers 503"),
            Self::LatencyStorm => ("latency-storm", "latency-storm", "Answers are late, some of them very"),
            Self::RateLimit => {
                ("rate-limit", "rate-limit", "429 with Retry-After; of one provider, or of all")
            }
            Self::ThrottledTier => {
                ("throttled-tier", "throttle-tier", "High-tier models at the pace of a lower tier")
            }
            Self::KilledPool => ("killed-pool", "kill-pool", "A failure domain is gone"),
        };
        ActionInfo { name, kind, about }
    }

    /// The experiment that pressing it starts. Whoever hits everything believes nothing.
    pub fn press(self, press: Press) -> Scenario {
        let ActionInfo { name, kind, about } = self.info();
        let ttl = press.ttl.unwrap_or(DEFAULT_TTL);
        let mut matching = press.matching;
        if self == Self::ThrottledTier {
            matching.tier.get_or_insert(Tier::High);
        }
        let success = if press.everything { 0.0 } else { Hypothesis::default().success };
        Scenario {
            name: name.to_owned(),
            about: about.to_owned(),
            seed: press.seed,
            lasts: ttl.saturating_add(AFTERMATH).min(MAX_TTL).max(ttl),
            alias: matching.alias.clone(),
            dry_run: false,
            teach: false,
            allow_total_outage: press.everything,
            hypothesis: Hypothesis { success, ..Hypothesis::default() },
            abort: Abort::default(),
            steps: vec![Step {
                at: Duration::ZERO,
                lasts: ttl,
                ramp: Duration::ZERO,
                repeat: 1,
                every: Duration::ZERO,
                kind: kind.to_owned(),
                matching,
                config: press.config,
            }],
        }
    }
}
