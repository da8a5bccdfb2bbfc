//! Every request ends once: one terminal event in a stream and nothing behind it, one word of the core about it, and
//! both say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::note::{Note, Outcome};
use seawall_core::request::RequestId;

use crate::heard::Heard;
use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "one end";

#[derive(Default)]
struct Ends<'a> {
    at: Duration,
    stream: bool,
    started: u32,
    outcomes: Vec<Outcome>,
    heard: Vec<&'a Heard>,
    left: u32,
}

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let mut all: BTreeMap<RequestId, Ends<'_>> = BTreeMap::new();
    for entry in &record.entries {
        match &entry.event {
            Event::Asked(order) => {
                let ends = all.entry(order.id).or_default();
                (ends.at, ends.stream) = (entry.at, order.stream);
            }
            Event::Core(Note::RequestStarted { id, .. }) => all.entry(*id).or_default().started += 1,
            Event::Core(Note::RequestEnded(record)) => {
                all.entry(record.id).or_default().outcomes.push(record.outcome);
            }
            Event::Heard(id, heard) => all.entry(*id).or_default().heard.push(heard),
            Event::Left(id) => all.entry(*id).or_default().left += 1,
            _ => {}
        }
    }
    all.iter()
        .flat_map(|(id, ends)| {
            ends.problems().map(move |what| Violation::new(NAME, ends.at, format!("{id}: {what}")))
        })
        .collect()
}

impl Ends<'_> {
    fn problems(&self) -> impl Iterator<Item = String> + use<> {
        let mut found = Vec::new();
        if self.started != 1 || self.outcomes.len() != 1 {
            found.push(format!("started {} times, ended as {:?}", self.started, self.outcomes));
        }
        if self.heard.len() + self.left as usize != 1 {
            found.push(format!("{} clients heard an end, {} left", self.heard.len(), self.left));
        }
        for heard in &self.heard {
            if self.stream && (heard.terminals != 1 || heard.after_the_end || heard.unreadable > 0) {
                found.push(format!("the stream has not exactly one clean end: {heard:?}"));
            }
            if heard.terminals == 1 && heard.error.is_none() && !heard.finished {
                found.push("a terminator without a finish reason".to_owned());
            }
            let agrees = match self.outcomes.first() {
                Some(Outcome::Primary | Outcome::Fallback) => heard.claims_success(),
                Some(Outcome::Failed) => heard.refused.is_some(),
                Some(Outcome::Interrupted) => heard.refused.is_none() && heard.error.is_some(),
                Some(Outcome::Cancelled) | None => false,
            };
            if !agrees {
                found.push(format!("the core says {:?}, the client heard {heard:?}", self.outcomes));
            }
        }
        found.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{ended, good, heard, record, started, whole};
    use super::*;
    use crate::checks::story::order;

    fn with(told: Heard, outcome: Outcome) -> Vec<Violation> {
        check(&record(vec![
            (1.0, Event::Asked(order(1))),
            (1.0, started(1)),
            (2.0, ended(1, outcome)),
            (2.0, heard(1, told)),
        ]))
    }

    #[test]
    fn two_ends_and_no_end_are_seen() {
        assert_eq!(with(whole(), Outcome::Primary), []);
        assert!(!with(Heard { terminals: 2, ..whole() }, Outcome::Primary).is_empty());
        assert!(!with(Heard { terminals: 0, finished: false, ..whole() }, Outcome::Primary).is_empty());
        assert!(!with(Heard { after_the_end: true, ..whole() }, Outcome::Primary).is_empty());
        assert!(!with(Heard { finished: false, ..whole() }, Outcome::Primary).is_empty());
    }

    #[test]
    fn an_outcome_that_the_client_did_not_see_is_seen() {
        assert!(!with(whole(), Outcome::Interrupted).is_empty());
        assert!(!with(Heard::refusal(503, "overloaded"), Outcome::Primary).is_empty());
    }

    #[test]
    fn a_lost_or_doubled_word_of_the_core_is_seen() {
        let mut twice = good(1);
        twice.push((2.0, ended(1, Outcome::Primary)));
        assert!(!check(&record(twice)).is_empty());
        let never: Vec<_> = good(1)
            .into_iter()
            .filter(|(_, event)| !matches!(event, Event::Core(Note::RequestEnded(_))))
            .collect();
        assert!(!check(&record(never)).is_empty());
    }

    #[test]
    fn a_client_that_never_hears_is_seen() {
        let never: Vec<_> =
            good(1).into_iter().filter(|(_, event)| !matches!(event, Event::Heard(..))).collect();
        assert!(!check(&record(never)).is_empty());
    }
}
