//! Permits in = permits out: when everybody has left, nothing is under way anywhere.

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "permits";

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let end = record.entries.last().map(|entry| entry.at).unwrap_or_default();
    let mut found = Vec::new();
    for status in record.at_end.iter().filter(|status| status.stats.in_flight != 0) {
        let what = format!("{} has {} calls in flight at the end", status.target, status.stats.in_flight);
        found.push(Violation::new(NAME, end, what));
    }
    let count = |began: bool| {
        let counts = |event: &Event| match event {
            Event::CallBegan { .. } => began,
            Event::CallEnded { .. } => !began,
            _ => false,
        };
        record.entries.iter().filter(|entry| counts(&entry.event)).count()
    };
    if count(true) != count(false) {
        let what = format!("{} upstream calls began, {} ended", count(true), count(false));
        found.push(Violation::new(NAME, end, what));
    }
    let left = (record.calls_left, record.clients_left, record.background_left);
    if left != (0, 0, 0) {
        let what = format!("{} calls, {} clients, {} background works never ended", left.0, left.1, left.2);
        found.push(Violation::new(NAME, end, what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::story::{began, good, record};
    use super::*;
    use crate::random;

    #[test]
    fn what_never_ends_is_seen() {
        assert_eq!(check(&record(good(1))), []);
        assert!(!check(&record(vec![(1.0, began(1, 1, "ash"))])).is_empty());
        assert!(!check(&Record { background_left: 1, ..record(good(1)) }).is_empty());
        assert!(!check(&Record { clients_left: 1, ..record(good(1)) }).is_empty());
    }

    #[test]
    fn a_permit_that_leaks_is_seen() {
        let mut record = random::world(1).run();
        assert_eq!(check(&record), []);
        record.at_end[0].stats.in_flight = 1;
        assert!(!check(&record).is_empty());
    }
}
