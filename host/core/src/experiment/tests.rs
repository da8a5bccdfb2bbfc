//! Experiments in virtual time, through the whole core: real cascades, breakers and gates over scripted providers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Action, ExperimentReport, Lab, Press, Scenario, Setting, StartError, Verdict, page};
use crate::fault::FaultMatch;
use crate::request::{Protocol, Request, RequestId};
use crate::testing::{World, alias, request};

/// A world, a lab, and clients who ask every 100 ms.
struct Trial {
    world: World,
    lab: Arc<Lab>,
    heard: usize,
}

impl Trial {
    fn new() -> Self {
        Self { world: World::new(&["a", "b"]), lab: Arc::new(Lab::new()), heard: 0 }
    }

    fn setting(&self) -> Setting {
        Setting {
            chaos: Arc::clone(&self.world.engine.chaos),
            plugins: Arc::clone(&self.world.engine.plugins),
            clock: Arc::clone(&self.world.engine.clock),
            aliases: vec![Arc::new(alias(&["a", "b"]))],
            config: "c0ffee".into(),
        }
    }

    /// Starts it and asks until it has ended; `act` is called before each request.
    async fn run(
        &mut self,
        scenario: Scenario,
        mut act: impl FnMut(&Lab, Duration),
    ) -> Arc<ExperimentReport> {
        let run = self.lab.start(scenario, self.setting()).await.unwrap();
        let id = run.id();
        let mut driven = JoinSet::new();
        driven.spawn(run.drive(Arc::clone(&self.lab)));
        let (began, mut number) = (Instant::now(), 0);
        while driven.try_join_next().is_none() {
            act(&self.lab, began.elapsed());
            number += 1;
            let asked = Request { id: RequestId(number), ..request(Protocol::Chat, false) };
            self.world.answer(&asked, &alias(&["a", "b"])).await;
            self.hear();
            sleep(Duration::from_millis(100)).await;
        }
        self.lab.report(id).unwrap()
    }

    fn hear(&mut self) {
        let all = self.world.notes.all();
        for note in all.iter().skip(self.heard) {
            self.lab.note(note, Instant::now());
        }
        self.heard = all.len();
    }
}

fn scenario(value: serde_json::Value) -> Scenario {
    serde_json::from_value(value).unwrap()
}

