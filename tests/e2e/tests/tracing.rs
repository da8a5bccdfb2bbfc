//! W3C trace context from a client through the gateway to upstreams, and the spans that a collector gets of it. What
//! arrived upstream comes from the simulator's own log.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly; an index that is missing is the failure"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use seawall::server::StartOptions;
use seawall::telemetry::OtlpSettings;
use seawall_e2e::{Collector, Span, Stage, block_on, eventually};
use seawall_sim::{Entry, Fault, Sim, SimOptions};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const STATE: &str = "vendor=a1,other=b2";

struct House {
    sim: Sim,
    stage: Stage,
    collector: Collector,
}

/// What an upstream was told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    trace: String,
    span: String,
    sampled: bool,
    state: Option<String>,
}

impl House {
    /// A gateway with two targets, whose spans go to a collector if it is to have one.
    async fn open(exports: bool) -> Self {
        let (sim, collector) =
            (Sim::start(SimOptions::default()).expect("a free port"), Collector::open().await);
        let base = format!("http://{}", sim.addr());
        let config = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[providers.first]
adapter = "openai"
base_url = "{base}/first/v1"
[providers.spare]
adapter = "openai"
base_url = "{base}/spare/v1"
[models.chat]
targets = ["first/count-5", "spare/count-5"]
[breaker]
consecutive = 3
open_base = "1s"
open_cap = "1s"
"#
        );
        let otlp = exports.then(|| {
            let mut settings = OtlpSettings::to(collector.url());
            settings.spans_every = Duration::from_millis(20);
            settings
        });
        let stage = Stage::start_with(&config, StartOptions { otlp, ..StartOptions::default() }).await;
        Self { sim, stage, collector }
    }

    async fn ask(&self, model: &str, headers: &[(&str, &str)]) -> u16 {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "go" }] });
        self.stage.post_with("/v1/chat/completions", headers, &body).await.0
    }

    fn log(&self, lane: &str) -> Vec<Entry> {
        self.sim.lane(lane).log()
    }

    /// What each call to a lane was told, in order.
    fn told(&self, lane: &str) -> Vec<Option<Told>> {
        self.log(lane).iter().map(told).collect()
    }

    /// Waits for so many spans.
    async fn spans(&self, count: usize) -> Vec<Span> {
        eventually("the spans", async || self.collector.spans().len() >= count).await;
        self.collector.spans()
    }
}

