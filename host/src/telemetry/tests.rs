use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use seawall_core::class::{Class, Failure};
use seawall_core::event::Usage;
use seawall_core::note::{Circuit, Gate, HedgeEnd, Note, Outcome};
use seawall_core::ports::{Observer, PluginRef, TemplateRef};
use seawall_core::random::Random;
use seawall_core::record::{Attempted, End, Price, Purpose, Record, Twin};
use seawall_core::request::{Protocol, RequestId};
use seawall_core::splice::{Mode, Splice};
use seawall_core::target::TargetId;

use super::event::{self, Object, Teller};
use super::figures::{Counter, Histogram, REQUEST_TIMES, Sheet};
use super::{LIVE_BUFFER, Notes, filter, names, prometheus};
use crate::config::{Config, Environment, Source};
use crate::lanes::Lanes;

const ID: RequestId = RequestId(7);

const CONFIG: &str = r#"
    [state]
    dir = "unused"
    [providers.left]
    adapter = "x"
    [providers.right]
    adapter = "x"
    [models.fast]
    targets = ["left/m", "right/m"]
"#;

fn left() -> TargetId {
    TargetId::new("left", "m")
}

fn right() -> TargetId {
    TargetId::new("right", "m")
}

/// A call that took so long.
fn call(target: TargetId, purpose: Purpose, end: End, took_ms: u64) -> Attempted {
    let took = Duration::from_millis(took_ms);
    Attempted { end, took, ..Attempted::new(target, PluginRef::made_up("a"), purpose) }
}

/// A request whose first target is overloaded and whose second one answers.
pub(super) fn record(id: RequestId) -> Record {
    let failure = Failure { status: Some(529), ..Failure::new(Class::Overloaded, "busy") };
    let tokens = Usage { input_tokens: 300, output_tokens: 20, ..Usage::default() };
    let answered = Attempted {
        first_content: Some(Duration::from_millis(200)),
        tokens: Some(tokens.clone()),
        price: Price { input_per_1m: Some(1.0), output_per_1m: Some(10.0) },
        began: Duration::from_millis(30),
        ..call(right(), Purpose::Turn, End::Answered, 900)
    };
    Record {
        stream: true,
        attempts: vec![call(left(), Purpose::Turn, End::from(&failure), 25), answered],
        outcome: Outcome::Fallback,
        target: Some(right()),
        committed: Some(Duration::from_millis(230)),
        after: Duration::from_millis(930),
        usage: Some(tokens),
        ..Record::new(id, "fast")
    }
}

/// One of everything that can be noted.
fn story() -> Vec<Note> {
    let failure = Failure { status: Some(529), ..Failure::new(Class::Overloaded, "busy") };
    let (id, after) = (ID, Duration::from_millis(25));
    let splice = Splice { from: left(), to: right(), at_char: 12, mode: Mode::Prefill };
    let twin = call(left(), Purpose::Twin("resting"), End::from(&failure), 40);
    let causes = || vec![ID];
    let template = TemplateRef { name: "small".into(), version: "1f".into() };
    vec![
        Note::RequestStarted { id, protocol: Protocol::Chat, model: "fast".into(), stream: true },
        Note::RequestRefused {
            id,
            protocol: Protocol::Chat,
            status: 404,
            code: "model_not_found".to_owned(),
            after,
            trace: None,
        },
        Note::Skipped { id, target: left(), gate: Gate::Rate, retry_in: Some(after) },
        Note::AttemptStarted { id, target: left(), number: 1, probe: true },
        Note::AttemptFailed { id, target: left(), number: 1, failure, after },
        Note::AttemptStarted { id, target: right(), number: 2, probe: false },
        Note::HedgeStarted { id, target: right(), late: left(), rescue: true, after },
        Note::HedgeEnded { id, target: right(), end: HedgeEnd::Won, wasted_tokens: 11 },
        Note::TwinStarted { id, target: left(), reason: "resting" },
        Note::TwinEnded { id, twin: Arc::new(Twin::new(twin)) },
        Note::RoundStarted { id, round: 2, pause: after },
        Note::Committed { id, target: right(), after },
        Note::Spliced { id, splice },
        Note::RequestEnded(Arc::new(record(ID))),
        Note::CircuitChanged {
            target: left(),
            from: Circuit::Closed,
            to: Circuit::Open,
            reason: "consecutive",
            open_for: Some(after),
            causes: causes(),
        },
        Note::WouldOpen { target: left(), reason: "rate", causes: causes() },
        Note::GateClosed { target: left(), gate: Gate::Credential, for_time: after, id },
        Note::FaultInjected {
            id,
            target: left(),
            kind: "outage".to_owned(),
            action: "fail",
            experiment: Some("drill".into()),
        },
        Note::PromptFailed { id, target: left(), template, message: "no".to_owned() },
        Note::PluginFault { id, target: left(), code: "P040", message: "no".to_owned() },
    ]
}

