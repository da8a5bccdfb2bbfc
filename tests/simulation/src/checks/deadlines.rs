//! No call begins after its request's deadline, no client waits longer, who leaves takes the calls along, and who wins
//! ends the others. Twins are nobody's: they outlive their request, for a time of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::note::Note;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use super::calls::Calls;
use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "deadlines";
/// Timers have a resolution of a millisecond, and round up.
const TICK: Duration = Duration::from_millis(1);
/// Several of them may follow each other.
const RESOLUTION: Duration = Duration::from_millis(5);
/// How long a call may outlive its client.
const HANG_UP: Duration = Duration::from_millis(100);
/// How long a call may go on when another one has won.
const GIVE_UP: Duration = Duration::from_millis(50);

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let mut calls = Calls::default();
    let mut left: BTreeMap<RequestId, Duration> = BTreeMap::new();
    let mut begun: BTreeMap<u64, Duration> = BTreeMap::new();
    let mut won: BTreeMap<RequestId, (Duration, &TargetId)> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        let mut late = |id: &RequestId, limit: Duration, what: &str| {
            if entry.at > limit {
                let over = entry.at - limit;
                found.push(Violation::new(NAME, entry.at, format!("{id}: {what}, {over:?} late")));
            }
        };
        let hidden = calls.learn(&entry.event).is_some_and(|admitted| admitted.hidden);
        match &entry.event {
            Event::CallBegan { call, request, .. } => {
                begun.insert(*call, entry.at);
                if let Some((asked, order)) = orders.get(request).filter(|_| !hidden) {
                    late(request, *asked + record.time_of(order) + TICK, "a call begins after the deadline");
                }
                if let Some(gone) = left.get(request).filter(|_| !hidden) {
                    late(request, *gone, "a call begins although the client left");
                }
            }
            Event::CallEnded { call, .. } => {
                let Some(ended) = calls.end(*call).filter(|ended| !ended.hidden) else { continue };
                if let Some(gone) = left.get(&ended.id) {
                    late(&ended.id, *gone + HANG_UP, "a call outlives its client");
                }
                // What begins after the commit goes on with a stream that broke.
                let begun = begun.remove(call).unwrap_or_default();
                let lost = won.get(&ended.id).filter(|(at, winner)| **winner != ended.target && begun < *at);
                if let Some((at, _)) = lost {
                    late(&ended.id, *at + GIVE_UP, "a call goes on although another has won");
                }
            }
            Event::Core(Note::Committed { id, target, .. }) => {
                won.entry(*id).or_insert((entry.at, target));
            }
            Event::Left(id) => {
                left.insert(*id, entry.at);
            }
            Event::Heard(id, _) => {
                if let Some((asked, order)) = orders.get(id).filter(|(_, order)| order.reads_every.is_zero())
                {
                    late(
                        id,
                        *asked + record.time_of(order) + RESOLUTION,
                        "a client waits beyond the deadline",
                    );
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::story::{
        attempt, began, call_ended, committed, good, heard, order, record, twin, whole,
    };
    use super::*;
    use crate::order::Order;

    fn hasty() -> Event {
        Event::Asked(Order { deadline: Some(Duration::from_secs(2)), ..order(1) })
    }

    #[test]
    fn a_call_after_the_deadline_is_seen() {
        assert_eq!(check(&record(good(1))), []);
        assert!(!check(&record(vec![(1.0, hasty()), (3.5, began(1, 1, "ash"))])).is_empty());
    }

    #[test]
    fn a_client_kept_waiting_is_seen() {
        assert!(!check(&record(vec![(1.0, hasty()), (3.5, heard(1, whole()))])).is_empty());
    }

    #[test]
    fn a_call_that_outlives_its_client_is_seen() {
        let story = |admission, end| {
            check(&record(vec![
                (1.0, hasty()),
                (1.0, admission),
                (1.0, began(1, 1, "ash")),
                (1.5, Event::Left(RequestId(1))),
                (end, call_ended(1)),
            ]))
        };
        assert_eq!(story(attempt(1, "ash", 1, false), 1.55), []);
        assert_eq!(story(twin(1, "ash", "probe"), 1.7), []);
        assert!(!story(attempt(1, "ash", 1, false), 1.7).is_empty());
    }

    #[test]
    fn a_loser_that_goes_on_is_seen() {
        let story = |end| {
            check(&record(vec![
                (1.0, Event::Asked(order(1))),
                (1.0, attempt(1, "ash", 1, false)),
                (1.0, began(1, 1, "ash")),
                (1.1, attempt(1, "birch", 2, false)),
                (1.1, began(2, 1, "birch")),
                (1.5, committed(1, "birch")),
                (end, call_ended(1)),
            ]))
        };
        assert_eq!(story(1.51), []);
        assert!(!story(1.6).is_empty());
    }
}