fn told(entry: &Entry) -> Option<Told> {
    let parts: Vec<&str> = entry.header("traceparent")?.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{parts:?}") };
    assert_eq!((version, trace.len(), span.len()), ("00", 32, 16), "{parts:?}");
    let state = entry.header("tracestate").map(str::to_owned);
    Some(Told { trace: trace.to_owned(), span: span.to_owned(), sampled: flags == "01", state })
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

#[test]
fn a_callers_trace_reaches_upstreams_under_the_span_of_each_attempt() {
    block_on(async {
        let house = House::open(true).await;
        house.sim.lane("first").arm(Fault::status(503).times(2));
        let parent = traceparent("01");
        let headers = [("traceparent", &*parent), ("tracestate", STATE), ("baggage", "user=canary")];
        assert_eq!(house.ask("chat", &headers).await, 200);

        let spans = house.spans(4).await;
        let [server, attempts @ ..] = &spans[..] else { panic!("{spans:?}") };
        assert!(server.server && server.trace == TRACE && server.parent == CALLER, "{server:?}");
        assert_eq!(server.says["http.response.status_code"], "200");
        let calls: Vec<Told> =
            ["first", "spare"].iter().flat_map(|lane| house.told(lane)).flatten().collect();
        assert_eq!((calls.len(), attempts.len()), (3, 3), "once, once more, and the next: {spans:?}");
        for (call, attempt) in calls.iter().zip(attempts) {
            let state = Some(STATE.to_owned());
            let expected = Told { trace: TRACE.to_owned(), span: attempt.id.clone(), sampled: true, state };
            assert_eq!(*call, expected);
            assert!(!attempt.server && attempt.trace == TRACE, "{attempt:?}");
            assert_eq!((&attempt.parent, &*attempt.state), (&server.id, STATE));
        }
        let targets = attempts.iter().map(|attempt| &*attempt.says["seawall.target"]).collect::<Vec<_>>();
        assert_eq!(targets, ["first/count-5", "first/count-5", "spare/count-5"]);
        let ids: BTreeSet<&str> = spans.iter().map(|span| &*span.id).chain([CALLER]).collect();
        assert_eq!(ids.len(), 5, "every span has an id of its own");
        for entry in house.log("first").iter().chain(&house.log("spare")) {
            assert!(entry.header("baggage").is_none(), "nobody knows what is in it");
        }
    });
}

#[test]
fn what_is_no_trace_is_replaced_and_not_handed_on() {
    let upper = traceparent("01").to_uppercase();
    let bad =
        [&*upper, "nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-1-2-3", ""];
    block_on(async {
        let house = House::open(true).await;
        for parent in bad {
            assert_eq!(house.ask("chat", &[("traceparent", parent), ("tracestate", STATE)]).await, 200);
        }
        let spans = house.spans(2 * bad.len()).await;
        let traces: BTreeSet<&str> = spans.iter().map(|span| &*span.trace).collect();
        assert_eq!(traces.len(), bad.len(), "a new one each");
        for call in house.told("first") {
            let Told { trace, span, sampled, state } = call.expect("a trace of our own");
            assert_eq!((sampled, state), (true, None), "the state belonged to a trace that is none");
            let attempt = spans.iter().find(|told| told.id == span).expect("the attempt's span");
            assert!(attempt.trace == trace && trace.to_lowercase() != TRACE);
            let server = spans.iter().find(|told| told.id == attempt.parent).expect("the request's span");
            assert!(server.server && server.parent.is_empty(), "it begins here: {server:?}");
        }

        let silent = House::open(false).await;
        for parent in bad {
            assert_eq!(silent.ask("chat", &[("traceparent", parent), ("tracestate", STATE)]).await, 200);
        }
        assert!(silent.told("first").iter().all(Option::is_none), "who records nothing begins nothing");
        assert!(silent.log("first").iter().all(|entry| entry.header("tracestate").is_none()));
    });
}

#[test]
fn who_records_nothing_hands_on_what_came_and_who_is_not_sampled_is_not_seen() {
    block_on(async {
        let silent = House::open(false).await;
        let parent = traceparent("01");
        assert_eq!(silent.ask("chat", &[("traceparent", &*parent), ("tracestate", STATE)]).await, 200);
        let entry = &silent.log("first")[0];
        assert_eq!((entry.header("traceparent"), entry.header("tracestate")), (Some(&*parent), Some(STATE)));

        let house = House::open(true).await;
        assert_eq!(house.ask("chat", &[("traceparent", &traceparent("00"))]).await, 200);
        let call = house.told("first").pop().flatten().expect("a trace");
        assert!(call.trace == TRACE && !call.sampled && call.span != CALLER, "{call:?}");
        // What comes later is there, so what is not there was not sent.
        assert_eq!(house.ask("chat", &[("traceparent", &*parent)]).await, 200);
        let spans = house.spans(2).await;
        assert!(spans.len() == 2 && spans.iter().all(|span| span.id != call.span), "{spans:?}");
    });
}

#[test]
fn a_refused_request_has_the_span_of_a_server() {
    block_on(async {
        let house = House::open(true).await;
        let parent = traceparent("01");
        assert_eq!(house.ask("nobody", &[("traceparent", &*parent)]).await, 404);
        let late = [("traceparent", &*parent), ("x-request-timeout-ms", "soon")];
        assert_eq!(house.ask("chat", &late).await, 400);
        let spans = house.spans(2).await;
        let says = |place: usize, name: &str| &*spans[place].says[name];
        for (place, status, error) in [(0, "404", "model_not_found"), (1, "400", "invalid_header")] {
            let span = &spans[place];
            assert!(span.server && span.trace == TRACE && span.parent == CALLER, "{span:?}");
            assert_eq!(
                (says(place, "http.response.status_code"), says(place, "error.type")),
                (status, error)
            );
            assert_eq!(says(place, "seawall.outcome"), "refused");
        }
    });
}

#[test]
fn a_hidden_copy_has_a_span_of_its_own_below_its_request() {
    block_on(async {
        let house = House::open(true).await;
        house.sim.lane("first").arm(Fault::status(500).times(3));
        while house.log("first").len() < 3 {
            assert_eq!(house.ask("chat", &[]).await, 200);
        }
        // Its breaker is open for a second at most; whoever asks then is served elsewhere and brings the probe along.
        let parent = traceparent("01");
        eventually("a probe", async || {
            assert_eq!(house.ask("chat", &[("traceparent", &*parent)]).await, 200);
            house.log("first").len() > 3
        })
        .await;
        let call = house.told("first").remove(3).expect("a trace");
        let seen = async || house.collector.spans().iter().any(|span| span.id == call.span);
        eventually("the copy's span", seen).await;
        let spans = house.collector.spans();
        let twin = spans.iter().find(|span| span.id == call.span).expect("it is there");
        assert!(!twin.server && twin.trace == TRACE && call.trace == TRACE, "{twin:?}");
        assert_eq!(
            (&*twin.says["seawall.attempt.purpose"], &*twin.says["seawall.twin.reason"]),
            ("twin", "probe")
        );
        assert_eq!(twin.says["seawall.target"], "first/count-5");
        let of_request =
            |span: &&Span| span.says.get("seawall.request.id") == twin.says.get("seawall.request.id");
        let server = spans.iter().filter(of_request).find(|span| span.server).expect("its request's span");
        assert_eq!((&twin.parent, &*server.parent), (&server.id, CALLER));
    });
}
