//! No call begins after its request's deadline, no client waits longer, and who leaves takes the calls along.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::request::RequestId;

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "deadlines";
/// Timers have a resolution.
const RESOLUTION: Duration = Duration::from_millis(5);
/// How long a call may outlive its client.
const HANG_UP: Duration = Duration::from_millis(100);

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let mut open: BTreeMap<u64, RequestId> = BTreeMap::new();
    let mut left: BTreeMap<RequestId, Duration> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        let mut late = |id: &RequestId, limit: Duration, what: &str| {
            if entry.at > limit {
                let over = entry.at - limit;
                found.push(Violation::new(NAME, entry.at, format!("{id}: {what}, {over:?} late")));
            }
        };
        match &entry.event {
            Event::CallBegan { call, request, .. } => {
                open.insert(*call, *request);
                if let Some((asked, order)) = orders.get(request) {
                    late(request, *asked + record.time_of(order), "a call begins after the deadline");
                }
                if let Some(gone) = left.get(request) {
                    late(request, *gone, "a call begins although the client left");
                }
            }
            Event::CallEnded { call, .. } => {
                let gone = open.remove(call).and_then(|id| Some((id, *left.get(&id)?)));
                if let Some((id, gone)) = gone {
                    late(&id, gone + HANG_UP, "a call outlives its client");
                }
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
    use super::super::story::{began, call_ended, good, heard, order, record, whole};
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
        let story = |end| {
            vec![
                (1.0, hasty()),
                (1.0, began(1, 1, "ash")),
                (1.5, Event::Left(RequestId(1))),
                (end, call_ended(1)),
            ]
        };
        assert_eq!(check(&record(story(1.55))), []);
        assert!(!check(&record(story(1.7))).is_empty());
    }
}
