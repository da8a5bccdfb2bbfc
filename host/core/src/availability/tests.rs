use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::note::HedgeEnd;
use crate::ports::PluginRef;
use crate::record::{Attempted, End, Injected, Injection, Purpose, Twin};
use crate::request::RequestId;
use crate::settings::AliasTarget;

fn id(name: &str) -> TargetId {
    TargetId::new(name, "m")
}

fn alias(name: &str, targets: &[(&str, &[&str])]) -> Arc<Alias> {
    let target = |(provider, domains): &(&str, &[&str])| {
        let domains = domains.iter().map(|domain| Arc::from(*domain)).collect();
        AliasTarget { domains, ..AliasTarget::new(id(provider)) }
    };
    Arc::new(Alias::new(name, targets.iter().map(target).collect()))
}

/// Plain targets, no domains.
fn watched(targets: &[&str], now: Instant) -> Availability {
    let availability = Availability::new();
    let targets: Vec<(&str, &[&str])> = targets.iter().map(|name| (*name, [].as_slice())).collect();
    availability.configure([&alias("chat", &targets)], now);
    availability
}

/// In the order of the calls; the first one unprompted.
fn tried(turns: &[(&str, Verdict)]) -> Vec<Tried> {
    let turn = |(place, (name, verdict)): (usize, &(&str, Verdict))| Tried {
        target: id(name),
        unprompted: place == 0,
        verdict: *verdict,
    };
    turns.iter().enumerate().map(turn).collect()
}

fn ended(model: &str, outcome: Outcome, class: Option<Class>, turns: &[(&str, Verdict)]) -> Note {
    let record = Record { outcome, class, tried: tried(turns), ..Record::new(RequestId(1), model) };
    Note::RequestEnded(Arc::new(record))
}

fn called(name: &str, purpose: Purpose, injection: Option<Injection>) -> Attempted {
    Attempted {
        injection,
        end: End::Answered,
        ..Attempted::new(id(name), PluginRef::made_up("test"), purpose)
    }
}

const SERVED: Verdict = Verdict::Served;
const DOWN: Verdict = Verdict::Failed(Class::ServerError);

fn served(turns: &[(&str, Verdict)]) -> Note {
    ended("chat", Outcome::Primary, None, turns)
}

fn failed(turns: &[(&str, Verdict)]) -> Note {
    ended("chat", Outcome::Failed, Some(Class::ServerError), turns)
}

fn repeat(availability: &Availability, times: u32, note: &Note, now: Instant) {
    for _ in 0..times {
        availability.note(note, now);
    }
}

/// Of the one alias, over thirty days.
fn month(availability: &Availability, now: Instant) -> Prediction {
    availability.report(now).aliases[0].availability.month
}

fn alone(availability: &Availability, place: usize, now: Instant) -> Estimate {
    availability.report(now).aliases[0].targets[place].availability.month
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 0.003)
}

/// Of 1000 requests `a` loses 300; of those `b` loses 150, although by itself it loses one of five.
fn correlated(now: Instant) -> Availability {
    let availability = watched(&["a", "b"], now);
    repeat(&availability, 700, &served(&[("a", SERVED)]), now);
    repeat(&availability, 150, &served(&[("a", DOWN), ("b", SERVED)]), now);
    repeat(&availability, 150, &failed(&[("a", DOWN), ("b", DOWN)]), now);
    repeat(&availability, 800, &ended("b/m", Outcome::Primary, None, &[("b", SERVED)]), now);
    repeat(&availability, 200, &ended("b/m", Outcome::Failed, Some(Class::Connect), &[("b", DOWN)]), now);
    availability
}

