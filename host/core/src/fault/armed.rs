//! One armed fault: how long it lives, what it has decided, what it has done.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seawall_params::random::hash;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::native::Native;
use super::wire;
use super::{FaultMatch, FaultOrder};
use crate::ports::{FaultAction, FaultVerdict};
use crate::random::mix;

/// One armed fault as the admin API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ArmedFault)]
pub struct ArmedStatus {
    /// To disarm it.
    pub id: u64,
    /// Its kind.
    pub kind: String,
    /// The component that offers the kind; none if the gateway itself does.
    pub plugin: Option<String>,
    /// The experiment it belongs to.
    pub experiment: Option<String>,
    /// Which attempts.
    #[serde(rename = "match")]
    pub matching: FaultMatch,
    /// Its parameters.
    pub config: serde_json::Value,
    /// Its seed.
    pub seed: u64,
    /// It counts and injects nothing.
    pub dry_run: bool,
    /// What it injects teaches estimates and availability.
    pub teach: bool,
    /// It may hit the last healthy failure domain.
    pub allow_total_outage: bool,
    /// It ends by itself then.
    pub ends_in_ms: u64,
    /// What it has counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a fault has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FaultCounts)]
pub struct Counts {
    /// Attempts it looked at.
    pub considered: u64,
    /// Attempts it acted on.
    pub injected: u64,
    /// Attempts it would have acted on, were it no dry run.
    pub would_inject: u64,
    /// Attempts it left alone because nothing else healthy was left for the client.
    pub spared: u64,
    /// Sum over all its decisions, in any order: two runs that decided the same have the same.
    #[serde(serialize_with = "hex", deserialize_with = "from_hex")]
    #[schema(value_type = String)]
    pub decisions: u64,
}

fn hex<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:016x}"))
}

fn from_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let digits = Cow::<str>::deserialize(deserializer)?;
    u64::from_str_radix(&digits, 16).map_err(serde::de::Error::custom)
}

/// What is armed.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) id: u64,
    pub(crate) order: FaultOrder,
    pub(super) source: Source,
    pub(super) since: Instant,
    considered: AtomicU64,
    injected: AtomicU64,
    would_inject: AtomicU64,
    spared: AtomicU64,
    decisions: AtomicU64,
    passed: AtomicU64,
    passed_tokens: AtomicU64,
    /// What draws follow from, beside the ordinal. Not the id: a run must be the same in every process.
    stream: u64,
}

/// Who decides what the fault does.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The gateway itself.
    Native(Native),
    /// The component with this id.
    Component(Arc<str>),
}

/// Numbers of one decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) ordinal: u64,
    pub(super) bits: u64,
}

impl Armed {
    pub(super) fn new(id: u64, order: FaultOrder, source: Source, since: Instant) -> Self {
        Self {
            id,
            stream: mix(order.seed ^ hash(&order.kind)),
            order,
            source,
            since,
            considered: AtomicU64::new(0),
            injected: AtomicU64::new(0),
            would_inject: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            decisions: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            passed_tokens: AtomicU64::new(0),
        }
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.order.ttl
    }

    /// When it ends by itself.
    pub(crate) fn ends(&self) -> Instant {
        self.since + self.order.ttl
    }

    /// The next attempt that it looks at.
    pub(super) fn draw(&self) -> Draw {
        let ordinal = self.considered.fetch_add(1, Ordering::Relaxed);
        Draw { ordinal, bits: mix(self.stream.wrapping_add(ordinal)) }
    }

    /// Its share of attempts at this moment, 0 to 100.
    pub(super) fn percent(&self, now: Instant) -> f64 {
        let full = self.order.matching.percent.unwrap_or(100.0);
        let age = now.saturating_duration_since(self.since);
        if age >= self.order.ramp {
            return full;
        }
        full * age.as_secs_f64() / self.order.ramp.as_secs_f64()
    }

    /// What it has let through: attempts, and the sum of their prompts.
    pub(super) fn passed(&self) -> (u64, u64) {
        (self.passed.load(Ordering::Relaxed), self.passed_tokens.load(Ordering::Relaxed))
    }

    pub(super) fn let_through(&self, input_tokens: u32) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        self.passed_tokens.fetch_add(input_tokens.into(), Ordering::Relaxed);
    }

    /// Adds a decision to the sum; none = it was left alone.
    pub(super) fn decided(&self, draw: Draw, verdict: Option<&FaultVerdict>) {
        let what = verdict.map_or(0, |verdict| {
            let delay = u64::try_from(verdict.delay.as_millis()).unwrap_or(u64::MAX);
            mix(hash(wire::label(&verdict.action)) ^ mix(delay.wrapping_add(1)))
        });
        let decision = mix(mix(draw.ordinal.wrapping_add(1)) ^ what);
        self.decisions.fetch_add(decision, Ordering::Relaxed);
    }

    pub(super) fn injected(&self) {
        self.injected.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn would_inject(&self) {
        self.would_inject.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn spared(&self) {
        self.spared.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            considered: self.considered.load(Ordering::Relaxed),
            injected: self.injected.load(Ordering::Relaxed),
            would_inject: self.would_inject.load(Ordering::Relaxed),
            spared: self.spared.load(Ordering::Relaxed),
            decisions: self.decisions.load(Ordering::Relaxed),
        }
    }

    pub(super) fn status(&self, now: Instant) -> ArmedStatus {
        let order = &self.order;
        let left: Duration = self.ends().saturating_duration_since(now);
        ArmedStatus {
            id: self.id,
            kind: order.kind.clone(),
            plugin: match &self.source {
                Source::Native(_) => None,
                Source::Component(id) => Some(id.to_string()),
            },
            experiment: order.experiment.as_deref().map(str::to_owned),
            matching: order.matching.clone(),
            config: serde_json::from_str(&order.config).unwrap_or_default(),
            seed: order.seed,
            dry_run: order.dry_run,
            teach: order.teach,
            allow_total_outage: order.allow_total_outage,
            ends_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            counts: self.counts(),
        }
    }
}

/// Whether an action can cost a client its answer. A delay alone is no outage.
pub(super) fn is_harmful(action: &FaultAction) -> bool {
    !matches!(action, FaultAction::Pass)
}
