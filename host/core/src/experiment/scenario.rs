//! A scenario: faults on a timeline, what is believed to hold meanwhile, and when to give up.

use std::time::Duration;

use seawall_params::random::{hash, mix};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::span;
use crate::fault::{FaultMatch, FaultOrder, MAX_TTL};

/// Most steps, repetitions counted.
const MAX_STEPS: usize = 64;
/// Longest name.
const NAME_BYTES: usize = 64;

/// An experiment as an operator writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A short name; letters, digits and dashes.
    pub name: String,
    /// What it tries, in a line or two.
    #[serde(default)]
    pub about: String,
    /// Decides every draw: the same seed decides the same.
    #[serde(default)]
    pub seed: u64,
    /// How long it lasts, with the time to recover in the end.
    #[serde(rename = "for", with = "span")]
    #[schema(value_type = span::Written)]
    pub lasts: Duration,
    /// Whose clients are watched; all, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Count what would be hit, and inject nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// What is injected counts as news about providers.
    #[serde(default)]
    pub teach: bool,
    /// It may also hit the last healthy failure domain of an alias.
    #[serde(default)]
    pub allow_total_outage: bool,
    /// What is believed to hold meanwhile.
    #[serde(default)]
    pub hypothesis: Hypothesis,
    /// When to give up.
    #[serde(default)]
    pub abort: Abort,
    /// What happens when.
    pub steps: Vec<Step>,
}

/// What is believed to hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hypothesis {
    /// At least this share of requests is answered, 0 to 1.
    pub success: f64,
    /// Of the answers, 95 of 100 begin (plain: are whole) within this time.
    #[serde(with = "span::maybe", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<span::Written>)]
    pub p95: Option<Duration>,
    /// With fewer requests nothing was found out.
    pub min_requests: u64,
}

impl Default for Hypothesis {
    fn default() -> Self {
        Self { success: 0.99, p95: None, min_requests: 20 }
    }
}

/// When to give up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Abort {
    /// The success of the last while is below this; the hypothesis' own, if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_below: Option<f64>,
    /// How long a while is.
    #[serde(with = "span")]
    #[schema(value_type = span::Written, default = "30s")]
    pub window: Duration,
    /// With fewer requests in it nothing is decided.
    pub min_requests: u64,
}

impl Default for Abort {
    fn default() -> Self {
        Self { success_below: None, window: Duration::from_secs(30), min_requests: 20 }
    }
}

/// One fault on the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, from the beginning.
    #[serde(default, with = "span")]
    #[schema(value_type = span::Written, default = "0s")]
    pub at: Duration,
    /// How long.
    #[serde(rename = "for", with = "span")]
    #[schema(value_type = span::Written)]
    pub lasts: Duration,
    /// Its share of attempts grows from nothing over this time.
    #[serde(default, with = "span")]
    #[schema(value_type = span::Written, default = "0s")]
    pub ramp: Duration,
    /// How often in all.
    #[serde(default = "once")]
    pub repeat: u32,
    /// From one beginning to the next.
    #[serde(default, with = "span")]
    #[schema(value_type = span::Written, default = "0s")]
    pub every: Duration,
    /// A kind from the catalogue.
    pub kind: String,
    /// Whom it hits.
    #[serde(default, rename = "match")]
    pub matching: FaultMatch,
    /// The kind's parameters.
    #[serde(default)]
    pub config: Value,
}

fn once() -> u32 {
    1
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` {message}")]
pub struct ScenarioError {
    /// Where.
    pub member: String,
    /// What is wrong.
    pub message: String,
}

impl Scenario {
    /// The first thing that cannot be right.
    ///
    /// # Errors
    /// Names the member.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |member: &str, message: &str| {
            Err(ScenarioError { member: member.to_owned(), message: message.to_owned() })
        };
        let good_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > NAME_BYTES || !self.name.chars().all(good_letter) {
            return wrong("name", "must be 1 to 64 letters, digits and dashes");
        }
        if self.lasts.is_zero() || self.lasts > MAX_TTL {
            return wrong("for", "must be longer than 0 and at most an hour");
        }
        if !(0.0..=1.0).contains(&self.hypothesis.success) {
            return wrong("hypothesis.success", "must lie between 0 and 1");
        }
        if self.abort.success_below.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return wrong("abort.success_below", "must lie between 0 and 1");
        }
        if self.steps.is_empty() {
            return wrong("steps", "must not be empty");
        }
        for (place, step) in self.steps.iter().enumerate() {
            let at = |member: &str| format!("steps[{place}].{member}");
            if step.lasts.is_zero() {
                return wrong(&at("for"), "must be longer than 0");
            }
            if step.ramp > step.lasts {
                return wrong(&at("ramp"), "must not be longer than the step");
            }
            if step.repeat == 0 || (step.repeat > 1 && step.every.is_zero()) {
                return wrong(&at("repeat"), "must be 1, or more with `every` saying how far apart");
            }
            let last = step.at.saturating_add(step.every.saturating_mul(step.repeat - 1));
            if last.saturating_add(step.lasts) > self.lasts {
                return wrong(&at("for"), "ends after the scenario does");
            }
            if !(step.config.is_null() || step.config.is_object()) {
                return wrong(&at("config"), "must be a table");
            }
        }
        if self.steps.iter().map(|step| step.repeat as usize).sum::<usize>() > MAX_STEPS {
            return wrong("steps", "are more than 64, repetitions counted");
        }
        Ok(())
    }

    /// The same with all times divided by `factor`; what is drawn stays.
    #[must_use]
    pub fn faster(mut self, factor: f64) -> Self {
        let less = |time: &mut Duration| *time = time.div_f64(factor.max(0.01));
        less(&mut self.lasts);
        less(&mut self.abort.window);
        for step in &mut self.steps {
            [&mut step.at, &mut step.lasts, &mut step.ramp, &mut step.every].into_iter().for_each(less);
        }
        self
    }

    /// Every fault with its time, repetitions laid out, in the order of time.
    pub(super) fn timeline(&self) -> Vec<(Duration, FaultOrder)> {
        let mut timeline = Vec::new();
        for step in &self.steps {
            for turn in 0..step.repeat {
                timeline.push((step.at + step.every * turn, step));
            }
        }
        timeline.sort_by_key(|(at, _)| *at);
        // Each has draws of its own, the same in every run.
        let draws = mix(self.seed ^ hash(&self.name));
        let order = |place: usize, step: &Step| FaultOrder {
            matching: step.matching.clone(),
            config: if step.config.is_null() { "{}".to_owned() } else { step.config.to_string() },
            ttl: step.lasts,
            ramp: step.ramp,
            seed: draws.wrapping_add(place as u64),
            dry_run: self.dry_run,
            teach: self.teach,
            allow_total_outage: self.allow_total_outage,
            ..FaultOrder::new(step.kind.clone())
        };
        timeline.into_iter().enumerate().map(|(place, (at, step))| (at, order(place, step))).collect()
    }
}
