//! Sums over all targets and aliases, as the admin interface shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Metrics;

/// What was counted up to one moment. Labels that never occurred are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Counters)]
pub struct Totals {
    /// Requests that came in and were resolved.
    pub requests_started: u64,
    /// Requests that were refused before that.
    pub requests_refused: u64,
    /// Requests that ended, by outcome.
    pub requests_ended: BTreeMap<&'static str, u64>,
    /// Upstream calls.
    pub attempts: u64,
    /// Of the attempts, those that tested a resting target.
    pub probes: u64,
    /// Of the attempts, those beside a late one.
    pub hedges: u64,
    /// Of the hedges, those to get away from a suspect target.
    pub rescues: u64,
    /// Of the hedges, those that had content first.
    pub hedges_won: u64,
    /// Estimated prompt tokens of calls cancelled because another was first.
    pub wasted_prompt_tokens: u64,
    /// Hidden upstream calls, which are no attempts of any request.
    pub twins: u64,
    /// Requests that went over their candidates once more.
    pub second_rounds: u64,
    /// Upstream calls that failed, by class.
    pub attempts_failed: BTreeMap<&'static str, u64>,
    /// Candidates passed over without a call, by reason.
    pub candidates_skipped: BTreeMap<&'static str, u64>,
    /// Times that a breaker opened.
    pub breakers_opened: u64,
    /// Times that another gate closed.
    pub gates_closed: u64,
    /// Attempts that an armed fault acted on.
    pub faults_injected: u64,
    /// Prompt templates that failed on a request.
    pub prompts_failed: u64,
    /// Candidates lost to a plugin.
    pub plugin_faults: u64,
}

impl Metrics {
    /// The sums now.
    pub fn totals(&self) -> Totals {
        let places = self.places.load();
        let mut totals = Totals {
            requests_started: self.started.sum(|started| started),
            requests_refused: self.refused.sum(),
            wasted_prompt_tokens: self.wasted_tokens.get(),
            second_rounds: self.second_rounds.get(),
            ..Totals::default()
        };
        for alias in places.all_aliases() {
            let counts = alias.by_outcome().map(|(outcome, count)| (outcome.label(), count));
            add(&mut totals.requests_ended, counts);
        }
        for target in places.all_targets() {
            let (hedges, rescues, won) = target.hedges();
            totals.attempts += target.attempts();
            totals.probes += target.probes();
            totals.hedges += hedges;
            totals.rescues += rescues;
            totals.hedges_won += won;
            totals.twins += target.twins();
            add(&mut totals.attempts_failed, target.failures());
            add(&mut totals.candidates_skipped, target.skips());
            totals.breakers_opened += target.opened();
            totals.gates_closed += target.gates_closed();
            totals.faults_injected += target.faults_injected();
            totals.prompts_failed += target.prompts_failed();
            totals.plugin_faults += target.plugin_faults();
        }
        totals
    }
}

fn add(sums: &mut BTreeMap<&'static str, u64>, counts: impl Iterator<Item = (&'static str, u64)>) {
    for (label, count) in counts.filter(|(_, count)| *count > 0) {
        *sums.entry(label).or_default() += count;
    }
}
