//! Faults armed over the admin port: what clients see of them, what the upstreams see, and how they end.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::sync::Arc;
use std::time::Duration;

use seawall_core::class::Class;
use seawall_core::note::Note;
use seawall_e2e::{Stage, block_on, eventually, reading};
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Providers, each named after its adapter and its lane.
const PROVIDERS: [(&str, Dialect); 4] = [
    ("openai", Dialect::OpenAi),
    ("anthropic", Dialect::Anthropic),
    ("gemini", Dialect::Gemini),
    ("groq", Dialect::Groq),
];

struct House {
    sim: Sim,
    stage: Stage,
}

/// What a client saw, with the headers that say how it went.
struct Seen {
    reading: reading::Reading,
    headers: http::HeaderMap,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A member of the error.
    fn error(&self, member: &str) -> &str {
        self.reading.error.as_ref().and_then(|error| error[member].as_str()).unwrap_or_default()
    }

    fn is_answer_of(&self, target: &str) -> bool {
        self.reading.status == 200
            && self.reading.text == "1 2 3 4 5"
            && self.header("x-seawall-target") == target
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} with {:?}", self.reading, self.headers)
    }
}

impl House {
    /// For each provider an alias of its name with a spare behind it; alone it is asked as `NAME/count-5`.
    async fn open() -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let mut config =
            String::from("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
        config.push_str("[defaults.timeouts]\nfirst_token = \"900ms\"\nanswer = \"900ms\"\n");
        for (name, dialect) in PROVIDERS {
            let base = sim.base_url(name, dialect);
            config.push_str(&format!(
                "[providers.{name}]\nadapter = \"{name}\"\nbase_url = \"{base}\"\n\
                 [models.{name}]\ntargets = [\"{name}/count-5\", \"spare/count-5\"]\n"
            ));
        }
        let (spare, a, b) = (
            sim.base_url("spare", Dialect::OpenAi),
            sim.base_url("a", Dialect::OpenAi),
            sim.base_url("b", Dialect::Anthropic),
        );
        config.push_str(&format!(
            "[providers.spare]\nadapter = \"openai-compatible\"\nbase_url = \"{spare}\"\n\
             [providers.a]\nadapter = \"openai\"\nbase_url = \"{a}\"\n\
             [providers.b]\nadapter = \"anthropic\"\nbase_url = \"{b}\"\n\
             [models.shared]\n\
             targets = [{{ target = \"a/count-5\", weight = 0.8 }}, {{ target = \"b/count-5\", weight = 0.2 }}]\n\
             policy = {{ plugin = \"weighted\", config = {{}} }}\n"
        ));
        let stage = Stage::start(&config).await;
        Self { sim, stage }
    }

    async fn ask(&self, model: &str, stream: bool) -> Seen {
        let body =
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "go" }] });
        let (status, headers, body) = self.stage.post_for_headers("/v1/chat/completions", &body).await;
        Seen { reading: reading::chat(status, stream, &body), headers }
    }

    async fn ask_messages(&self, model: &str) -> Seen {
        let body =
            json!({ "model": model, "max_tokens": 50, "messages": [{ "role": "user", "content": "go" }] });
        let (status, headers, body) = self.stage.post_for_headers("/v1/messages", &body).await;
        Seen { reading: reading::messages(status, false, &body), headers }
    }

    /// How often a lane was asked.
    fn asked(&self, lane: &str) -> usize {
        self.sim.lane(lane).log().len()
    }

    fn listen(&self) -> broadcast::Receiver<Arc<Note>> {
        self.stage.running().notes.subscribe()
    }
}

/// Class and code of every failed attempt so far, as the adapter named them.
fn failures(notes: &mut broadcast::Receiver<Arc<Note>>) -> Vec<(Class, Option<u16>, String)> {
    let mut found = Vec::new();
    while let Ok(note) = notes.try_recv() {
        if let Note::AttemptFailed { failure, .. } = note.as_ref() {
            found.push((failure.class, failure.status, failure.code.clone().unwrap_or_default()));
        }
    }
    found
}

fn outage(provider: &str, config: &Value) -> Value {
    json!({ "kind": "outage", "match": { "provider": provider }, "config": config, "ttl": "60s" })
}

