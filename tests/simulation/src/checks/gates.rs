//! No call through a closed gate. What is closed is derived from what the core said: changes of circuits, failures that
//! close a gate for a time that is known. Past an open breaker only the bounded last resort goes: one a second per
//! alias, one in flight per target, never where an operator holds open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::class::{Class, Failure, Scope};
use seawall_core::note::{Circuit, Gate, Note};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use super::calls::{Admitted, admitted};
use crate::log::{Admin, Entry, Event};
use crate::order::Order;
use crate::record::{Record, Violation};

const NAME: &str = "gates";
const RATE_CAP: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const BENCH: Duration = Duration::from_mins(5);
const ALIAS_PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Gates {
    circuits: BTreeMap<TargetId, Circuit>,
    /// Of one target.
    own: BTreeMap<(TargetId, &'static str), Duration>,
    /// Of everything behind a credential.
    shared: BTreeMap<(Arc<str>, &'static str), Duration>,
    last_resorts: BTreeMap<Arc<str>, Duration>,
    /// Last-resort calls without content so far.
    resorting: BTreeMap<TargetId, (RequestId, Option<u64>)>,
}

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let mut gates = Gates::default();
    let mut found = Vec::new();
    for entry in &record.entries {
        if let Some(Admitted { id, target, probe, hidden }) = admitted(&entry.event) {
            let alias = orders.get(&id).map(|(_, order): &(Duration, &Order)| &order.alias);
            let problem = gates.problem(entry.at, &target, probe).or_else(|| {
                let open = gates.circuit(&target) == Circuit::Open;
                match (open, hidden) {
                    (false, _) => None,
                    (true, true) => Some("a twin at a breaker that is open".to_owned()),
                    (true, false) => gates.last_resort(entry.at, id, &target, alias),
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
            Circuit::HalfOpen if !probe => Some("no probe, and the breaker is half open".to_owned()),
            Circuit::Closed | Circuit::Open | Circuit::ForcedClosed if probe => {
                Some(format!("a probe at a breaker that is {}", self.circuit(target).label()))
            }
            _ => None,
        }
    }

    fn last_resort(
        &mut self,
        at: Duration,
        id: RequestId,
        target: &TargetId,
        alias: Option<&Arc<str>>,
    ) -> Option<String> {
        let alias = Arc::clone(alias?);
        let before = self.last_resorts.insert(alias, at);
        let busy = self.resorting.insert(target.clone(), (id, None));
        if before.is_some_and(|before| at < before + ALIAS_PAUSE) {
            return Some("a second last resort of the alias within a second".to_owned());
        }
        busy.map(|(other, _)| format!("a last resort while that of {other} is under way"))
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
            Event::Core(Note::AttemptFailed { target, failure, .. }) => self.close(entry.at, target, failure),
            Event::CallBegan { call, request, target } => {
                if let Some((id, of @ None)) = self.resorting.get_mut(target)
                    && id == request
                {
                    *of = Some(*call);
                }
            }
            Event::CallStarted { call } | Event::CallEnded { call, .. } => {
                self.resorting.retain(|_, (_, of)| *of != Some(*call));
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
            Admin::Reset(target) => self.own.retain(|(of, _), _| of != target),
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
    use super::super::story::{attempt, began, call_ended, circuit, failed, order, record, twin};
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
    fn a_call_through_a_half_open_or_held_breaker_is_seen() {
        let story = |to, probe| {
            record(vec![(1.0, circuit("ash", Circuit::Closed, to, &[])), (2.0, attempt(1, "ash", 1, probe))])
        };
        assert_eq!(check(&story(Circuit::HalfOpen, true)), []);
        assert!(!check(&story(Circuit::HalfOpen, false)).is_empty());
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
    fn more_than_one_last_resort_is_seen() {
        let story = |second| {
            record(vec![
                (1.0, Event::Asked(order(1))),
                (1.0, Event::Asked(order(2))),
                (1.0, circuit("ash", Circuit::Closed, Circuit::Open, &[])),
                (1.0, attempt(1, "ash", 1, false)),
                (1.0, began(1, 1, "ash")),
                (1.2, call_ended(1)),
                (second, attempt(2, "ash", 1, false)),
            ])
        };
        assert_eq!(check(&story(2.0)), []);
        assert!(!check(&story(1.9)).is_empty());
    }
}
