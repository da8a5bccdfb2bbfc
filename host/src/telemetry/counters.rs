//! Sums since the start. Relaxed atomics: each is right by itself, together they are a moment's blur.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use seawall_core::class::Class;
use seawall_core::note::{Circuit, Gate, HedgeEnd, Note, Outcome};
use serde::Serialize;

const OUTCOMES: [Outcome; 5] =
    [Outcome::Primary, Outcome::Fallback, Outcome::Failed, Outcome::Interrupted, Outcome::Cancelled];

/// One counter a kind of note.
#[derive(Debug, Default)]
pub struct Counters {
    requests_started: AtomicU64,
    requests_refused: AtomicU64,
    attempts: AtomicU64,
    probes: AtomicU64,
    hedges: AtomicU64,
    rescues: AtomicU64,
    hedges_won: AtomicU64,
    wasted_tokens: AtomicU64,
    twins: AtomicU64,
    second_rounds: AtomicU64,
    breakers_opened: AtomicU64,
    gates_closed: AtomicU64,
    faults_injected: AtomicU64,
    prompts_failed: AtomicU64,
    plugin_faults: AtomicU64,
    ended: [AtomicU64; OUTCOMES.len()],
    skipped: [AtomicU64; Gate::ALL.len()],
    failed: [AtomicU64; Class::ALL.len()],
}

/// [`Counters`] at one moment, as the admin interface shows them. Labels that never occurred are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

impl Counters {
    /// Counts one note.
    pub fn count(&self, note: &Note) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Relaxed);
        };
        match note {
            Note::RequestStarted { .. } => one(&self.requests_started),
            Note::RequestRefused { .. } => one(&self.requests_refused),
            Note::Skipped { gate, .. } => tally(&Gate::ALL, &self.skipped, gate),
            Note::AttemptStarted { probe, .. } => {
                one(&self.attempts);
                if *probe {
                    one(&self.probes);
                }
            }
            Note::AttemptFailed { failure, .. } => tally(&Class::ALL, &self.failed, &failure.class),
            Note::HedgeStarted { rescue, .. } => {
                one(&self.hedges);
                if *rescue {
                    one(&self.rescues);
                }
            }
            Note::HedgeEnded { end, wasted_tokens, .. } => {
                if *end == HedgeEnd::Won {
                    one(&self.hedges_won);
                }
                self.wasted_tokens.fetch_add(u64::from(*wasted_tokens), Relaxed);
            }
            Note::TwinStarted { .. } => one(&self.twins),
            Note::RoundStarted { .. } => one(&self.second_rounds),
            Note::Committed { .. }
            | Note::TwinEnded { .. }
            | Note::Spliced { .. }
            | Note::WouldOpen { .. } => {}
            Note::RequestEnded(record) => tally(&OUTCOMES, &self.ended, &record.outcome),
            Note::CircuitChanged { to, .. } => {
                if *to == Circuit::Open {
                    one(&self.breakers_opened);
                }
            }
            Note::GateClosed { .. } => one(&self.gates_closed),
            Note::FaultInjected { .. } => one(&self.faults_injected),
            Note::PromptFailed { .. } => one(&self.prompts_failed),
            Note::PluginFault { .. } => one(&self.plugin_faults),
        }
    }

    /// The sums now.
    pub fn totals(&self) -> Totals {
        Totals {
            requests_started: self.requests_started.load(Relaxed),
            requests_refused: self.requests_refused.load(Relaxed),
            requests_ended: labelled(&OUTCOMES, &self.ended, |outcome| outcome.label()),
            attempts: self.attempts.load(Relaxed),
            probes: self.probes.load(Relaxed),
            hedges: self.hedges.load(Relaxed),
            rescues: self.rescues.load(Relaxed),
            hedges_won: self.hedges_won.load(Relaxed),
            wasted_prompt_tokens: self.wasted_tokens.load(Relaxed),
            twins: self.twins.load(Relaxed),
            second_rounds: self.second_rounds.load(Relaxed),
            attempts_failed: labelled(&Class::ALL, &self.failed, |class| class.label()),
            candidates_skipped: labelled(&Gate::ALL, &self.skipped, |gate| gate.label()),
            breakers_opened: self.breakers_opened.load(Relaxed),
            gates_closed: self.gates_closed.load(Relaxed),
            faults_injected: self.faults_injected.load(Relaxed),
            prompts_failed: self.prompts_failed.load(Relaxed),
            plugin_faults: self.plugin_faults.load(Relaxed),
        }
    }
}

fn tally<L: PartialEq>(labels: &[L], counters: &[AtomicU64], label: &L) {
    if let Some((_, counter)) = labels.iter().zip(counters).find(|(known, _)| *known == label) {
        counter.fetch_add(1, Relaxed);
    }
}

fn labelled<L: Copy>(
    labels: &[L],
    counters: &[AtomicU64],
    name: impl Fn(L) -> &'static str,
) -> BTreeMap<&'static str, u64> {
    let all = labels.iter().zip(counters).map(|(label, counter)| (name(*label), counter.load(Relaxed)));
    all.filter(|(_, count)| *count > 0).collect()
}
