//! No call through a closed gate. What is closed is derived from what the core said: changes of circuits, failures that
//! close a gate for a time that is known. Past a resting breaker only last resorts go, as far as the target's answers
//! allow, and never where an operator holds open. What is judged here is what no reading of the answers allows: an answer
//! counts when its provider gives it, and only failures that surely count do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::class::{Class, Failure, Scope};
use seawall_core::note::{Circuit, Gate, Note};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use super::calls::{Admitted, admitted};
use crate::log::{Admin, CallEnd, Entry, Event};
use crate::record::{Record, Violation};

const NAME: &str = "gates";
const RATE_CAP: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const BENCH: Duration = Duration::from_mins(5);
/// Last resorts of a target about which nothing is known.
const USUAL: f64 = 20.0;
const ANSWER: f64 = 3.0;
/// Credit does not grow beyond so many times the calls that wait.
const AHEAD: f64 = 4.0;
/// Refused requests that pay one call.
const REFUSED: f64 = 100.0;
const ROUNDING: f64 = 1e-6;

/// What a target's last resorts may be at most.
struct Credit {
    left: f64,
    /// Last resorts without content so far.
    waiting: BTreeMap<RequestId, Option<u64>>,
}

impl Default for Credit {
    fn default() -> Self {
        Self { left: USUAL, waiting: BTreeMap::new() }
    }
}

impl Credit {
    fn waiting(&self) -> f64 {
        self.waiting.values().map(|_| 1.0).sum()
    }

    fn earn(&mut self) {
        let most = USUAL.max(AHEAD * self.waiting());
        self.left = self.left.max(most.min(self.left + ANSWER));
    }
}

#[derive(Default)]
struct Gates {
    circuits: BTreeMap<TargetId, Circuit>,
    /// Of one target.
    own: BTreeMap<(TargetId, &'static str), Duration>,
    /// Of everything behind a credential.
    shared: BTreeMap<(Arc<str>, &'static str), Duration>,
    credits: BTreeMap<TargetId, Credit>,
    calls: BTreeMap<u64, TargetId>,
}

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let mut gates = Gates::default();
    let mut found = Vec::new();
    for entry in &record.entries {
        if let Some(Admitted { id, target, probe, hidden }) = admitted(&entry.event) {
            let problem = gates.problem(entry.at, &target, probe).or_else(|| {
                let rests = matches!(gates.circuit(&target), Circuit::Open | Circuit::HalfOpen) && !probe;
                match (rests, hidden) {
                    (false, _) => None,
                    (true, true) => Some("a twin at a breaker that rests".to_owned()),
                    (true, false) => gates.last_resort(id, &target),
                }
            });
            found.extend(
                problem.map(|what| Violation::new(NAME, entry.at, format!("{id} at {target}: {what}"))),
            );
        }
        gates.learn(entry);
    }
    found
}

impl Gates {
    fn circuit(&self, target: &TargetId) -> Circuit {
        self.circuits.get(target).copied().unwrap_or(Circuit::Closed)
    }

    fn problem(&self, at: Duration, target: &TargetId, probe: bool) -> Option<String> {
        let own = self.own.iter().filter(|((of, _), _)| of == target).map(|((_, gate), until)| (gate, until));
        let shared = self.shared.iter().filter(|((of, _), _)| *of == target.provider);
        let shared = shared.map(|((_, gate), until)| (gate, until));
        if let Some((gate, until)) = own.chain(shared).find(|(_, until)| **until > at) {
            return Some(format!("through the gate {gate}, closed until {:.3}", until.as_secs_f64()));
        }
        match self.circuit(target) {
            Circuit::ForcedOpen => Some("through a breaker that is held open".to_owned()),
            Circuit::Closed | Circuit::Open | Circuit::ForcedClosed if probe => {
                Some(format!("a probe at a breaker that is {}", self.circuit(target).label()))
            }
            _ => None,
        }
    }

    fn last_resort(&mut self, id: RequestId, target: &TargetId) -> Option<String> {
        let credit = self.credits.entry(target.clone()).or_default();
        credit.waiting.insert(id, None);
        let too_many = credit.waiting() > credit.left + ROUNDING;
        too_many
            .then(|| format!("{} last resorts where {:.2} are allowed", credit.waiting.len(), credit.left))
    }

    fn learn(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Core(Note::CircuitChanged { target, to, .. }) => {
                self.circuits.insert(target.clone(), *to);
            }
            Event::Core(Note::GateClosed { target, gate, for_time, .. }) if *gate != Gate::Breaker => {
                let until = self.own.entry((target.clone(), gate.label())).or_default();
                *until = (*until).max(entry.at + *for_time);
            }
            Event::Core(Note::AttemptFailed { id, target, failure, .. }) => {
                let credit = self.credits.entry(target.clone()).or_default();
                let counts = matches!(failure.class, Class::ServerError | Class::Overloaded | Class::Connect);
                credit.waiting.remove(id);
                if counts {
                    credit.left = (credit.left - 1.0).max(0.0);
                }
                self.close(entry.at, target, failure);
            }
            Event::Core(Note::Skipped { target, gate: Gate::Breaker, .. }) => {
                self.credits.entry(target.clone()).or_default().left += REFUSED.recip();
            }
            Event::Core(Note::RequestEnded(told)) => {
                self.credits.values_mut().for_each(|credit| _ = credit.waiting.remove(&told.id));
            }
            Event::CallBegan { call, request, target } => {
                self.calls.insert(*call, target.clone());
                let credit = self.credits.entry(target.clone()).or_default();
                credit.waiting.entry(*request).and_modify(|of| *of = Some(*call));
            }
            Event::CallStarted { call } => {
                if let Some(credit) = self.calls.get(call).and_then(|target| self.credits.get_mut(target)) {
                    credit.earn();
                    credit.waiting.retain(|_, of| *of != Some(*call));
                }
            }
            Event::CallEnded { call, end } => {
                // One that was told off by its provider is booked when the core says so.
                if let Some(target) = self.calls.remove(call)
                    && *end == CallEnd::Dropped
                    && let Some(credit) = self.credits.get_mut(&target)
                {
                    credit.waiting.retain(|_, of| *of != Some(*call));
                }
            }
            Event::Admin(admin) => self.repair(admin),
            _ => {}
        }
    }