#[test]
fn an_outage_speaks_the_providers_dialect_and_clients_get_the_spare() {
    block_on(async {
        let house = House::open().await;
        for (provider, status, word) in [
            ("openai", 503, "server_is_overloaded"),
            ("anthropic", 529, "overloaded_error"),
            ("gemini", 503, "UNAVAILABLE"),
            ("groq", 498, "capacity_exceeded"),
        ] {
            let mut notes = house.listen();
            house.stage.arm(&outage(provider, &json!({ "shape": "provider" }))).await;
            for stream in [false, true] {
                let seen = house.ask(provider, stream).await;
                assert!(seen.is_answer_of("spare/count-5"), "{provider}, stream {stream}: {seen:?}");
                assert_eq!(seen.header("x-seawall-degraded"), "fallback", "{provider}: {seen:?}");
                assert_eq!(seen.header("x-seawall-chaos"), "outage", "{provider}: {seen:?}");
            }
            let failures = failures(&mut notes);
            let own = (Class::Overloaded, Some(status), word.to_owned());
            assert!(failures.len() >= 2 && failures.iter().all(|failure| *failure == own), "{failures:?}");
            assert_eq!(house.asked(provider), 0, "{provider}: an injected answer needs no upstream");
            house.stage.disarm_all().await;
            let seen = house.ask("spare/count-5", false).await;
            assert!(!seen.headers.contains_key("x-seawall-chaos"), "{seen:?}");
        }
    });
}

#[test]
fn an_outage_alone_is_a_typed_error() {
    block_on(async {
        let house = House::open().await;
        for (kind, config, status, code, kind_of_messages) in [
            ("outage", json!({ "shape": "provider" }), 503, "overloaded", "overloaded_error"),
            ("outage", json!({}), 503, "overloaded", "overloaded_error"),
            ("outage", json!({ "status": 500 }), 502, "server_error", "api_error"),
            ("refused", json!({}), 502, "connect", "api_error"),
            ("reset", json!({}), 502, "connect", "api_error"),
            ("hang", json!({}), 504, "timeout_first_token", "timeout_error"),
        ] {
            for (provider, _) in PROVIDERS {
                let order = json!({ "kind": kind, "match": { "provider": provider }, "config": config, "allow_total_outage": true });
                let id = house.stage.arm(&order).await;
                let target = format!("{provider}/count-5");
                let seen = house.ask(&target, false).await;
                assert_eq!(
                    (seen.reading.status, seen.error("code")),
                    (status, code),
                    "{kind} {config}: {seen:?}"
                );
                assert_ne!(seen.header("x-seawall-attempts"), "0", "{kind}: {seen:?}");
                house.stage.forget_failures(provider).await;
                let seen = house.ask_messages(&target).await;
                assert_eq!(
                    (seen.reading.status, seen.error("type")),
                    (status, kind_of_messages),
                    "{kind} {config}: {seen:?}"
                );
                house.stage.forget_failures(provider).await;
                assert_eq!(house.stage.disarm(id).await.0, 200);
                assert_eq!(house.asked(provider), 0, "{kind}: nothing of it went upstream");
            }
        }
    });
}

#[test]
fn every_outage_is_invisible_with_a_spare() {
    block_on(async {
        let house = House::open().await;
        for kind in ["outage", "refused", "reset", "hang"] {
            for (provider, _) in PROVIDERS {
                let id = house.stage.arm(&json!({ "kind": kind, "match": { "provider": provider } })).await;
                for stream in [false, true] {
                    let seen = house.ask(provider, stream).await;
                    assert!(
                        seen.is_answer_of("spare/count-5"),
                        "{kind} {provider}, stream {stream}: {seen:?}"
                    );
                }
                house.stage.disarm(id).await;
                house.stage.forget_failures(provider).await;
                let seen = house.ask(provider, false).await;
                assert!(seen.is_answer_of(&format!("{provider}/count-5")), "{kind} is over: {seen:?}");
            }
        }
    });
}

#[test]
fn a_latency_storm_delays_and_a_long_one_is_left_behind() {
    block_on(async {
        const DELAY: Duration = Duration::from_millis(400);
        let house = House::open().await;
        let storm = |ms: u128| json!({ "kind": "latency-storm", "match": { "provider": "anthropic" }, "config": { "distribution": "const", "ms": ms } });
        let id = house.stage.arm(&storm(DELAY.as_millis())).await;
        for (turn, stream) in [false, true].into_iter().enumerate() {
            let began = Instant::now();
            let seen = house.ask("anthropic", stream).await;
            assert!(seen.is_answer_of("anthropic/count-5"), "{seen:?}");
            assert!(began.elapsed() >= DELAY, "{:?}", began.elapsed());
            assert_eq!(house.asked("anthropic"), turn + 1);
        }
        house.stage.disarm(id).await;
        house.stage.arm(&storm(5_000)).await;
        let seen = house.ask("anthropic", true).await;
        assert!(seen.is_answer_of("spare/count-5"), "over the first-token limit: {seen:?}");
        assert_eq!(house.asked("anthropic"), 2);
    });
}

