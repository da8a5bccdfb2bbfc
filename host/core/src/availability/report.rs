//! What the counts say, for people and programs.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::counts::{Count, Estimate, HalfLife};
use super::{Book, Page};
use crate::settings::AliasTarget;

/// A share of failures that takes another target along from which on it is worth a warning: a standby of 99.9 % that
/// shares this much is one of 95 % when it is needed.
const WORTH_A_WARNING: f64 = 0.05;
/// Standard deviations; chance alone does it once in two thousand times.
const BEYOND_CHANCE: f64 = 3.29;

/// Availability of every configured alias.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AvailabilityReport)]
pub struct Report {
    /// By name.
    pub aliases: Vec<AliasReport>,
    /// Requests that met an injected fault. They are in no figure here: they say nothing about providers.
    pub left_out_injected: u64,
}

/// The same figure for each half-life.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct ByHalfLife<T> {
    /// Five minutes.
    #[serde(rename = "5m")]
    pub minutes: T,
    /// An hour.
    #[serde(rename = "1h")]
    pub hour: T,
    /// Thirty days.
    #[serde(rename = "30d")]
    pub month: T,
}

impl<T> ByHalfLife<T> {
    fn of(figure: impl Fn(HalfLife) -> T) -> Self {
        Self {
            minutes: figure(HalfLife::Minutes),
            hour: figure(HalfLife::Hour),
            month: figure(HalfLife::Month),
        }
    }
}

/// One alias.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AliasAvailability)]
pub struct AliasReport {
    /// Its name.
    pub alias: Arc<str>,
    /// Its targets in the operator's order.
    pub targets: Vec<TargetReport>,
    /// Predicted and observed.
    pub availability: ByHalfLife<Prediction>,
    /// Pairs of targets that are likely to fail together, or do.
    pub overlaps: Vec<Overlap>,
}

/// One target of an alias.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TargetAvailability)]
pub struct TargetReport {
    /// Its name.
    pub target: String,
    /// R_i: how often it answers when it stands first, over all aliases.
    pub availability: ByHalfLife<Estimate>,
}

/// What is predicted for an alias, and what was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Prediction {
    /// R_ind: if its targets fail independently.
    pub independent: Estimate,
    /// R_chain: from what happened after failures.
    pub chain: Chain,
    /// R_obs: what clients saw.
    pub observed: Estimate,
    /// R_ind - R_chain: what failing together costs.
    pub cost_of_correlation: Option<f64>,
    /// R_chain - R_obs: what our own logic costs (skipped candidates, deadlines, rate limits).
    pub cost_of_own_logic: Option<f64>,
}

/// A prediction from what happened after failures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Chain {
    /// The figure.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Targets in a row that failed often enough to know what the next one did then.
    pub steps: usize,
    /// Not all targets of the alias: the real figure is this or better, for the rest can only help.
    pub at_least: bool,
}

/// Two targets of an alias that are less of a safeguard for each other than they seem.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Overlap {
    /// Both depend on the same thing, as the configuration says.
    SharedDomain {
        /// Which two.
        targets: [String; 2],
        /// On what.
        domains: Vec<Arc<str>>,
    },
    /// The second one fails far more often after the first one has failed.
    FailTogether {
        /// Who failed, and who then failed too.
        targets: [String; 2],
        /// How often the second one fails by itself.
        alone: f64,
        /// How often it fails after the first one has failed, in the same request.
        after: f64,
        /// The share of the first one's failures that takes the second one along.
        taken_along: f64,
    },
}

/// From a copy of the book.
pub(super) fn of(book: &Book, now: Instant) -> Report {
    let aliases = book.aliases.values().map(|page| alias(book, page, now)).collect();
    Report { aliases, left_out_injected: book.left_out }
}

fn alias(book: &Book, page: &Page, now: Instant) -> AliasReport {
    let alone = |half_life: HalfLife| -> Vec<Count> {
        let counts = page.targets().map(|target| book.alone.get(target));
        counts
            .map(|counts| counts.map_or_else(Count::default, |counts| counts.within(half_life, now)))
            .collect()
    };
    let targets = page.targets().map(|target| TargetReport {
        target: target.to_string(),
        availability: ByHalfLife::of(|half_life| {
            let counts = book.alone.get(target).map(|counts| counts.within(half_life, now));
            counts.unwrap_or_default().estimate()
        }),
    });
    AliasReport {
        alias: Arc::clone(&page.alias.name),
        targets: targets.collect(),
        availability: ByHalfLife::of(|half_life| page.prediction(&alone(half_life), half_life, now)),
        overlaps: page.overlaps(&alone(HalfLife::Month), now),
    }
}

impl Page {
    fn prediction(&self, alone: &[Count], half_life: HalfLife, now: Instant) -> Prediction {
        let independent = Estimate::of_all_failing(alone);
        let steps: Vec<Count> = self.steps.iter().map(|step| step.within(half_life, now)).collect();
        let known: Vec<Count> = steps.iter().copied().take_while(|step| step.is_enough()).collect();
        let chain = Chain {
            estimate: Estimate::of_all_failing(if known.is_empty() { &steps } else { &known }),
            steps: known.len(),
            at_least: !known.is_empty() && known.len() < steps.len(),
        };
        let observed = self.observed.within(half_life, now).estimate();
        let whole = chain.estimate.value.filter(|_| !chain.at_least);
        Prediction {
            independent,
            chain,
            observed,
            cost_of_correlation: independent.value.zip(whole).map(|(independent, chain)| independent - chain),
            cost_of_own_logic: whole.zip(observed.value).map(|(chain, observed)| chain - observed),
        }
    }

    fn overlaps(&self, alone: &[Count], now: Instant) -> Vec<Overlap> {
        let targets: Vec<&AliasTarget> = self.alias.targets.iter().take(self.steps.len()).collect();
        let mut overlaps = Vec::new();
        for (place, first) in targets.iter().enumerate() {
            for second in targets.iter().skip(place + 1) {
                let domains: Vec<Arc<str>> = first.shared_domains(second).cloned().collect();
                if !domains.is_empty() {
                    overlaps.push(Overlap::SharedDomain { targets: pair(first, second), domains });
                }
            }
        }
        let pairs =
            targets.iter().flat_map(|first| targets.iter().zip(alone).map(move |second| (first, second)));
        for ((first, (second, alone)), after) in pairs.zip(&self.after) {
            let after = after.within(HalfLife::Month, now);
            if let Some(taken_along) = taken_along(*alone, after) {
                let (alone, after) = (alone.failure(), after.failure());
                overlaps.push(Overlap::FailTogether {
                    targets: pair(first, second),
                    alone,
                    after,
                    taken_along,
                });
            }
        }
        overlaps
    }
}

fn pair(first: &AliasTarget, second: &AliasTarget) -> [String; 2] {
    [first.id.to_string(), second.id.to_string()]
}

/// How often a failure elsewhere takes a target along, if that is often and more than chance.
fn taken_along(alone: Count, after: Count) -> Option<f64> {
    if !alone.is_enough() || !after.is_enough() {
        return None;
    }
    let (usual, then) = (alone.failure(), after.failure());
    let spread = (usual * (1.0 - usual) / alone.samples() + then * (1.0 - then) / after.samples()).sqrt();
    let share = (then - usual) / (1.0 - usual);
    (then - usual > BEYOND_CHANCE * spread && share >= WORTH_A_WARNING).then_some(share)
}
