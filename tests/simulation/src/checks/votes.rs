//! No vote across generations: whoever is named as the cause of a change was admitted after the change before it.

use std::collections::BTreeMap;

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::log::{Admin, Event};
use crate::record::{Record, Violation};

const NAME: &str = "votes";
/// The cause is the call about to be admitted; it votes on nothing.
const NO_VOTE: &str = "open_time_over";
/// A last resort that brings content is the first good probe of the state that it begins.
const CARRIED_OVER: &str = "last_resort_good";

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let mut changed: BTreeMap<&TargetId, usize> = BTreeMap::new();
    let mut admitted: BTreeMap<(RequestId, &TargetId), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (position, entry) in record.entries.iter().enumerate() {
        match &entry.event {
            Event::Core(Note::AttemptStarted { id, target, .. } | Note::TwinStarted { id, target, .. }) => {
                admitted.insert((*id, target), position);
            }
            Event::Core(Note::CircuitChanged { target, causes, reason, from, to, .. }) => {
                let before = changed.insert(target, position).unwrap_or(0);
                for cause in causes.iter().filter(|_| *reason != NO_VOTE) {
                    if admitted.get(&(*cause, target)).is_none_or(|admitted| *admitted < before) {
                        let what =
                            format!("{cause}, of an older generation, moved {target} {from:?} -> {to:?}");
                        found.push(Violation::new(NAME, entry.at, what));
                    }
                }
                if *reason == CARRIED_OVER {
                    admitted.extend(causes.iter().map(|cause| ((*cause, target), position)));
                }
            }
            Event::Admin(Admin::Reset(target)) => {
                changed.insert(target, position);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use seawall_core::note::Circuit;

    use super::super::story::{attempt, circuit, record};
    use super::*;

    #[test]
    fn a_vote_of_an_older_generation_is_seen() {
        let story = |cause| {
            record(vec![
                (1.0, attempt(1, "ash", 1, false)),
                (2.0, circuit("ash", Circuit::HalfOpen, Circuit::Closed, &[])),
                (3.0, attempt(2, "ash", 1, false)),
                (4.0, circuit("ash", Circuit::Closed, Circuit::Open, &[cause])),
            ])
        };
        assert_eq!(check(&story(2)), []);
        assert!(!check(&story(1)).is_empty());
        assert!(!check(&story(3)).is_empty(), "a request that was never there has no vote");
    }
}