#[test]
fn a_rate_limit_reaches_the_client_honest_and_closes_the_gate() {
    block_on(async {
        let house = House::open().await;
        for (provider, _) in PROVIDERS {
            let target = format!("{provider}/count-5");
            let order = json!({ "kind": "rate-limit", "match": { "provider": provider }, "config": { "seconds": 30 }, "allow_total_outage": true });
            let id = house.stage.arm(&order).await;
            let limited = house.ask(&target, false).await;
            assert_eq!((limited.reading.status, limited.error("code")), (429, "rate_limited"), "{limited:?}");
            assert_eq!(limited.header("x-seawall-attempts"), "1", "30 s are not waited for: {limited:?}");
            let hint: u64 = limited.header("retry-after").parse().expect("a number");
            assert!((25..=30).contains(&hint), "{provider}: {hint}");

            // The fault is gone, the provider's wish is not: nobody calls before its time.
            house.stage.disarm(id).await;
            let gated = house.ask(&target, true).await;
            assert_eq!((gated.reading.status, gated.header("x-seawall-attempts")), (429, "0"), "{gated:?}");
            let left: u64 = gated.header("retry-after").parse().expect("a number");
            assert!((1..=hint).contains(&left), "{provider}: {left} after {hint}");
            assert_eq!(house.asked(provider), 0, "{provider}");
            let seen = house.ask(provider, false).await;
            assert!(seen.is_answer_of("spare/count-5"), "{seen:?}");
            assert_eq!(seen.header("x-seawall-attempts"), "1", "{seen:?}");
        }
    });
}

#[test]
fn a_short_rate_limit_is_waited_for() {
    block_on(async {
        let house = House::open().await;
        // The first call since arming is limited; with `ttl` shorter than the hint the second finds the provider well.
        let order = json!({ "kind": "rate-limit", "match": { "provider": "openai" }, "config": { "seconds": 1 }, "ttl": "900ms", "allow_total_outage": true });
        house.stage.arm(&order).await;
        let began = Instant::now();
        let seen = house.ask("openai/count-5", false).await;
        assert!(seen.is_answer_of("openai/count-5"), "{seen:?}");
        assert_eq!(seen.header("x-seawall-attempts"), "2", "{seen:?}");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(house.asked("openai"), 1);
    });
}

#[test]
fn every_form_of_a_hint_is_understood_or_does_no_harm() {
    block_on(async {
        for (form, wait) in [("date", 25..=31), ("none", 1..=4), ("garbage", 1..=4)] {
            let house = House::open().await;
            for (provider, _) in PROVIDERS.iter().filter(|(_, dialect)| *dialect != Dialect::Gemini) {
                let order = json!({ "kind": "rate-limit", "match": { "provider": provider }, "config": { "retry_after": form, "seconds": 30 }, "allow_total_outage": true });
                house.stage.arm(&order).await;
                let seen = house.ask(&format!("{provider}/count-5"), false).await;
                assert_eq!(
                    (seen.reading.status, seen.error("code")),
                    (429, "rate_limited"),
                    "{form}: {seen:?}"
                );
                let hint: u64 = seen.header("retry-after").parse().expect("a number");
                assert!(wait.contains(&hint), "{provider}, {form}: {hint}");
            }
        }
    });
}

#[test]
fn faults_end_by_themselves_by_number_and_all_at_once() {
    block_on(async {
        let house = House::open().await;
        let short = json!({ "kind": "refused", "match": { "provider": "openai", "alias": "openai" }, "ttl": "700ms" });
        let id = house.stage.arm(&short).await;
        assert!(house.ask("openai", false).await.is_answer_of("spare/count-5"));
        let listed = house.stage.armed().await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        let fault = &listed[0];
        assert_eq!(
            (&fault["id"], &fault["kind"], &fault["plugin"]),
            (&json!(id), &json!("refused"), &Value::Null)
        );
        assert_eq!(fault["match"]["provider"], "openai", "{fault}");
        // A refused connection is tried once more before the spare is asked.
        assert_eq!((&fault["considered"], &fault["injected"]), (&json!(2), &json!(2)), "{fault}");
        assert!(fault["ends_in_ms"].as_u64().is_some_and(|left| left < 700), "{fault}");
        eventually("it ended by itself", async || house.stage.armed().await.is_empty()).await;
        assert!(house.ask("openai", false).await.is_answer_of("openai/count-5"));

        let one = house.stage.arm(&outage("openai", &json!({}))).await;
        let other = house.stage.arm(&outage("gemini", &json!({}))).await;
        assert_eq!(house.stage.disarm(one).await, (200, json!({ "disarmed": 1 })));
        let (status, again) = house.stage.disarm(one).await;
        assert_eq!((status, &again["error"]["code"]), (404, &json!("not_armed")), "{again}");
        let left: Vec<_> = house.stage.armed().await.iter().map(|fault| fault["id"].clone()).collect();
        assert_eq!(left, [json!(other)]);
        assert!(house.ask("openai", false).await.is_answer_of("openai/count-5"));
        house.stage.arm(&outage("groq", &json!({}))).await;
        assert_eq!(house.stage.disarm_all().await, 2);
        assert!(house.stage.armed().await.is_empty());
        for (provider, _) in PROVIDERS {
            assert!(house.ask(provider, false).await.is_answer_of(&format!("{provider}/count-5")));
        }
    });
}