    fn close(&mut self, at: Duration, target: &TargetId, failure: &Failure) {
        let hint = failure.retry_after.filter(|hint| !hint.is_zero());
        let (gate, time) = match failure.class {
            Class::RateLimited => (Gate::Rate, hint.map(|hint| hint.min(RATE_CAP))),
            Class::QuotaExhausted => (Gate::Quota, Some(hint.unwrap_or(HALF_AN_HOUR))),
            Class::Auth => (Gate::Credential, Some(HALF_AN_HOUR)),
            Class::ModelNotFound => (Gate::MissingModel, Some(BENCH)),
            _ => return,
        };
        let Some(time) = time else { return };
        let until = match failure.scope {
            Scope::Model => self.own.entry((target.clone(), gate.label())).or_default(),
            Scope::Credential => self.shared.entry((Arc::clone(&target.provider), gate.label())).or_default(),
        };
        *until = (*until).max(at + time);
    }

    /// What an operator's act opens.
    fn repair(&mut self, admin: &Admin) {
        let rate = Gate::Rate.label();
        match admin {
            Admin::Reset(target) => {
                self.own.retain(|(of, _), _| of != target);
                self.credits.entry(target.clone()).or_default().left = USUAL;
            }
            Admin::Configure => {
                self.own.retain(|(_, gate), _| *gate == rate);
                self.shared.retain(|(_, gate), _| *gate == rate);
            }
            Admin::Replace(provider) => {
                self.own.retain(|(of, gate), _| of.provider != *provider || *gate == rate);
                self.shared.retain(|(of, gate), _| of != provider || *gate == rate);
            }
            Admin::ForceOpen(..) | Admin::ForceClosed(..) | Admin::Release(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{attempt, began, call_ended, circuit, failed, record, skipped, twin};
    use super::*;

    #[test]
    fn a_call_through_a_rate_gate_is_seen() {
        let story = |at| {
            record(vec![
                (1.0, failed(1, "ash", Class::RateLimited, Some(3))),
                (at, attempt(2, "ash", 1, false)),
            ])
        };
        assert_eq!(check(&story(4.0)), []);
        assert!(!check(&story(3.9)).is_empty());
    }

    #[test]
    fn a_call_through_a_held_breaker_and_a_false_probe_are_seen() {
        let story = |to, probe| {
            record(vec![(1.0, circuit("ash", Circuit::Closed, to, &[])), (2.0, attempt(1, "ash", 1, probe))])
        };
        assert_eq!(check(&story(Circuit::HalfOpen, true)), []);
        assert!(!check(&story(Circuit::ForcedOpen, false)).is_empty());
        assert!(!check(&story(Circuit::Closed, true)).is_empty());
    }

    #[test]
    fn a_twin_at_an_open_breaker_is_seen() {
        let story = |to, reason| {
            record(vec![(1.0, circuit("ash", Circuit::Closed, to, &[])), (2.0, twin(1, "ash", reason))])
        };
        assert_eq!(check(&story(Circuit::HalfOpen, "probe")), []);
        assert!(!check(&story(Circuit::HalfOpen, "sampled")).is_empty());
        assert!(!check(&story(Circuit::Open, "sampled")).is_empty());
    }

    #[test]
    fn more_last_resorts_than_answers_allow_are_seen() {
        let opened = || vec![(1.0, circuit("ash", Circuit::Closed, Circuit::Open, &[]))];
        let failing = |ids: std::ops::Range<u64>| {
            let call = |id| {
                vec![
                    (2.0, attempt(id, "ash", 1, false)),
                    (2.0, began(id, id, "ash")),
                    (2.1, call_ended(id)),
                    (2.1, failed(id, "ash", Class::ServerError, None)),
                ]
            };
            ids.flat_map(call).collect::<Vec<_>>()
        };
        let story = |between: Vec<(f64, Event)>| {
            record([opened(), failing(1..21), between, failing(50..51)].concat())
        };
        assert_eq!(check(&record([opened(), failing(1..21)].concat())), []);
        assert!(!check(&story(vec![])).is_empty());
        let good = vec![(3.0, began(99, 99, "ash")), (3.0, Event::CallStarted { call: 99 })];
        assert_eq!(check(&story(good)), []);
        let refused = |times: u64| (0..times).map(|id| (3.0, skipped(100 + id, "ash"))).collect();
        assert_eq!(check(&story(refused(100))), []);
        assert!(!check(&story(refused(99))).is_empty());
        // Nor may so many wait at once.
        let waiting = |calls: u64| {
            let all = (1..=calls).map(|id| (2.0, attempt(id, "ash", 1, false)));
            record(opened().into_iter().chain(all).collect())
        };
        assert_eq!(check(&waiting(20)), []);
        assert!(!check(&waiting(21)).is_empty());
    }
}