fn told() -> Notes {
    told_to(CONFIG)
}

fn told_to(config: &str) -> Notes {
    let notes = Notes::new();
    let config = Config::parse(Source::new("t", config), std::path::Path::new(""), &Environment::fixed([]));
    notes.configure(&config.unwrap());
    story().into_iter().for_each(|note| notes.note(note));
    notes
}

fn page(notes: &Notes) -> String {
    let mut sheet = Sheet::default();
    notes.gather(&mut sheet, &|provider| (provider == "right").then(|| "vendor".to_owned()));
    prometheus::text(sheet).unwrap()
}

/// Everything that is told of one of everything, word by word: a name that changes shows here and in the table of the
/// documentation.
#[test]
fn names_change_only_in_sight() {
    let docs = include_str!("../../docs/telemetry.md");
    assert!(docs.contains(&names::table()), "host/docs/telemetry.md wants this table:\n{}", names::table());
    let events: Vec<String> = story()
        .iter()
        .map(|note| {
            let mut object = Object::new();
            event::tell(note, &mut Teller::Json(&mut object));
            String::from_utf8(object.finish()).unwrap()
        })
        .collect();
    let events = format!("{}\n", events.join("\n"));
    let kept = include_str!("tests/events.ndjson");
    assert!(events == kept, "host/src/telemetry/tests/events.ndjson wants these lines:\n{events}");
    let series: String = page(&told())
        .lines()
        .filter(|line| !line.contains("_bucket{"))
        .fold(String::new(), |all, line| all + line + "\n");
    let kept = include_str!("tests/metrics.txt");
    assert!(series == kept, "host/src/telemetry/tests/metrics.txt wants these lines:\n{series}");
}

#[test]
fn sums_are_read_off_the_same_counters() {
    let totals = told().totals().unwrap();
    assert_eq!((totals.requests_started, totals.attempts, totals.probes), (1, 2, 1));
    assert_eq!(totals.attempts_failed.get("overloaded"), Some(&1));
    assert_eq!(totals.requests_ended.get("fallback"), Some(&1));
    assert_eq!(totals.requests_ended.len(), 1, "labels that never occurred are left out");
    assert_eq!((totals.breakers_opened, totals.gates_closed), (1, 1));
    assert_eq!(
        (totals.hedges, totals.rescues, totals.hedges_won, totals.wasted_prompt_tokens),
        (1, 1, 1, 11)
    );
    assert_eq!((totals.twins, totals.second_rounds), (1, 1));
    assert_eq!((totals.faults_injected, totals.plugin_faults), (1, 1));
}

#[test]
fn who_does_not_want_it_counted_gets_no_zeroes() {
    let notes = told_to(&format!("[metrics]\ncount = false\n{CONFIG}"));
    drop(notes.http().enter(Protocol::Chat, &HeaderMap::new(), &Random::seeded(1)));
    assert!(notes.totals().is_none());
    let text = page(&notes);
    assert!(!text.contains("requests") && !text.contains("gen_ai"), "{text}");
}