#[test]
fn a_match_narrows() {
    block_on(async {
        let house = House::open().await;
        // (match, considered, injected) after one plain request to the alias `openai` and one to `gemini`.
        let table = [
            (json!({}), 2, 2),
            (json!({ "provider": "openai" }), 1, 1),
            (json!({ "provider": "gemini" }), 1, 1),
            (json!({ "provider": "groq" }), 0, 0),
            (json!({ "model": "count-5" }), 2, 2),
            (json!({ "model": "count-6" }), 0, 0),
            (json!({ "alias": "openai" }), 1, 1),
            (json!({ "alias": "openai/count-5" }), 0, 0),
            (json!({ "tenant": "default" }), 2, 2),
            (json!({ "tenant": "somebody" }), 0, 0),
            (json!({ "stream": false }), 2, 2),
            (json!({ "stream": true }), 0, 0),
            (json!({ "percent": 0 }), 2, 0),
            (json!({ "provider": "openai", "stream": true }), 0, 0),
        ];
        for (matching, considered, injected) in table {
            // A delay changes nothing but time, so that each request stays one attempt.
            let order = json!({ "kind": "latency-storm", "match": matching, "config": { "distribution": "const", "ms": 1 } });
            let id = house.stage.arm(&order).await;
            for alias in ["openai", "gemini"] {
                let seen = house.ask(alias, false).await;
                assert!(seen.is_answer_of(&format!("{alias}/count-5")), "{matching}: {seen:?}");
            }
            let listed = house.stage.armed().await;
            let counts = (&listed[0]["considered"], &listed[0]["injected"]);
            assert_eq!(counts, (&json!(considered), &json!(injected)), "{matching}");
            house.stage.disarm(id).await;
        }
    });
}

#[test]
fn bad_orders_are_refused_with_place_and_fix() {
    block_on(async {
        let house = House::open().await;
        for (kind, config, place) in [
            ("outage", json!({ "status": 200 }), "/status"),
            ("outage", json!({ "shape": "round" }), "/shape"),
            ("hang", json!({ "status": 503 }), "/status"),
            ("latency-storm", json!({ "distribution": "zipf" }), "/distribution"),
            ("latency-storm", json!({ "distribution": "uniform", "min_ms": 9, "max_ms": 1 }), "/max_ms"),
            ("rate-limit", json!({ "retry_after": "soon" }), "/retry_after"),
            ("rate-limit", json!({ "seconds": -1 }), "/seconds"),
            ("rate-limit", json!({ "secnds": 1 }), "/secnds"),
        ] {
            let (status, answer) = house.stage.order_fault(&json!({ "kind": kind, "config": config })).await;
            let error = &answer["error"];
            assert_eq!((status, &error["code"]), (400, &json!("bad_config")), "{kind} {config}: {answer}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(&format!("`{place}`")), "{kind} {config}: {answer}");
            assert!(error["fix"].as_str().is_some_and(|fix| fix.len() > 5), "{kind} {config}: {answer}");
        }
        let (status, answer) = house.stage.order_fault(&json!({ "kind": "earthquake" })).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("unknown_kind")), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        for known in ["outage", "refused", "reset", "hang", "latency-storm", "rate-limit"] {
            assert!(message.contains(known), "{known} is missing in {answer}");
        }
        assert!(house.stage.armed().await.is_empty(), "nothing of this was armed");
        assert!(house.ask("openai", false).await.is_answer_of("openai/count-5"));
    });
}

#[test]
fn weights_share_out_the_requests() {
    block_on(async {
        const REQUESTS: usize = 400;
        let house = House::open().await;
        for turn in 0..REQUESTS {
            let seen = house.ask("shared", turn % 2 == 0).await;
            assert_eq!((seen.reading.status, seen.reading.text.as_str()), (200, "1 2 3 4 5"), "{seen:?}");
        }
        let (a, b) = (house.asked("a"), house.asked("b"));
        println!("weights 0.8 and 0.2: {a} and {b} of {REQUESTS}");
        assert_eq!(a + b, REQUESTS, "one call a request");
        // Six standard deviations to either side.
        assert!((272..=368).contains(&a), "{a} of {REQUESTS} at 0.8");
        for lane in ["openai", "spare"] {
            assert_eq!(house.asked(lane), 0, "{lane}");
        }
    });
}
