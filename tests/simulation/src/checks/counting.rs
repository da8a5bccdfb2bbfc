//! Committed bytes are never retracted or repeated: every number comes once and in order, and an answer that claims to
//! be complete is. The one answer that may be empty is a provider's own empty one, when nobody did better.

use std::collections::BTreeSet;

use seawall_core::class::Class;
use seawall_core::note::Note;
use seawall_core::request::RequestId;

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "counting";

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let orders = record.orders();
    let mut empty: BTreeSet<RequestId> = BTreeSet::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        match &entry.event {
            Event::Core(Note::AttemptFailed { id, failure, .. }) if failure.class == Class::EmptyAnswer => {
                empty.insert(*id);
            }
            Event::Heard(id, heard) => {
                let Some((_, order)) = orders.get(id) else { continue };
                let mut wrong = |what: &str| {
                    found.push(Violation::new(NAME, entry.at, format!("{id}: {what}: {:?}", heard.numbers)));
                };
                if !heard.counts_up() {
                    wrong("numbers missing, repeated or out of order");
                }
                let right = usize::try_from(order.numbers).unwrap_or(usize::MAX);
                if heard.numbers.len() > right {
                    wrong("more numbers than the answer has");
                }
                let excused = heard.numbers.is_empty() && empty.contains(id);
                if heard.claims_success() && heard.numbers.len() < right && !excused {
                    wrong("claims to be complete and is not");
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::story::{failed, heard, order, record, whole};
    use super::*;
    use crate::heard::Heard;

    fn with(numbers: &[u32]) -> Vec<Violation> {
        let told = Heard { numbers: numbers.to_vec(), ..whole() };
        check(&record(vec![(1.0, Event::Asked(order(1))), (2.0, heard(1, told))]))
    }

    #[test]
    fn gaps_repetitions_and_false_success_are_seen() {
        assert_eq!(with(&[1, 2, 3]), []);
        for wrong in [&[1, 2, 2, 3][..], &[1, 3], &[2, 3], &[1, 2], &[1, 2, 3, 4], &[]] {
            assert!(!with(wrong).is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn a_part_with_an_error_and_a_providers_empty_answer_are_fine() {
        let part = Heard { numbers: vec![1], error: Some("stream_interrupted".to_owned()), ..whole() };
        assert_eq!(check(&record(vec![(1.0, Event::Asked(order(1))), (2.0, heard(1, part))])), []);
        let empty = Heard { numbers: vec![], ..whole() };
        let story = vec![
            (1.0, Event::Asked(order(1))),
            (2.0, failed(1, "ash", Class::EmptyAnswer, None)),
            (2.0, heard(1, empty)),
        ];
        assert_eq!(check(&record(story)), []);
    }
}
