//! Policy: a random order in which a target comes first in proportion to its weight.
//!
//! Each candidate draws a waiting time, shorter the heavier it is, and the shortest goes first. A draw depends on the
//! request's random value and the candidate's id only, so adding or losing a target does not reshuffle the others, and
//! with `sticky` a conversation stays where it is for as long as its target is there.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use seawall_plugin::config::{ConfigProblem, Options, escape, summary};
use seawall_plugin::policy::{Candidate, Manifest, Plan, RequestInfo, RoutingPolicy};
use seawall_plugin::random::{hash, mix, unit};

/// The policy.
#[derive(Debug)]
pub struct Weighted;

#[derive(Debug, Default)]
struct Config {
    /// By target id, or by provider for all its targets.
    weights: BTreeMap<String, f64>,
    sticky: bool,
}

impl RoutingPolicy for Weighted {
    fn describe() -> Manifest {
        Manifest {
            name: "weighted".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Random order in proportion to weights".to_owned(),
            config_schema: Some(include_str!("config.schema.json").to_owned()),
        }
    }

    fn check(config: &str) -> Vec<ConfigProblem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn route(request: &RequestInfo, candidates: &[Candidate], config: &str) -> Result<Plan, String> {
        let config = Config::read(config).map_err(|problems| summary(&problems))?;
        let (seed, reason) = match &request.affinity {
            Some(key) if config.sticky => (hash(key), "weighted, sticky"),
            _ => (request.random, "weighted"),
        };
        let waits = candidates.iter().map(|c| (wait(seed, &c.id, config.weight_of(c)), c));
        // Without weight a target is a last resort: the host appends it in configured order.
        let mut drawn: Vec<_> = waits.filter(|(wait, _)| wait.is_finite()).collect();
        drawn.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let order = drawn.into_iter().map(|(_, candidate)| candidate.id.clone()).collect();
        Ok(Plan { order, exclude: Vec::new(), hedge_after_ms: None, reason: reason.to_owned() })
    }
}

/// An exponentially distributed time whose rate is the weight; infinite without weight.
fn wait(seed: u64, id: &str, weight: f64) -> f64 {
    if weight <= 0.0 {
        return f64::INFINITY;
    }
    let draw = unit(mix(seed ^ hash(id)));
    -(1.0 - draw).ln() / weight
}

impl Config {
    fn read(config: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut options = Options::new(config);
        let mut weights = BTreeMap::new();
        for (name, value) in options.object("weights").unwrap_or_default() {
            match value.as_f64().filter(|weight| weight.is_finite() && *weight >= 0.0) {
                Some(weight) => {
                    weights.insert(name, weight);
                }
                None => {
                    let fix = "0 makes a target a last resort".to_owned();
                    let place = format!("weights/{}", escape(&name));
                    options.refuse(&place, "expected a number, 0 or more", Some(fix));
                }
            }
        }
        let sticky = options.flag("sticky").unwrap_or(false);
        options.finish(Self { weights, sticky })
    }

    fn weight_of(&self, candidate: &Candidate) -> f64 {
        let own = self.weights.get(&candidate.id).or_else(|| self.weights.get(&candidate.provider));
        own.copied().unwrap_or(candidate.weight)
    }
}

seawall_plugin::export_policy!(Weighted);