#[tokio::test(start_paused = true)]
async fn the_three_figures_stand_side_by_side_and_their_differences_have_names() {
    let now = Instant::now();
    let found = month(&correlated(now), now);
    assert!(near(found.independent.value, 0.94), "{found:?}");
    assert!(near(found.chain.estimate.value, 0.85), "{found:?}");
    assert!(near(found.observed.value, 0.85), "{found:?}");
    assert!(near(found.cost_of_correlation, 0.09), "{found:?}");
    assert!(near(found.cost_of_own_logic, 0.0), "{found:?}");
    assert_eq!((found.chain.steps, found.chain.at_least), (2, false));
    for estimate in [found.independent, found.chain.estimate, found.observed] {
        assert!(estimate.low < estimate.value && estimate.value < estimate.high, "{estimate:?}");
    }
    assert!(found.independent.distance(&found.observed) > Some(1.0));
    assert!(found.chain.estimate.distance(&found.observed) < Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_judged_alone_only_by_calls_that_nobody_elses_failure_caused() {
    let now = Instant::now();
    let availability = watched(&["a", "b"], now);
    repeat(&availability, 100, &served(&[("a", DOWN), ("b", SERVED)]), now);
    assert!(alone(&availability, 1, now).too_few);
    assert!(month(&availability, now).independent.too_few);
    assert!(!month(&availability, now).chain.estimate.too_few);

    let twin = Note::TwinEnded {
        id: RequestId(1),
        twin: Arc::new(Twin::new(called("b", Purpose::Twin("probe"), None))),
    };
    repeat(&availability, 30, &twin, now);
    assert!(!month(&availability, now).independent.too_few);
}

#[tokio::test(start_paused = true)]
async fn under_thirty_samples_nothing_is_said_but_how_many_there_are() {
    let now = Instant::now();
    let availability = watched(&["a"], now);
    repeat(&availability, 29, &served(&[("a", SERVED)]), now);
    let few = alone(&availability, 0, now);
    assert_eq!((few.too_few, few.samples, few.value, few.low), (true, 29.0, None, None));
    let shown = serde_json::to_value(few).unwrap();
    assert_eq!(shown, serde_json::json!({"samples": 29.0, "too_few": true}));

    availability.note(&served(&[("a", SERVED)]), now);
    let enough = alone(&availability, 0, now);
    assert!(!enough.too_few && enough.value < Some(1.0), "never sure: {enough:?}");
}

#[tokio::test(start_paused = true)]
async fn old_ends_fade_by_half_in_each_half_life() {
    let now = Instant::now();
    let availability = watched(&["a"], now);
    repeat(&availability, 1_000, &failed(&[("a", DOWN)]), now);
    for (later, minutes, hour) in [(0, 1_000.0, 1_000.0), (300, 500.0, 943.9), (3_600, 0.2, 500.0)] {
        let report = availability.report(now + Duration::from_secs(later));
        let found = report.aliases[0].availability;
        assert!((found.minutes.observed.samples - minutes).abs() < 0.1, "{found:?}");
        assert!((found.hour.observed.samples - hour).abs() < 0.1, "{found:?}");
    }
    let hour = now + Duration::from_hours(1);
    repeat(&availability, 1_000, &served(&[("a", SERVED)]), hour);
    let found = availability.report(hour).aliases[0].availability;
    assert!(found.minutes.observed.value > Some(0.99), "recovered: {found:?}");
    assert!(found.month.observed.value < Some(0.51), "not forgotten: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_known_only_in_part_says_at_least() {
    let now = Instant::now();
    let availability = watched(&["a", "b", "c"], now);
    repeat(&availability, 900, &served(&[("a", SERVED)]), now);
    repeat(&availability, 90, &served(&[("a", DOWN), ("b", SERVED)]), now);
    repeat(&availability, 10, &served(&[("a", DOWN), ("b", DOWN), ("c", SERVED)]), now);
    let found = month(&availability, now);
    assert_eq!((found.chain.steps, found.chain.at_least), (2, true));
    assert!(near(found.chain.estimate.value, 0.99), "{found:?}");
    assert_eq!((found.cost_of_correlation, found.cost_of_own_logic), (None, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_to_have_failed_breaks_the_chain() {
    let now = Instant::now();
    let availability = watched(&["a", "b"], now);
    // A lost race, a rate limit.
    for verdict in [Verdict::Unknown, Verdict::Failed(Class::RateLimited)] {
        repeat(&availability, 100, &served(&[("a", verdict), ("b", SERVED)]), now);
    }
    let found = month(&availability, now);
    assert!(found.chain.estimate.too_few && !found.observed.too_few, "{found:?}");
    assert!(alone(&availability, 0, now).too_few);
}

/// The class table decides, by what a breaker would hear.
#[test]
fn only_what_says_something_about_the_provider_counts_against_it() {
    let counted: Vec<Class> = Class::ALL.into_iter().filter(|class| counts_against(*class)).collect();
    let expected = [
        Class::Overloaded,
        Class::ServerError,
        Class::Connect,
        Class::TimeoutConnect,
        Class::TimeoutFirstToken,
        Class::TimeoutStall,
        Class::StreamBroken,
        Class::Malformed,
        Class::EmptyAnswer,
    ];
    assert_eq!(counted, expected);
}

#[test]
fn what_a_client_saw_leaves_out_what_was_its_own_doing() {
    for (outcome, class, expected) in [
        (Outcome::Primary, None, Some(true)),
        (Outcome::Fallback, None, Some(true)),
        (Outcome::Cancelled, None, None),
        (Outcome::Failed, None, Some(false)),
        (Outcome::Failed, Some(Class::RateLimited), Some(false)),
        (Outcome::Failed, Some(Class::TimeoutTotal), Some(false)),
        (Outcome::Interrupted, Some(Class::StreamBroken), Some(false)),
        (Outcome::Failed, Some(Class::BadRequest), None),
        (Outcome::Failed, Some(Class::ContentFilter), None),
        (Outcome::Failed, Some(Class::ContextLength), None),
        (Outcome::Failed, Some(Class::ModelNotFound), None),
    ] {
        assert_eq!(seen(outcome, class), expected, "{outcome:?} {class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn targets_that_share_a_domain_or_fail_together_are_named() {
    let now = Instant::now();
    let availability = Availability::new();
    let three: [(&str, &[&str]); 3] = [("a", &["eu", "vendor"]), ("b", &["us", "vendor"]), ("c", &[])];
    availability.configure([&alias("chat", &three)], now);
    let shared = Overlap::SharedDomain {
        targets: ["a/m".to_owned(), "b/m".to_owned()],
        domains: vec![Arc::from("vendor")],
    };
    assert_eq!(availability.report(now).aliases[0].overlaps, [shared]);

    let overlaps = correlated(now).report(now).aliases[0].overlaps.clone();
    let [Overlap::FailTogether { targets, alone, after, taken_along }] = overlaps.as_slice() else {
        panic!("{overlaps:?}");
    };
    assert_eq!(*targets, ["a/m", "b/m"]);
    assert!(near(Some(*alone), 0.2) && near(Some(*after), 0.5) && near(Some(*taken_along), 0.375));
}

#[tokio::test(start_paused = true)]
async fn independent_targets_are_no_pair() {
    let now = Instant::now();
    let availability = watched(&["a", "b"], now);
    repeat(&availability, 240, &served(&[("a", DOWN), ("b", SERVED)]), now);
    repeat(&availability, 60, &failed(&[("a", DOWN), ("b", DOWN)]), now);
    repeat(&availability, 800, &ended("b/m", Outcome::Primary, None, &[("b", SERVED)]), now);
    repeat(&availability, 200, &ended("b/m", Outcome::Failed, Some(Class::Connect), &[("b", DOWN)]), now);
    assert_eq!(availability.report(now).aliases[0].overlaps, []);
}

#[tokio::test(start_paused = true)]
async fn requests_that_met_an_injected_fault_are_in_no_figure() {
    let now = Instant::now();
    let availability = watched(&["a"], now);
    let injection = Injection::default();
    injection.is(Injected {
        fault: 1,
        kind: "outage".to_owned(),
        action: "status",
        teach: false,
        experiment: None,
    });
    let attempts = vec![called("a", Purpose::Turn, Some(injection.clone()))];
    let Note::RequestEnded(record) = failed(&[("a", DOWN)]) else { unreachable!() };
    let injected = Note::RequestEnded(Arc::new(Record { attempts, ..(*record).clone() }));
    repeat(&availability, 50, &injected, now);
    let twin = called("a", Purpose::Twin("probe"), Some(injection));
    repeat(&availability, 50, &Note::TwinEnded { id: RequestId(2), twin: Arc::new(Twin::new(twin)) }, now);
    availability.note(&served(&[("a", SERVED)]), now);
    let report = availability.report(now);
    assert_eq!(report.left_out_injected, 50);
    assert!(report.aliases[0].availability.month.observed.samples < 1.5);
}

#[tokio::test(start_paused = true)]
async fn names_that_clients_make_up_are_not_remembered() {
    let now = Instant::now();
    let availability = watched(&["a"], now);
    for number in 0..10_000_u64 {
        let name = format!("made/up-{number}");
        availability.note(&ended(&name, Outcome::Primary, None, &[(&name, SERVED)]), now);
    }
    let book = availability.lock();
    assert_eq!((book.aliases.len(), book.alone.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_keeps_what_is_still_true() {
    let now = Instant::now();
    let availability = watched(&["a", "b"], now);
    repeat(&availability, 100, &served(&[("a", SERVED)]), now);
    availability.configure([&alias("chat", &[("a", &["eu"]), ("b", &["eu"])])], now);
    let report = availability.report(now);
    assert!(!report.aliases[0].availability.month.observed.too_few);
    assert_eq!(report.aliases[0].overlaps.len(), 1, "domains are the new ones");

    availability.configure([&alias("chat", &[("b", &[]), ("a", &[])])], now);
    let report = availability.report(now);
    assert!(report.aliases[0].availability.month.observed.too_few, "another order, another chain");
    assert!(!report.aliases[0].targets[1].availability.month.too_few, "a target is what it was");
}

#[tokio::test(start_paused = true)]
async fn other_notes_say_nothing_here() {
    let now = Instant::now();
    let availability = watched(&["a"], now);
    let note = Note::HedgeEnded { id: RequestId(1), target: id("a"), end: HedgeEnd::Won, wasted_tokens: 1 };
    repeat(&availability, 100, &note, now);
    assert_eq!(alone(&availability, 0, now).samples, 0.0);
}
