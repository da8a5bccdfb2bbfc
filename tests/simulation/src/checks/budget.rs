//! Attempts within budget: per request at most max(4, candidates); per process, over ten seconds, at most twice the
//! requests and twenty, a ceiling that only the first attempt on a candidate may pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "budget";
const LEAST: usize = 4;
/// The core counts in buckets of a second, so its ten seconds are nine to ten: what is judged here is what breaks the
/// ceiling whichever of them is meant.
const SHORTER: Duration = Duration::from_secs(9);
const LONGER: Duration = Duration::from_secs(10);

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let mut made: BTreeMap<RequestId, usize> = BTreeMap::new();
    let mut tried: BTreeSet<(RequestId, TargetId)> = BTreeSet::new();
    let (mut requests, mut attempts) = (VecDeque::new(), VecDeque::new());
    let mut found = Vec::new();
    for entry in &record.entries {
        let at = entry.at;
        forget(&mut requests, at.saturating_sub(LONGER));
        forget(&mut attempts, at.saturating_sub(SHORTER));
        match &entry.event {
            Event::Core(Note::RequestStarted { .. }) => requests.push_back(at),
            Event::Core(Note::AttemptStarted { id, target, .. }) => {
                let again = !tried.insert((*id, target.clone()));
                let made = made.entry(*id).or_default();
                *made += 1;
                let candidates = orders.get(id).and_then(|(_, order)| record.aliases.get(&order.alias));
                let cap = candidates.map_or(LEAST, |candidates| candidates.len().max(LEAST));
                if *made > cap {
                    found.push(Violation::new(NAME, at, format!("{id}: attempt {made} of at most {cap}")));
                }
                let ceiling = 2 * requests.len() + 20;
                if again && attempts.len() >= ceiling {
                    let what =
                        format!("{id}: {} attempts where {ceiling} are the ceiling", attempts.len() + 1);
                    found.push(Violation::new(NAME, at, what));
                }
                attempts.push_back(at);
            }
            _ => {}
        }
    }
    found
}

fn forget(moments: &mut VecDeque<Duration>, before: Duration) {
    while moments.front().is_some_and(|moment| *moment < before) {
        moments.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{attempt, order, record, started};
    use super::*;

    #[test]
    fn a_fifth_attempt_is_seen() {
        let story = |attempts| {
            let asked = vec![(1.0, Event::Asked(order(1))), (1.0, started(1))];
            let made = (1..=attempts).map(|number| (2.0, attempt(1, "ash", number, false)));
            record(asked.into_iter().chain(made).collect())
        };
        assert_eq!(check(&story(4)), []);
        assert!(!check(&story(5)).is_empty());
    }

    #[test]
    fn a_storm_of_repetitions_is_seen() {
        let story = |repeated| {
            let once = (1..=30).flat_map(|id| [(1.0, started(id)), (1.0, attempt(id, "ash", 1, false))]);
            let again = (1..=30)
                .flat_map(move |id| (0..repeated).map(move |n| (2.0, attempt(id, "ash", n + 2, false))));
            record(once.chain(again).collect())
        };
        assert_eq!(check(&story(1)), []);
        assert!(!check(&story(2)).is_empty());
    }
}
