//! Order of candidates: the operator's wish, what a policy makes of it, and what the request needs.
//!
//! Pure functions; chance is an argument. Nothing here looks at health: that is asked when a candidate's turn comes, never
//! from a snapshot. Forecasts are looked at, for an order is one.

mod predictive;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use predictive::{Standing, predictive};

use crate::ports::RoutePlan;
use crate::reply::ClientError;
use crate::request::Facts;
use crate::rule::NextTarget;
use crate::settings::AliasTarget;
use crate::target::Capabilities;

/// Something that a request needs and a target may declare not to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Tool definitions.
    Tools,
    /// Images.
    Images,
    /// An answer that obeys a JSON schema.
    JsonSchema,
    /// More than one choice.
    Choices,
}

impl Need {
    /// The request member that asks for it, as the error names it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Images => "messages",
            Self::JsonSchema => "response_format",
            Self::Choices => "n",
        }
    }
}

/// How well a target fits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing speaks against it.
    Good,
    /// The prompt may be too large. An estimate, so the target goes to the end and stays a candidate.
    Tight,
    /// It declares to lack this. Skipped: a target that ignores what was asked for gives a false success.
    Lacks(Need),
}

/// The order of candidates as indices: those that the plan names first, in its order; then the rest as configured.
/// Names in the plan that are no candidates are dropped, repeated ones count once, excluded ones never come back.
pub fn order(candidates: &[AliasTarget], plan: &RoutePlan) -> Vec<usize> {
    if plan.order.is_empty() && plan.exclude.is_empty() {
        return (0..candidates.len()).collect();
    }
    let names: Vec<String> = candidates.iter().map(|candidate| candidate.id.to_string()).collect();
    let excluded = |name: &String| plan.exclude.contains(name);
    let wished = plan.order.iter().filter_map(|wish| names.iter().position(|name| name == wish));
    let configured = 0..names.len();
    let mut seen = HashSet::with_capacity(names.len());
    wished
        .chain(configured)
        .filter(|index| names.get(*index).is_some_and(|name| !excluded(name)) && seen.insert(*index))
        .collect()
}

/// How well a target with these capabilities fits. A target that does not stream still fits a streamed request: the
/// host makes one piece of its answer. `learned_window` is the smallest prompt that did not fit it so far.
pub fn fit(can: &Capabilities, learned_window: Option<u32>, facts: &Facts) -> Fit {
    let needs = [
        (facts.has_tools, can.tools, Need::Tools),
        (facts.has_images, can.vision, Need::Images),
        (facts.has_schema, can.json_schema, Need::JsonSchema),
        (facts.choices > 1, can.choices, Need::Choices),
    ];
    if let Some((_, _, need)) = needs.into_iter().find(|(needed, has, _)| *needed && !has) {
        return Fit::Lacks(need);
    }
    let output = facts.max_output_tokens.unwrap_or(0);
    let declared_small =
        can.context_window.is_some_and(|window| facts.input_tokens_estimate.saturating_add(output) > window);
    let learned_small = learned_window.is_some_and(|refused| facts.input_tokens_estimate >= refused);
    if declared_small || learned_small { Fit::Tight } else { Fit::Good }
}

/// Drops candidates that lack something and moves tight ones behind the others, each group in the given order. `Err`
/// names what all of them lack (the first candidate's lack) when none is left of at least one.
pub fn arrange<T>(candidates: &mut Vec<T>, fit_of: impl Fn(&T) -> Fit) -> Result<(), Need> {
    let first = candidates.first().map(&fit_of);
    candidates.retain(|candidate| !matches!(fit_of(candidate), Fit::Lacks(_)));
    candidates.sort_by_key(|candidate| fit_of(candidate) == Fit::Tight);
    match first {
        Some(Fit::Lacks(need)) if candidates.is_empty() => Err(need),
        _ => Ok(()),
    }
}

/// The answer when every candidate lacks what the request needs.
pub fn unsupported(need: Need) -> ClientError {
    let what = match need {
        Need::Tools => "tools",
        Need::Images => "images",
        Need::JsonSchema => "a JSON schema",
        Need::Choices => "more than one choice",
    };
    let message = format!("no target of this model takes {what}");
    let mut error = ClientError::new(400, "unsupported_parameter", message).with_param(need.param());
    error.should_retry = Some(false);
    error
}

/// What the request says about going on to another target.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// The request.
    pub facts: &'a Facts,
    /// The alias routes around refusals by policy.
    pub reroute_content_filter: bool,
}

/// Whether `next` may be tried after `failed` ended in a class with this rule.
pub fn may_follow(rule: NextTarget, failed: &Capabilities, next: &Capabilities, onward: Onward<'_>) -> bool {
    match rule {
        NextTarget::Yes => true,
        NextTarget::No => false,
        NextTarget::OptIn => onward.reroute_content_filter,
        NextTarget::IfCapable => !matches!(fit(next, None, onward.facts), Fit::Lacks(_)),
        NextTarget::OnlyLargerWindow => match (failed.context_window, next.context_window) {
            (_, None) => false,
            (Some(failed), Some(next)) => next > failed,
            (None, Some(next)) => next > onward.facts.input_tokens_estimate,
        },
    }
}
