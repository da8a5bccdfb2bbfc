use std::time::Duration;

use seawall_core::class::{Class, Failure};
use seawall_core::note::{Circuit, Note, Outcome};
use seawall_core::ports::Observer;
use seawall_core::request::{Protocol, RequestId};
use seawall_core::target::TargetId;

use super::{LIVE_BUFFER, Notes, filter};

const ID: RequestId = RequestId(7);

fn story() -> Vec<Note> {
    let target = || TargetId::new("left", "m");
    let failure = Failure::new(Class::Overloaded, "busy");
    vec![
        Note::RequestStarted { id: ID, protocol: Protocol::Chat, model: "fast".to_owned(), stream: false },
        Note::AttemptStarted { id: ID, target: target(), number: 1, probe: true },
        Note::AttemptFailed { id: ID, target: target(), number: 1, failure, after: Duration::ZERO },
        Note::CircuitChanged {
            target: target(),
            from: Circuit::Closed,
            to: Circuit::Open,
            reason: "consecutive",
            open_for: None,
            causes: vec![ID],
        },
        Note::RequestEnded {
            id: ID,
            outcome: Outcome::Fallback,
            target: Some(target()),
            attempts: 2,
            after: Duration::ZERO,
            class: None,
            usage: None,
        },
    ]
}

#[test]
fn counts_by_label() {
    let notes = Notes::new();
    story().into_iter().for_each(|note| notes.note(note));
    let totals = notes.totals();
    assert_eq!((totals.requests_started, totals.attempts, totals.probes), (1, 1, 1));
    assert_eq!(totals.attempts_failed.get("overloaded"), Some(&1));
    assert_eq!(totals.requests_ended.get("fallback"), Some(&1));
    assert_eq!(totals.requests_ended.len(), 1, "labels that never occurred are left out");
    assert_eq!(totals.breakers_opened, 1);
}

#[tokio::test]
async fn a_slow_watcher_loses_the_oldest_and_blocks_nobody() {
    let notes = Notes::new();
    let mut watcher = notes.subscribe();
    for _ in 0..LIVE_BUFFER {
        story().into_iter().for_each(|note| notes.note(note));
    }
    assert!(watcher.recv().await.is_err(), "it is told that it lagged");
    assert!(watcher.recv().await.is_ok(), "and goes on from what is kept");
}

#[test]
fn libraries_that_could_quote_content_stay_quiet_unless_named() {
    let check = |wanted: &str, expect: &str| {
        let filter = filter(wanted).to_string();
        assert!(filter.split(',').any(|directive| directive == expect), "{wanted:?} gave {filter}");
    };
    check("", "info");
    check("debug", "debug");
    check("debug", "hyper=warn");
    check("debug", "h2=warn");
    check("hyper=trace", "hyper=trace");
}
