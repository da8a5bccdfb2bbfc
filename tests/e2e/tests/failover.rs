//! One target dead in every way a target can be dead, over real sockets: clients see answers only, and after three
//! failures the dead one is left alone. What the upstreams were asked comes from the simulator's own log.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::time::Duration;

use seawall_e2e::{Stage, block_on, reading};
use seawall_sim::{Sim, SimOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

const TIMEOUTS: &str = r#"
[models.chat.timeouts]
connect = "500ms"
first_token = "600ms"
answer = "600ms"
stall = "600ms"
total = "10s"
"#;

struct House {
    sim: Sim,
    stage: Stage,
    client: reqwest::Client,
}

impl House {
    /// A primary that speaks OpenAI's format and a spare that speaks Anthropic's.
    async fn open(primary_base: Option<&str>) -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let base = format!("http://{}", sim.addr());
        let primary = primary_base.map_or(format!("{base}/dead/v1"), str::to_owned);
        let stage = Stage::start(&format!(
            r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[providers.dead]
adapter = "openai"
base_url = "{primary}"
[providers.spare]
adapter = "anthropic"
base_url = "{base}/spare/v1"
[models.chat]
targets = ["dead/count-5", "spare/count-5"]
{TIMEOUTS}
[models.alone]
targets = ["dead/count-5"]
{}
"#,
            TIMEOUTS.replace("models.chat", "models.alone"),
        ))
        .await;
        Self { sim, stage, client: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    async fn break_lane(&self, lane: &str, faults: Value) {
        let url = format!("http://{}/_sim/lanes/{lane}", self.sim.addr());
        let reply = self.client.post(url).body(json!({ "faults": faults }).to_string()).send().await;
        let reply = reply.expect("an answer");
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap_or_default());
    }

    /// How often a lane was asked.
    async fn asked(&self, lane: &str) -> usize {
        let url = format!("http://{}/_sim/lanes/{lane}/log", self.sim.addr());
        let log = self.client.get(url).send().await.expect("an answer").text().await.expect("a body");
        let log: Value = serde_json::from_str(&log).expect("JSON");
        log.as_array().or(log["entries"].as_array()).map_or(0, Vec::len)
    }

    async fn ask(&self, model: &str, stream: bool) -> reading::Reading {
        let body =
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "go" }] });
        let (status, body) = self.stage.post("/v1/chat/completions", &body).await;
        reading::chat(status, stream, &body)
    }
}

/// Kinds of death, as the simulator's control API names them.
fn deaths() -> Vec<(&'static str, Value)> {
    vec![
        ("503", json!([{ "kind": "status", "status": 503 }])),
        ("529", json!([{ "kind": "status", "status": 529 }])),
        ("500", json!([{ "kind": "status", "status": 500 }])),
        ("hang", json!([{ "kind": "hang" }])),
        ("reset", json!([{ "kind": "reset" }])),
        ("error in a 200", json!([{ "kind": "error_in_200" }])),
        ("empty 200", json!([{ "kind": "html_200" }])),
    ]
}

#[test]
fn one_dead_target_is_invisible_and_soon_left_alone() {
    block_on(async {
        for stream in [false, true] {
            for (name, faults) in deaths() {
                let house = House::open(None).await;
                house.break_lane("dead", faults).await;
                let began = Instant::now();
                for _ in 0..12 {
                    let seen = house.ask("chat", stream).await;
                    assert_eq!(
                        (seen.status, seen.text.as_str()),
                        (200, "1 2 3 4 5"),
                        "{name}, stream {stream}: {seen:?}"
                    );
                }
                let asked = house.asked("dead").await;
                // Open for at least four seconds at a time, one probe each.
                let probes_at_most = began.elapsed().as_secs() as usize / 4 + 1;
                assert!((3..=3 + probes_at_most).contains(&asked), "{name}, stream {stream}: {asked} calls");
                assert_eq!(house.asked("spare").await, 12, "{name}, stream {stream}");
            }
        }
    });
}

