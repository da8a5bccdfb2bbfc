//! At most one probe per target at a time, as the target sees it: from the call to its first content or end. A change of
//! state ends a probe's meaning: one that outlived its lease may still be under way when the next begins.

use std::collections::{BTreeMap, BTreeSet};

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "one probe";

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    // Probes announced and not yet seen as a call; calls that are probes; probes that count, by target.
    let mut announced: BTreeSet<(RequestId, TargetId)> = BTreeSet::new();
    let mut calls: BTreeMap<u64, TargetId> = BTreeMap::new();
    let mut under_way: BTreeMap<TargetId, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        match &entry.event {
            Event::Core(Note::AttemptStarted { id, target, probe: true, .. }) => {
                let probes = under_way.entry(target.clone()).or_default();
                *probes += 1;
                if *probes > 1 {
                    let what = format!("{id} is probe number {probes} at {target}");
                    found.push(Violation::new(NAME, entry.at, what));
                }
                announced.insert((*id, target.clone()));
            }
            Event::CallBegan { call, request, target } if announced.remove(&(*request, target.clone())) => {
                calls.insert(*call, target.clone());
            }
            Event::CallStarted { call } | Event::CallEnded { call, .. } => {
                let probes = calls.remove(call).and_then(|target| under_way.get_mut(&target));
                if let Some(probes) = probes {
                    *probes = probes.saturating_sub(1);
                }
            }
            Event::Core(Note::CircuitChanged { target, .. }) => {
                under_way.remove(target);
                calls.retain(|_, of| of != target);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use seawall_core::note::Circuit;

    use super::super::story::{attempt, began, call_ended, circuit, record};
    use super::*;

    #[test]
    fn a_second_probe_is_seen() {
        let first = || vec![(1.0, attempt(1, "ash", 1, true)), (1.0, began(1, 1, "ash"))];
        let second = || vec![(2.0, attempt(2, "ash", 1, true)), (2.0, began(2, 2, "ash"))];
        assert!(!check(&record([first(), second()].concat())).is_empty());
        let over = vec![(1.5, call_ended(1))];
        assert_eq!(check(&record([first(), over, second()].concat())), []);
        let lost = vec![(1.5, circuit("ash", Circuit::HalfOpen, Circuit::Open, &[1]))];
        assert_eq!(check(&record([first(), lost, second()].concat())), []);
    }
}