/// A client can name any model of a provider, and any alias; neither makes a series.
#[test]
fn what_clients_make_up_makes_no_series() {
    let notes = told();
    let before = page(&notes).lines().count();
    let name = |number: u32| format!("made-up-{number}");
    let end = |number: u32| {
        let target = TargetId::new("left", name(number));
        notes.note(Note::AttemptStarted { id: ID, target: target.clone(), number: 1, probe: false });
        let stranger = call(TargetId::new(name(number), "m"), Purpose::Turn, End::Answered, 5);
        let attempts = vec![call(target, Purpose::Turn, End::Answered, 5), stranger];
        notes.note(Note::RequestEnded(Arc::new(Record { attempts, ..Record::new(ID, name(number)) })));
    };
    end(0);
    let with_others = page(&notes).lines().count();
    (1..500).for_each(end);
    let text = page(&notes);
    assert_eq!(text.lines().count(), with_others);
    assert!(before < with_others && !text.contains("made-up"), "{text}");
    assert!(text.contains(r#"seawall_attempts_total{target="left/other",result="answered"} 500"#), "{text}");
    assert!(text.contains(r#"seawall_requests_total{alias="other",outcome="cancelled"} 500"#), "{text}");
}

#[test]
fn lanes_are_read_as_one() {
    let lanes = Lanes::<OnceLock<(Counter, Histogram)>>::default();
    assert_eq!(lanes.spread(|lane| lane.get().map(|(_, times)| times)), None);
    let count = || {
        let (counter, times) =
            lanes.mine().get_or_init(|| (Counter::default(), Histogram::new(&REQUEST_TIMES)));
        counter.one();
        times.took(Duration::from_millis(7));
    };
    std::thread::scope(|scope| (0..64).for_each(|_| drop(scope.spawn(count))));
    let spread = lanes.spread(|lane| lane.get().map(|(_, times)| times)).unwrap();
    assert_eq!((spread.count(), spread.counts[1]), (64, 64));
    assert!((spread.sum - 0.448).abs() < 1e-9);
    let used: u64 = lanes.all().filter_map(OnceLock::get).map(|(counter, _)| counter.get()).sum();
    assert_eq!(used, 64);
}

#[test]
fn buckets_hold_what_is_at_most_as_large() {
    let text = page(&told());
    let line = |le: &str| {
        let labels = r#"gen_ai_operation_name="chat",gen_ai_provider_name="vendor",gen_ai_request_model="m""#;
        format!(r#"gen_ai_client_operation_duration_seconds_bucket{{{labels},le="{le}"}}"#)
    };
    for (le, count) in [("0.64", 0), ("1.28", 1), ("81.92", 1), ("+Inf", 1)] {
        // The exposition's labels may stand in either order.
        let found = text.lines().find(|found| {
            let le = format!(r#"le="{le}""#);
            found.starts_with("gen_ai_client_operation_duration_seconds_bucket")
                && found.contains(&le)
                && found.contains(r#"gen_ai_provider_name="vendor""#)
        });
        assert!(found.is_some_and(|found| found.ends_with(&format!(" {count}"))), "{} in {text}", line(le));
    }
}

#[tokio::test]
async fn a_slow_listener_loses_the_oldest_and_blocks_nobody() {
    let notes = Notes::new();
    let mut listener = notes.subscribe();
    for _ in 0..LIVE_BUFFER {
        story().into_iter().for_each(|note| notes.note(note));
    }
    assert!(listener.recv().await.is_err(), "it is told that it lagged");
    assert!(listener.recv().await.is_ok(), "and goes on from what is kept");
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
    let lines = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let tell = || notes.iter().for_each(|note| event::tell(note, &mut Teller::Log));
    tracing::subscriber::with_default(lines, tell);
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

/// Each line has the members of its event, and they say the same.
#[test]
fn log_lines_say_what_events_say() {
    for note in story() {
        let line: serde_json::Value = serde_json::from_str(&lines(std::slice::from_ref(&note))).unwrap();
        let mut object = Object::new();
        event::tell(&note, &mut Teller::Json(&mut object));
        let event: serde_json::Value = serde_json::from_slice(&object.finish()).unwrap();
        let fields = line["fields"].as_object().unwrap();
        for (name, value) in fields.iter().filter(|(name, _)| *name != "message") {
            assert_eq!(event.get(name), Some(value), "`{name}` of {event}");
        }
    }
}

#[test]
fn what_a_provider_wrote_stays_out_but_for_a_short_code() {
    let mut failure = Failure::new(Class::ServerError, "secret words of the provider");
    failure.code = Some(format!("odd\ncode{}", "x".repeat(10_000)));
    let text =
        lines(&[Note::AttemptFailed { id: ID, target: left(), number: 1, failure, after: Duration::ZERO }]);
    assert!(text.contains(r#""class":"server_error""#) && text.contains("odd codexxx"), "{text}");
    assert!(!text.contains("secret") && text.len() < 500, "{text}");
}

#[test]
fn a_gate_that_needs_somebody_says_what_for() {
    let check = |gate: Gate, level: &str, says: &str| {
        let text =
            lines(&[Note::GateClosed { target: left(), gate, for_time: Duration::from_secs(1), id: ID }]);
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