#[test]
fn a_rate_limited_target_is_asked_once_and_then_rests() {
    block_on(async {
        let house = House::open(None).await;
        house.break_lane("dead", json!([{ "kind": "status", "status": 429, "retry_after": 30 }])).await;
        for _ in 0..6 {
            let seen = house.ask("chat", false).await;
            assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5"), "{seen:?}");
        }
        assert_eq!(house.asked("dead").await, 1);
        let (status, headers, _) = house
            .stage
            .post_for_headers(
                "/v1/chat/completions",
                &json!({ "model": "alone", "messages": [{ "role": "user", "content": "go" }] }),
            )
            .await;
        let hint: f64 = headers["retry-after"].to_str().expect("text").parse().expect("a number");
        assert_eq!(status, 429);
        assert!((1.0..=30.0).contains(&hint), "an honest hint, not {hint}");
    });
}

#[test]
fn a_refused_connection_is_invisible() {
    block_on(async {
        // Bound and closed again: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("an address")
            .port();
        let house = House::open(Some(&format!("http://127.0.0.1:{port}/v1"))).await;
        for _ in 0..6 {
            let seen = house.ask("chat", true).await;
            assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5"), "{seen:?}");
        }
    });
}

#[test]
fn all_dead_is_a_typed_error_in_bounded_time() {
    block_on(async {
        for (name, faults) in deaths() {
            let house = House::open(None).await;
            house.break_lane("dead", faults.clone()).await;
            house.break_lane("spare", faults).await;
            let began = Instant::now();
            let seen = house.ask("chat", false).await;
            assert!((500..=504).contains(&seen.status), "{name}: {seen:?}");
            assert!(seen.error.is_some(), "{name}: {seen:?}");
            assert!(began.elapsed() < Duration::from_secs(11), "{name}: {:?}", began.elapsed());
        }
    });
}

#[test]
fn a_stream_that_breaks_is_continued_elsewhere() {
    block_on(async {
        for fault in breaks() {
            let house = House::open(None).await;
            house.break_lane("dead", fault.clone()).await;
            let seen = house.ask("chat", true).await;
            assert_eq!((seen.text.as_str(), seen.terminated), ("1 2 3 4 5", true), "{fault}: {seen:?}");
            assert!(seen.error.is_none() && seen.finish.is_some(), "{fault}: {seen:?}");
        }
    });
}

fn breaks() -> [Value; 5] {
    [
        json!([{ "kind": "cut_after", "events": 2 }]),
        json!([{ "kind": "cut_after", "events": 2, "reset": true }]),
        json!([{ "kind": "close_clean_after", "events": 2 }]),
        json!([{ "kind": "stall_after", "events": 2 }]),
        json!([{ "kind": "error_event_at", "at": 2 }]),
    ]
}

#[test]
fn a_stream_that_breaks_everywhere_ends_in_an_error_event() {
    block_on(async {
        for fault in breaks() {
            let house = House::open(None).await;
            house.break_lane("dead", fault.clone()).await;
            house.break_lane("spare", fault.clone()).await;
            let seen = house.ask("chat", true).await;
            let error = seen.error.as_ref().unwrap_or_else(|| panic!("{fault}: no error in {seen:?}"));
            assert_eq!(error["code"], "stream_interrupted", "{fault}: {seen:?}");
            assert!(!seen.terminated && seen.finish.is_none(), "{fault}: {seen:?}");
            assert!(seen.text.starts_with('1'), "{fault}: {seen:?}");
        }
    });
}

#[test]
fn small_faults_are_mended() {
    block_on(async {
        for fault in [json!([{ "kind": "malformed_event", "at": 3 }]), json!([{ "kind": "no_terminator" }])] {
            let house = House::open(None).await;
            house.break_lane("dead", fault.clone()).await;
            let seen = house.ask("chat", true).await;
            assert_eq!((seen.text.as_str(), seen.terminated), ("1 2 3 4 5", true), "{fault}: {seen:?}");
            assert_eq!(house.asked("spare").await, 0, "{fault}");
        }
    });
}
