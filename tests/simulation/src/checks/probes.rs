//! At most one probe per target at a time, as the target sees it: from the call to its first content or end. A change of
//! state ends a probe's meaning: one that outlived its lease may still be under way when the next begins.

use std::collections::{BTreeMap, BTreeSet};

use seawall_core::note::Note;
use seawall_core::target::TargetId;

use super::calls::{Admitted, Calls, admitted};
use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "one probe";

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let mut calls = Calls::default();
    // Calls that are probes of a state that still holds; how many each target has.
    let mut counting: BTreeSet<u64> = BTreeSet::new();
    let mut under_way: BTreeMap<TargetId, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        if let Some(Admitted { id, target, probe: true, .. }) = admitted(&entry.event) {
            let probes = under_way.entry(target.clone()).or_default();
            *probes += 1;
            if *probes > 1 {
                found.push(Violation::new(
                    NAME,
                    entry.at,
                    format!("{id} is probe number {probes} at {target}"),
                ));
            }
        }
        let is_probe = calls.learn(&entry.event).is_some_and(|admitted| admitted.probe);
        match &entry.event {
            Event::CallBegan { call, target, .. } if is_probe && under_way.contains_key(target) => {
                counting.insert(*call);
            }
            Event::CallStarted { call } | Event::CallEnded { call, .. } if counting.remove(call) => {
                let probes = calls.get(*call).and_then(|of| under_way.get_mut(&of.target));
                if let Some(probes) = probes {
                    *probes = probes.saturating_sub(1);
                }
            }
            Event::Core(Note::CircuitChanged { target, .. }) => {
                under_way.remove(target);
                counting.retain(|call| calls.get(*call).is_some_and(|of| of.target != *target));
            }
            _ => {}
        }
        if let Event::CallEnded { call, .. } = &entry.event {
            calls.end(*call);
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
