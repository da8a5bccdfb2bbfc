use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::class::{Class, Failure};
use seawall_core::note::{Circuit, Gate, Note, Outcome};
use seawall_core::ports::Observer;
use seawall_core::record::Record;
use seawall_core::request::{Protocol, RequestId};
use seawall_core::target::TargetId;

use super::{LIVE_BUFFER, Notes, filter, log};

const ID: RequestId = RequestId(7);

fn story() -> Vec<Note> {
    let target = || TargetId::new("left", "m");
    let failure = Failure::new(Class::Overloaded, "busy");
    vec![
        Note::RequestStarted { id: ID, protocol: Protocol::Chat, model: "fast".into(), stream: false },
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
        Note::RequestEnded(Arc::new(Record {
            outcome: Outcome::Fallback,
            target: Some(target()),
            ..Record::new(ID, "chat")
        })),
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

/// What the lines of these notes say, as JSON.
fn lines(notes: &[Note]) -> String {
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);
    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let page = Page::default();
    let writer = page.clone();
    let lines = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(lines, || notes.iter().for_each(log::line));
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn what_a_provider_wrote_stays_out_but_for_a_short_code() {
    let mut failure = Failure::new(Class::ServerError, "secret words of the provider");
    failure.code = Some(format!("odd\ncode{}", "x".repeat(10_000)));
    let target = TargetId::new("left", "m");
    let text = lines(&[Note::AttemptFailed { id: ID, target, number: 1, failure, after: Duration::ZERO }]);
    assert!(text.contains(r#""class":"server_error""#) && text.contains("odd codexxx"), "{text}");
    assert!(!text.contains("secret") && text.len() < 500, "{text}");
}

#[test]
fn a_gate_that_needs_somebody_says_what_for() {
    let check = |gate: Gate, level: &str, says: &str| {
        let target = TargetId::new("left", "m");
        let text = lines(&[Note::GateClosed { target, gate, for_time: Duration::from_secs(1), id: ID }]);
        assert!(text.contains(&format!(r#""level":"{level}""#)) && text.contains(says), "{gate:?}: {text}");
    };
    check(Gate::Rate, "INFO", r#""message":"gate closed""#);
    check(Gate::Credential, "WARN", "refuses the configured credential; check the key");
    check(Gate::Quota, "WARN", "allowance is used up");
    check(Gate::MissingModel, "WARN", "does not know the model");
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
