use seawall_core::class::{Class, Failure};
use seawall_core::ports::PluginRef;
use seawall_core::record::{Attempted, Purpose};
use seawall_core::request::Protocol;

use super::*;

const ID: RequestId = RequestId(0x1234_9f3a);

fn started(id: u64) -> Note {
    Note::RequestStarted { id: RequestId(id), protocol: Protocol::Chat, model: "chat".into(), stream: false }
}

fn attempt(target: &str, number: u32) -> Note {
    Note::AttemptStarted { id: ID, target: TargetId::parse(target).unwrap(), number, probe: false }
}

fn failed(target: &str) -> Note {
    let mut failure = Failure::new(Class::Overloaded, "busy");
    failure.status = Some(503);
    let target = TargetId::parse(target).unwrap();
    Note::AttemptFailed { id: ID, target, number: 1, failure, after: Duration::from_millis(3) }
}

fn ended(outcome: Outcome, target: Option<&str>, attempts: u32) -> Note {
    let called = || Attempted::new(TargetId::new("one", "m"), PluginRef::made_up("a"), Purpose::Turn);
    Note::RequestEnded(Arc::new(Record {
        outcome,
        target: target.and_then(TargetId::parse),
        attempts: (0..attempts).map(|_| called()).collect(),
        after: Duration::from_millis(1234),
        class: (outcome == Outcome::Failed).then_some(Class::Overloaded),
        ..Record::new(ID, "chat")
    }))
}

fn changed(target: &str, to: Circuit, open_for: Option<Duration>, causes: Vec<RequestId>) -> Note {
    let (target, from) = (TargetId::parse(target).unwrap(), Circuit::Closed);
    Note::CircuitChanged { target, from, to, reason: "consecutive_failures", open_for, causes }
}

#[track_caller]
fn check(notes: &[Note], expected: &[&str]) {
    let mut narrator = Narrator::new(Paint::Off);
    let at = UNIX_EPOCH + Duration::from_secs(10 * 3600 + 2 * 60 + 11);
    let told: Vec<String> = notes.iter().flat_map(|note| narrator.tell(note, at)).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_request_that_goes_well_is_one_line() {
    check(
        &[started(ID.0), attempt("one/m", 1), ended(Outcome::Primary, Some("one/m"), 1)],
        &["10:02:11 req_9f3a chat: one/m answered in 1.2 s, 1 call"],
    );
}

#[test]
fn a_failure_and_the_next_try_are_one_line() {
    check(
        &[
            started(ID.0),
            attempt("one/m", 1),
            failed("one/m"),
            attempt("two/n", 2),
            ended(Outcome::Fallback, Some("two/n"), 2),
        ],
        &[
            "10:02:11 req_9f3a chat: one/m failed: overloaded (503) after 3 ms; trying two/n",
            "10:02:11 req_9f3a chat: two/n answered as a fallback in 1.2 s, 2 calls",
        ],
    );
}

#[test]
fn what_was_passed_over_is_told_with_what_is_tried_instead() {
    let skipped = Note::Skipped {
        id: ID,
        target: TargetId::new("one", "m"),
        gate: Gate::Breaker,
        retry_in: Some(Duration::from_secs(4)),
    };
    check(
        &[started(ID.0), skipped, attempt("two/n", 1)],
        &["10:02:11 req_9f3a chat: one/m skipped: its breaker is open, 4.0 s to go; trying two/n"],
    );
}

#[test]
fn the_last_failure_is_told_at_the_end() {
    check(
        &[started(ID.0), attempt("one/m", 1), failed("one/m"), ended(Outcome::Failed, None, 1)],
        &[
            "10:02:11 req_9f3a chat: one/m failed: overloaded (503) after 3 ms; no answer: overloaded in 1.2 s, 1 call",
        ],
    );
}

#[test]
fn breakers_are_told_in_words() {
    let change = |to, open_for| changed("one/m", to, open_for, vec![]);
    check(
        &[
            change(Circuit::Open, Some(Duration::from_secs(5))),
            change(Circuit::HalfOpen, None),
            change(Circuit::Closed, None),
        ],
        &[
            "10:02:11 breaker of one/m opens for 5.0 s (consecutive failures)",
            "10:02:11 breaker of one/m half open: one call may test it (consecutive failures)",
            "10:02:11 breaker of one/m closes, it is healthy again (consecutive failures)",
        ],
    );
}

#[test]
fn a_breaker_is_told_after_what_changed_it() {
    check(
        &[
            started(ID.0),
            attempt("one/m", 1),
            changed("one/m", Circuit::Open, Some(Duration::from_secs(5)), vec![RequestId(1), ID]),
            failed("one/m"),
            attempt("two/n", 2),
        ],
        &[
            "10:02:11 req_9f3a chat: one/m failed: overloaded (503) after 3 ms; trying two/n",
            "10:02:11 breaker of one/m opens for 5.0 s (consecutive failures)",
        ],
    );
    let testing = Note::AttemptStarted { id: ID, target: TargetId::new("one", "m"), number: 1, probe: true };
    let committed =
        Note::Committed { id: ID, target: TargetId::new("one", "m"), after: Duration::from_millis(3) };
    check(
        &[
            started(ID.0),
            changed("one/m", Circuit::HalfOpen, None, vec![ID]),
            testing,
            changed("one/m", Circuit::Closed, None, vec![ID]),
            committed,
        ],
        &[
            "10:02:11 breaker of one/m half open: one call may test it (consecutive failures)",
            "10:02:11 req_9f3a chat: one/m is being tested; one/m answers",
            "10:02:11 breaker of one/m closes, it is healthy again (consecutive failures)",
        ],
    );
}

#[test]
fn a_healed_target_is_not_said_to_be_broken() {
    let skipped = Note::Skipped {
        id: ID,
        target: TargetId::new("one", "m"),
        gate: Gate::Breaker,
        retry_in: Some(Duration::from_millis(100)),
    };
    check(
        &[changed("one/m", Circuit::Closed, None, vec![]), started(ID.0), skipped, attempt("two/n", 1)],
        &[
            "10:02:11 breaker of one/m closes, it is healthy again (consecutive failures)",
            "10:02:11 req_9f3a chat: one/m skipped: it gets its traffic back step by step, 100 ms to go; trying two/n",
        ],
    );
}

#[test]
fn memory_is_bounded_and_the_forgotten_are_still_told() {
    let mut narrator = Narrator::new(Paint::Off);
    narrator.tell(&started(ID.0), UNIX_EPOCH);
    for id in 0..10_000 {
        narrator.tell(&started(id), UNIX_EPOCH);
    }
    assert_eq!(narrator.under_way.len(), MEMORY);
    let line = narrator.tell(&failed("one/m"), UNIX_EPOCH);
    assert_eq!(line, ["00:00:00 req_9f3a one/m failed: overloaded (503) after 3 ms"]);
    for target in 0..10_000 {
        narrator.tell(&changed(&format!("p/{target}"), Circuit::Open, None, vec![]), UNIX_EPOCH);
    }
    assert_eq!(narrator.circuits.len(), BREAKERS);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let mut narrator = Narrator::new(Paint::On);
    narrator.tell(&started(ID.0), UNIX_EPOCH);
    let lines = narrator.tell(&ended(Outcome::Primary, Some("one/m"), 1), UNIX_EPOCH);
    assert!(lines.concat().contains("\x1b[32mone/m answered\x1b[0m"), "{lines:?}");
}
