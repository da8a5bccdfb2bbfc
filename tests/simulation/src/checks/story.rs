//! Records written by hand, for tests of the checkers.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::class::{Class, Failure};
use seawall_core::note::{Circuit, Gate, Note, Outcome};
use seawall_core::record::Record as Told;
use seawall_core::request::{Protocol, RequestId};
use seawall_core::target::TargetId;

use crate::heard::Heard;
use crate::log::{CallEnd, Entry, Event};
use crate::order::Order;
use crate::record::Record;

pub(crate) fn target(provider: &str) -> TargetId {
    TargetId::new(provider, "large")
}

pub(crate) fn order(id: u64) -> Order {
    Order { numbers: 3, ..Order::new(id, &Arc::from("all")) }
}

pub(crate) fn whole() -> Heard {
    Heard { numbers: vec![1, 2, 3], finished: true, terminals: 1, ..Heard::default() }
}

pub(crate) fn started(id: u64) -> Event {
    let (id, model) = (RequestId(id), Arc::from("all"));
    Event::Core(Note::RequestStarted { id, protocol: Protocol::Chat, model, stream: true })
}

pub(crate) fn ended(id: u64, outcome: Outcome) -> Event {
    let after = Duration::from_secs(1);
    let told = Told { outcome, target: Some(target("ash")), after, ..Told::new(RequestId(id), "all") };
    Event::Core(Note::RequestEnded(Arc::new(told)))
}

pub(crate) fn attempt(id: u64, at: &str, number: u32, probe: bool) -> Event {
    Event::Core(Note::AttemptStarted { id: RequestId(id), target: target(at), number, probe })
}

pub(crate) fn twin(id: u64, at: &str, reason: &'static str) -> Event {
    Event::Core(Note::TwinStarted { id: RequestId(id), target: target(at), reason })
}

pub(crate) fn committed(id: u64, at: &str) -> Event {
    let after = Duration::from_secs(1);
    Event::Core(Note::Committed { id: RequestId(id), target: target(at), after })
}

pub(crate) fn failed(id: u64, at: &str, class: Class, hint_s: Option<u64>) -> Event {
    let failure = Failure { retry_after: hint_s.map(Duration::from_secs), ..Failure::new(class, "no") };
    let after = Duration::from_millis(1);
    Event::Core(Note::AttemptFailed { id: RequestId(id), target: target(at), number: 1, failure, after })
}

pub(crate) fn skipped(id: u64, at: &str) -> Event {
    let (id, target, gate) = (RequestId(id), target(at), Gate::Breaker);
    Event::Core(Note::Skipped { id, target, gate, retry_in: None })
}

pub(crate) fn circuit(at: &str, from: Circuit, to: Circuit, causes: &[u64]) -> Event {
    Event::Core(Note::CircuitChanged {
        target: target(at),
        from,
        to,
        reason: "consecutive_failures",
        open_for: Some(Duration::from_secs(5)),
        causes: causes.iter().copied().map(RequestId).collect(),
    })
}

pub(crate) fn began(call: u64, id: u64, at: &str) -> Event {
    Event::CallBegan { call, request: RequestId(id), target: target(at) }
}

pub(crate) fn call_ended(call: u64) -> Event {
    Event::CallEnded { call, end: CallEnd::Said }
}

pub(crate) fn heard(id: u64, heard: Heard) -> Event {
    Event::Heard(RequestId(id), heard)
}

/// A record of these events at these seconds, over one alias with two targets.
pub(crate) fn record(events: Vec<(f64, Event)>) -> Record {
    let entry = |(at, event)| Entry { at: Duration::from_secs_f64(at), event };
    Record {
        entries: events.into_iter().map(entry).collect(),
        aliases: [(Arc::from("all"), vec![target("ash"), target("birch")])].into(),
        providers: [(Arc::from("ash"), 0), (Arc::from("birch"), 1)].into(),
        longest: Duration::from_secs(120),
        first_content: Duration::from_secs(20),
        ..Record::default()
    }
}

/// A request that goes well, from 1 s to 2 s.
pub(crate) fn good(id: u64) -> Vec<(f64, Event)> {
    vec![
        (1.0, Event::Asked(order(id))),
        (1.0, started(id)),
        (1.0, attempt(id, "ash", 1, false)),
        (1.0, began(id, id, "ash")),
        (1.5, Event::CallStarted { call: id }),
        (2.0, call_ended(id)),
        (2.0, ended(id, Outcome::Primary)),
        (2.0, heard(id, whole())),
    ]
}

#[test]
fn a_good_record_pleases_every_checker() {
    let found = super::all(&record(good(1)));
    assert!(found.is_empty(), "{found:?}");
}