fn outage(provider: &str) -> Scenario {
    scenario(json!({
        "name": "outage", "seed": 7, "for": "60s", "hypothesis": { "success": 1.0 },
        "steps": [{ "at": "5s", "for": "20s", "kind": "refused", "match": { "provider": provider } }],
    }))
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_survived_and_everything_about_it_is_on_record() {
    let mut trial = Trial::new();
    let report = trial.run(outage("a"), |_, _| {}).await;
    assert_eq!((report.verdict, report.requests.success), (Verdict::Held, Some(1.0)), "{}", report.because);
    assert_eq!(report.lasted_ms, 60_000);
    let requests = report.requests;
    assert!(requests.fallback > 100 && requests.primary > 100, "{requests:?}");
    assert!(requests.touched > 0 && requests.harmed == 0 && requests.touched_success == Some(1.0));
    let times = report.times;
    assert!((5_000..5_200).contains(&times.first_injection_ms.unwrap()), "{times:?}");
    assert!(times.detect_ms.is_some() && times.open_ms.unwrap() < 1_000, "{times:?}");
    assert!(times.recover_ms.unwrap() < 20_000 && times.still_away == 0, "{times:?}");
    assert!(report.calls.extra > 0 && report.calls.injected == report.faults[0].counts.injected);
    let figures = &report.availability[0];
    assert!(figures.observed.value.unwrap() > 0.99 && figures.chain.value.unwrap() > 0.99, "{figures:?}");
    let told: Vec<&str> = report.timeline.iter().map(|moment| &*moment.what).collect();
    for what in ["armed", "circuit", "ended", "done"] {
        assert!(told.contains(&what), "{what} is missing in {told:?}");
    }
    let ended = report.timeline.iter().find(|moment| moment.what == "ended").unwrap();
    assert_eq!(ended.at_ms, 25_000, "at its time, whoever looks when");
    let counted: u64 = report.series.iter().map(|point| point.primary + point.fallback).sum();
    assert_eq!(counted, requests.judged);
    assert!(trial.world.engine.chaos.list().is_empty());
    assert!(serde_json::to_value(&*report).unwrap()["scenario"]["seed"] == 7);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_decides_the_same() {
    let mut decisions = Vec::new();
    for seed in [7, 7, 7, 8] {
        let mut trial = Trial::new();
        let half = json!({
            "name": "half", "seed": seed, "for": "30s",
            "steps": [{ "for": "20s", "kind": "dns-slow", "config": { "median_ms": 50 }, "match": { "provider": "a", "percent": 50 } }],
        });
        decisions.push(trial.run(scenario(half), |_, _| {}).await.decisions.clone());
    }
    assert!(
        decisions[0] == decisions[1] && decisions[1] == decisions[2] && decisions[2] != decisions[3],
        "{decisions:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_falls_under_its_hypothesis_is_given_up_at_once() {
    let mut trial = Trial::new();
    let everybody = Scenario { allow_total_outage: true, ..outage("a") };
    let mut everybody = Scenario { name: "total".to_owned(), ..everybody };
    everybody.steps[0].matching = FaultMatch::default();
    let report = trial.run(everybody, |_, _| {}).await;
    assert_eq!(report.verdict, Verdict::Aborted, "{}", report.because);
    assert!(report.lasted_ms < 10_000, "{} ms", report.lasted_ms);
    assert!(report.requests.harmed > 0 && report.timeline.iter().any(|moment| moment.what == "aborted"));
    assert!(trial.world.engine.chaos.list().is_empty(), "and its faults are gone");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_it_with_all_its_faults() {
    let mut trial = Trial::new();
    let report = trial.run(outage("a"), |lab, since| {
        if since >= Duration::from_secs(10) {
            lab.stop_all();
        }
    });
    let report = report.await;
    assert_eq!(report.verdict, Verdict::Stopped);
    assert!((10_000..10_500).contains(&report.lasted_ms), "{}", report.lasted_ms);
    assert!(trial.world.engine.chaos.list().is_empty());
    assert_eq!(trial.lab.list()[0].verdict, Verdict::Stopped);
}

/// An operator who was told that it had begun found nothing armed for a moment, and on a busy machine for longer.
#[tokio::test(start_paused = true)]
async fn what_is_due_at_once_is_armed_when_the_start_is_told() {
    let trial = Trial::new();
    let now = scenario(json!({
        "name": "now", "for": "60s",
        "steps": [
            { "at": "5s", "for": "20s", "kind": "hang", "match": { "provider": "a" } },
            { "at": "0s", "for": "20s", "kind": "refused", "match": { "provider": "a" } },
        ],
    }));
    let armed = || trial.world.engine.chaos.list().into_iter().map(|fault| fault.kind).collect::<Vec<_>>();
    let run = trial.lab.start(now, trial.setting()).await.unwrap();
    assert_eq!(armed(), ["refused"]);
    let mut driven = JoinSet::new();
    driven.spawn(run.drive(Arc::clone(&trial.lab)));
    sleep(Duration::from_secs(6)).await;
    assert_eq!(armed(), ["refused", "hang"], "each once");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_harms_nobody() {
    let mut trial = Trial::new();
    let report = trial.run(Scenario { dry_run: true, ..outage("a") }, |_, _| {}).await;
    let counts = report.faults[0].counts;
    assert_eq!((report.calls.injected, counts.injected, report.requests.fallback), (0, 0, 0));
    assert!(counts.would_inject > 100, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn without_traffic_nothing_is_found_out() {
    let trial = Trial::new();
    let run = trial.lab.start(outage("a"), trial.setting()).await.unwrap();
    run.clone().drive(Arc::clone(&trial.lab)).await;
    assert_eq!(trial.lab.report(run.id()).unwrap().verdict, Verdict::TooFew);
}

#[tokio::test(start_paused = true)]
async fn repetitions_flap() {
    let mut trial = Trial::new();
    let flapping = json!({
        "name": "flapping", "for": "40s", "hypothesis": { "success": 1.0, "p95": "3s" },
        "steps": [{ "for": "3s", "repeat": 4, "every": "8s", "kind": "reset", "match": { "provider": "a" } }],
    });
    let report = trial.run(scenario(flapping), |_, _| {}).await;
    assert_eq!(report.verdict, Verdict::Held, "{}", report.because);
    let at: Vec<u64> = report.faults.iter().map(|fault| fault.at_ms).collect();
    assert_eq!(at, [0, 8_000, 16_000, 24_000]);
    assert!(report.faults.iter().all(|fault| fault.ttl_ms == 3_000));
}

#[tokio::test(start_paused = true)]
async fn the_page_stands_alone() {
    let mut trial = Trial::new();
    let mut outage = outage("a");
    outage.about = "<script>alert(1)</script> & more".to_owned();
    let report = trial.run(outage, |_, _| {}).await;
    let page = page(&report);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"), "text is text");
    for forbidden in ["<script", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for wanted in ["<svg", "Hypothesis held", "c0ffee", "first choice", "R_ind", "Until a breaker opened"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(page.matches("<rect").count() > 100, "a bar for each point");
}

#[tokio::test]
async fn scenarios_that_cannot_be_right_are_refused_with_their_place() {
    let trial = Trial::new();
    let good = json!({ "name": "x", "for": "60s", "steps": [{ "for": "10s", "kind": "reset" }] });
    assert!(scenario(good.clone()).check().is_ok());
    let with = |pointer: &str, value: serde_json::Value| {
        let mut scenario = good.clone();
        match pointer.rsplit_once('/') {
            Some((parent, member)) => scenario.pointer_mut(parent).unwrap()[member] = value,
            None => unreachable!("a pointer begins with a slash"),
        }
        scenario
    };
    for (pointer, value, member) in [
        ("/name", json!("no spaces"), "name"),
        ("/for", json!("2h"), "for"),
        ("/steps", json!([]), "steps"),
        ("/steps/0/for", json!("61s"), "steps[0].for"),
        ("/steps/0/ramp", json!("11s"), "steps[0].ramp"),
        ("/steps/0/repeat", json!(2), "steps[0].repeat"),
        ("/steps/0/config", json!([1]), "steps[0].config"),
        ("/hypothesis", json!({ "success": 2 }), "hypothesis.success"),
        ("/abort", json!({ "success_below": -1 }), "abort.success_below"),
    ] {
        let error = scenario(with(pointer, value)).check().unwrap_err();
        assert_eq!(error.member, member);
    }
    for (pointer, value) in
        [("/for", json!("soon")), ("/steps/0/knid", json!(1)), ("/abort", json!({ "windw": 1 }))]
    {
        assert!(serde_json::from_value::<Scenario>(with(pointer, value)).is_err(), "{pointer}");
    }
    let unknown = scenario(with("/steps/0/kind", json!("meteor")));
    let refused = trial.lab.start(unknown, trial.setting()).await.unwrap_err();
    assert!(matches!(&refused, StartError::Step { place: 0, kind, .. } if kind == "meteor"), "{refused}");
    assert!(trial.lab.list().is_empty());
}

#[test]
fn the_board_presses_into_scenarios_that_are_right() {
    for action in Action::ALL {
        let info = action.info();
        assert_eq!(Action::of(info.name), Some(action));
        let one = FaultMatch { provider: Some("a".to_owned()), ..FaultMatch::default() };
        let pressed =
            action.press(Press { matching: one, ttl: Some(Duration::from_secs(9)), ..Press::default() });
        pressed.check().unwrap();
        assert_eq!(pressed.timeline()[0].1.ttl, Duration::from_secs(9));
        assert!(!pressed.allow_total_outage && pressed.hypothesis.success > 0.9);
        let all = action.press(Press { everything: true, ..Press::default() });
        assert!(
            all.allow_total_outage && all.hypothesis.success == 0.0,
            "whoever limits all believes nothing"
        );
    }
    let throttled = Action::ThrottledTier.press(Press::default());
    assert_eq!(serde_json::to_value(&throttled.steps[0].matching).unwrap(), json!({ "tier": "high" }));
}

#[test]
fn faster_is_the_same_in_less_time() {
    let usual = outage("a");
    let fast = usual.clone().faster(10.0);
    assert_eq!((fast.lasts, fast.steps[0].at), (Duration::from_secs(6), Duration::from_millis(500)));
    assert_eq!(fast.timeline()[0].1.seed, usual.timeline()[0].1.seed);
    fast.check().unwrap();
}
