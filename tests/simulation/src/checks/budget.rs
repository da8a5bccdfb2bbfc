//! Attempts within budget: per request at most max(4, candidates); per alias, hedges and sampling twins at most one in
//! twenty requests and a few at once; per process, over ten seconds, at most twice the requests and twenty calls, a
//! ceiling that only probes and the first attempt on a candidate may pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use super::calls::admitted;
use crate::log::Event;
use crate::order::Order;
use crate::record::{Record, Violation};

const NAME: &str = "budget";
const LEAST: usize = 4;
/// The core counts in buckets of a second, so its ten seconds are nine to ten: what is judged here is what breaks the
/// ceiling whichever of them is meant.
const SHORTER: Duration = Duration::from_secs(9);
const LONGER: Duration = Duration::from_secs(10);
/// A call beside those that clients wait for costs so many requests.
const PRICE: u32 = 20;
const HEDGES: u32 = 10;
const TWINS: u32 = 2;

/// What an alias has left, in requests.
#[derive(Debug)]
struct Purse {
    hedges: u32,
    twins: u32,
}

impl Purse {
    fn full() -> Self {
        Self { hedges: HEDGES * PRICE, twins: TWINS * PRICE }
    }

    fn credit(&mut self) {
        self.hedges = (self.hedges + 1).min(HEDGES * PRICE);
        self.twins = (self.twins + 1).min(TWINS * PRICE);
    }
}

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let alias_of = |id: &RequestId| orders.get(id).map(|(_, order): &(Duration, &Order)| &order.alias);
    let mut made: BTreeMap<RequestId, usize> = BTreeMap::new();
    let mut tried: BTreeSet<(RequestId, TargetId)> = BTreeSet::new();
    let mut purses: BTreeMap<Arc<str>, Purse> = BTreeMap::new();
    let (mut requests, mut attempts) = (VecDeque::new(), VecDeque::new());
    let mut found = Vec::new();
    for entry in &record.entries {
        let at = entry.at;
        forget(&mut requests, at.saturating_sub(LONGER));
        forget(&mut attempts, at.saturating_sub(SHORTER));
        let mut wrong = |what: String| found.push(Violation::new(NAME, at, what));
        if let Some(call) = admitted(&entry.event) {
            let again = !call.hidden && !tried.insert((call.id, call.target.clone()));
            let ceiling = 2 * requests.len() + 20;
            if (again || (call.hidden && !call.probe)) && attempts.len() >= ceiling {
                wrong(format!("{}: {} calls where {ceiling} are the ceiling", call.id, attempts.len() + 1));
            }
            attempts.push_back(at);
        }
        match &entry.event {
            Event::Core(Note::RequestStarted { id, .. }) => {
                requests.push_back(at);
                if let Some(alias) = alias_of(id) {
                    purses.entry(Arc::clone(alias)).or_insert_with(Purse::full).credit();
                }
            }
            Event::Core(Note::AttemptStarted { id, .. }) => {
                let made = made.entry(*id).or_default();
                *made += 1;
                let candidates = alias_of(id).and_then(|alias| record.aliases.get(alias));
                let cap = candidates.map_or(LEAST, |candidates| candidates.len().max(LEAST));
                if *made > cap {
                    wrong(format!("{id}: attempt {made} of at most {cap}"));
                }
            }
            Event::Core(Note::HedgeStarted { id, rescue: false, .. }) => {
                if let Some(purse) = alias_of(id).and_then(|alias| purses.get_mut(alias)) {
                    match purse.hedges.checked_sub(PRICE) {
                        Some(left) => purse.hedges = left,
                        None => wrong(format!("{id}: a hedge that nobody paid")),
                    }
                }
            }
            Event::Core(Note::TwinStarted { id, reason, .. }) if *reason != "probe" => {
                if let Some(purse) = alias_of(id).and_then(|alias| purses.get_mut(alias)) {
                    match purse.twins.checked_sub(PRICE) {
                        Some(left) => purse.twins = left,
                        None => wrong(format!("{id}: a twin that nobody paid")),
                    }
                }
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
    use super::super::story::{attempt, order, record, started, target, twin};
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

    #[test]
    fn unpaid_twins_and_hedges_are_seen() {
        let story = |event: fn(u64) -> Event, times: u64| {
            let asked = (1..=times).flat_map(|id| [(1.0, Event::Asked(order(id))), (1.0, started(id))]);
            let made = (1..=times).map(|id| (2.0, event(id)));
            record(asked.chain(made).collect())
        };
        let hedge = |id| {
            let (target, late) = (target("birch"), target("ash"));
            let after = Duration::from_secs(1);
            Event::Core(Note::HedgeStarted { id: RequestId(id), target, late, rescue: false, after })
        };
        assert_eq!(check(&story(hedge, 10)), []);
        assert!(!check(&story(hedge, 11)).is_empty());
        let sample = |id| twin(id, "ash", "quiet");
        assert_eq!(check(&story(sample, 2)), []);
        assert!(!check(&story(sample, 3)).is_empty());
    }
}
