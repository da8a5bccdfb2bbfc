//! After the healing every breaker that sees traffic and has no retry hint pending is closed again in time, and what was
//! learned about a target's limits has been unlearned: nobody is refused for it any more, but for moments in a burst.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::note::{Gate, Note};
use seawall_core::target::TargetId;

use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "recovery";
/// A target that is asked for at least once in each of these slices after the healing sees traffic.
const SLICE: Duration = Duration::from_secs(15);
const SLICES: u32 = 5;
/// A pace grows by 3 % a second from half a call a second: by now it is more than one.
const MOMENT: Duration = Duration::from_secs(1);
/// Nor is this many calls at once too many any more.
const FEW: u32 = 8;
/// A hint that ends by then leaves enough time.
const HINT_ENDS: Duration = Duration::from_secs(30);

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let (Some((at, statuses)), Some(heal)) = (&record.after_heal, record.script.heal_at) else {
        return Vec::new();
    };
    let asked_within = |name: &str, from: Duration, until: Duration| {
        record.entries.iter().filter(|entry| (from..until).contains(&entry.at)).any(|entry| {
            let target = match &entry.event {
                Event::Core(Note::AttemptStarted { target, .. }) => target,
                Event::Core(Note::Skipped { target, gate: Gate::Breaker, .. }) => target,
                _ => return false,
            };
            target.to_string() == name
        })
    };
    let is_asked = |name: &str| {
        (0..SLICES).all(|slice| asked_within(name, heal + SLICE * slice, heal + SLICE * (slice + 1)))
    };
    let is_hinted = |name: &str| {
        record.entries.iter().any(|entry| {
            let (target, time) = match &entry.event {
                Event::Core(Note::AttemptFailed { target, failure, .. }) => (target, failure.retry_after),
                Event::Core(Note::GateClosed { target, for_time, .. }) => (target, Some(*for_time)),
                _ => return false,
            };
            target.to_string() == name && time.is_some_and(|time| entry.at + time > heal + HINT_ENDS)
        })
    };
    let open = statuses.iter().filter(|status| status.circuit != "closed");
    let open = open.filter(|status| is_asked(&status.target) && !is_hinted(&status.target)).map(|status| {
        let what = format!("{} is {}, {:?} after the healing", status.target, status.circuit, *at - heal);
        Violation::new(NAME, *at, what)
    });
    open.chain(still_limited(record, *at)).collect()
}

/// Refusals for what was learned, from `at` on, although next to nothing is under way.
fn still_limited(record: &Record, at: Duration) -> Vec<Violation> {
    let mut targets: BTreeMap<u64, &TargetId> = BTreeMap::new();
    let mut under_way: BTreeMap<&TargetId, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        match &entry.event {
            Event::CallBegan { call, target, .. } => {
                targets.insert(*call, target);
                *under_way.entry(target).or_default() += 1;
            }
            Event::CallEnded { call, .. } => {
                if let Some(calls) = targets.remove(call).and_then(|target| under_way.get_mut(target)) {
                    *calls -= 1;
                }
            }
            Event::Core(Note::Skipped { id, target, gate, retry_in }) if entry.at >= at => {
                let limited = match gate {
                    Gate::Pace => retry_in.is_none_or(|wait| wait > MOMENT),
                    Gate::Concurrency => under_way.get(target).is_none_or(|calls| *calls < FEW),
                    _ => false,
                };
                if limited {
                    let what = format!("{id}: {target} is still {}", gate.label());
                    found.push(Violation::new(NAME, entry.at, what));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use seawall_core::request::RequestId;

    use super::super::story::target;
    use super::*;
    use crate::log::Entry;
    use crate::random;

    #[test]
    fn a_breaker_that_stays_open_is_seen() {
        let mut record = random::world(2).run();
        assert_eq!(check(&record), []);
        let (_, statuses) = record.after_heal.as_mut().unwrap();
        statuses[0].circuit = "open";
        assert!(!check(&record).is_empty());
    }

    #[test]
    fn a_limit_that_is_never_unlearned_is_seen() {
        let mut record = random::world(2).run();
        let id = RequestId(1);
        let note = Note::Skipped { id, target: target("ash"), gate: Gate::Concurrency, retry_in: None };
        let at = random::HEAL_AT + random::RECOVERY;
        record.entries.push(Entry { at, event: Event::Core(note) });
        assert!(!check(&record).is_empty());
    }
}
