use std::net::SocketAddr;
use std::time::Duration;

use seawall_sim::{Dialect, Fault, Kind, Outcome, Prefill};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::{End, VERSION, get, open, post, post_impatiently, send};
use crate::{DIALECTS, question, sim, text_at};

fn kind(value: Value) -> Fault {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn streams_break_in_every_dialect() {
    let sim = sim();
    let lane = sim.lane("a");
    for dialect in DIALECTS {
        for (fault, status, end, text, outcome) in [
            (json!({"kind": "cut_after", "events": 4}), 200, End::Broken, "1 2 3 4", Outcome::Cut),
            (
                json!({"kind": "cut_after", "events": 4, "reset": true}),
                200,
                End::Reset,
                "1 2 3 4",
                Outcome::Cut,
            ),
            (json!({"kind": "cut_after", "bytes": 3}), 200, End::Broken, "", Outcome::Cut),
            (json!({"kind": "stall_after", "events": 2, "ms": 50}), 200, End::Broken, "1 2", Outcome::Cut),
            (json!({"kind": "stall_after", "events": 2}), 200, End::Silent, "1 2", Outcome::ClientLeft),
            (
                json!({"kind": "close_clean_after", "events": 5}),
                200,
                End::Whole,
                "1 2 3 4 5",
                Outcome::Finished,
            ),
            (
                json!({"kind": "malformed_event", "at": 3}),
                200,
                End::Whole,
                "1 2 3 4 5 6 7 8 9",
                Outcome::Finished,
            ),
            (json!({"kind": "no_terminator"}), 200, End::Whole, "1 2 3 4 5 6 7 8 9", Outcome::Finished),
            (json!({"kind": "error_event_at", "at": 1}), 200, End::Whole, "1", Outcome::Finished),
            (json!({"kind": "empty_answer"}), 200, End::Whole, "", Outcome::Finished),
            (json!({"kind": "error_in_200"}), 200, End::Whole, "", Outcome::Finished),
            (json!({"kind": "heartbeat_only", "ms": 20}), 200, End::Silent, "", Outcome::ClientLeft),
            (json!({"kind": "reset"}), 0, End::Reset, "", Outcome::Cut),
            (json!({"kind": "hang"}), 0, End::Silent, "", Outcome::ClientLeft),
        ] {
            lane.set_faults([kind(fault.clone())]);
            let (path, body) = question(dialect, "a", "count-9", "go", true);
            if fault["kind"] == "heartbeat_only" {
                see_heartbeats(sim.addr(), &path, &body).await;
            } else {
                let silent = end == End::Silent;
                let got = match silent {
                    true => post_impatiently(sim.addr(), &path, &body).await,
                    false => post(sim.addr(), &path, &body).await,
                };
                assert_eq!((got.status, got.end), (status, end), "{dialect} {fault}");
                assert_eq!(got.joined(text_at(dialect).1), text, "{dialect} {fault}");
            }
            let entry = settled(&lane).await;
            assert_eq!(
                entry,
                (Some(fault["kind"].as_str().unwrap().to_owned()), outcome),
                "{dialect} {fault}"
            );
        }
    }
}

/// Heartbeats never stop: looks at three and leaves.
async fn see_heartbeats(addr: SocketAddr, path: &str, body: &Value) {
    let mut stream = open(addr, "POST", path, &VERSION, &body.to_string()).await;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while seen.matches("\"type\": \"ping\"").count() < 3
        && seen.matches(": keep-alive\r\n").count() + seen.matches(": keep-alive\n").count() < 3
    {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

/// The last entry once its request is over.
async fn settled(lane: &seawall_sim::Lane) -> (Option<String>, Outcome) {
    for _ in 0..2_000 {
        let entry = lane.log().pop().unwrap();
        if entry.outcome != Outcome::Open {
            return (entry.fault.map(str::to_owned), entry.outcome);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("still open");
}

#[tokio::test]
async fn finish_reasons_are_missing_after_a_cut_and_terminators_on_demand() {
    let sim = sim();
    let lane = sim.lane("a");
    for (fault, finished, terminated) in [
        (json!({"kind": "close_clean_after", "events": 99}), false, false),
        (json!({"kind": "cut_after", "events": 99}), false, false),
        (json!({"kind": "no_terminator"}), true, false),
        (json!({"kind": "slow_headers", "ms": 1}), true, true),
    ] {
        lane.set_faults([kind(fault.clone())]);
        let (path, body) = question("openai", "a", "count-9", "go", true);
        let got = post(sim.addr(), &path, &body).await;
        let finish = got.joined("/choices/0/finish_reason");
        assert_eq!((finish == "stop", got.body.contains("[DONE]")), (finished, terminated), "{fault}");
    }
}

#[tokio::test]
async fn plain_answers_break_too() {
    let sim = sim();
    let lane = sim.lane("a");
    for dialect in DIALECTS {
        for (fault, status, end, valid) in [
            (json!({"kind": "cut_after", "events": 4}), 200, End::Broken, false),
            (json!({"kind": "truncated_json"}), 200, End::Whole, false),
            (json!({"kind": "html_200"}), 200, End::Whole, false),
            (json!({"kind": "error_in_200"}), 200, End::Whole, true),
            (json!({"kind": "empty_answer"}), 200, End::Whole, true),
            (json!({"kind": "refusal"}), 200, End::Whole, true),
            (json!({"kind": "slow_first_token", "ms": 20}), 200, End::Whole, true),
            (json!({"kind": "drip", "ms_per_event": 2}), 200, End::Whole, true),
            (json!({"kind": "status", "status": 503}), 503, End::Whole, true),
            (json!({"kind": "status", "status": 498}), 498, End::Whole, true),
            (json!({"kind": "status", "status": 529}), 529, End::Whole, true),
            (json!({"kind": "huge", "bytes": 300000}), 200, End::Whole, false),
        ] {
            lane.set_faults([kind(fault.clone())]);
            let (path, body) = question(dialect, "a", "count-9", "go", false);
            let got = post(sim.addr(), &path, &body).await;
            let json = serde_json::from_str::<Value>(&got.body).is_ok();
            assert_eq!((got.status, got.end, json), (status, end, valid), "{dialect} {fault}");
            assert!(fault["kind"] != "huge" || got.body.len() > 300_000);
        }
    }
}

#[tokio::test]
async fn refusals_are_said_as_the_provider_says_them() {
    let sim = sim();
    sim.lane("a").arm(Kind::Refusal {}.into());
    for (dialect, pointer, word) in [
        ("openai", "/choices/0/finish_reason", "content_filter"),
        ("anthropic", "/stop_reason", "refusal"),
        ("gemini", "/candidates/0/finishReason", "SAFETY"),
    ] {
        let (path, body) = question(dialect, "a", "any", "hi", false);
        assert_eq!(
            post(sim.addr(), &path, &body).await.json().pointer(pointer),
            Some(&json!(word)),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn a_hint_is_sent_and_a_sequence_is_kept() {
    let sim = sim();
    let lane = sim.lane("a");
    lane.arm_all([Fault::status(429).retry_after(2.0).times(1), Fault::status(500).times(1)]);
    let (path, body) = question("openai", "a", "any", "hi", false);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let got = post(sim.addr(), &path, &body).await;
        seen.push((got.status, got.header("retry-after").map(str::to_owned)));
    }
    assert_eq!(seen, [(429, Some("2".to_owned())), (500, None), (200, None)]);
    assert_eq!(
        lane.log().iter().map(|entry| entry.fault).collect::<Vec<_>>(),
        [Some("status"), Some("status"), None]
    );
}

#[tokio::test]
async fn time_is_taken_where_the_fault_says() {
    let sim = sim();
    let lane = sim.lane("a");
    for (fault, least) in [
        (json!({"kind": "slow_headers", "ms": 120}), 120),
        (json!({"kind": "slow_first_token", "ms": 120}), 120),
        (json!({"kind": "drip", "ms_per_event": 30}), 150),
    ] {
        lane.set_faults([kind(fault.clone())]);
        let (path, body) = question("openai", "a", "count-5", "go", true);
        let start = Instant::now();
        let got = post(sim.addr(), &path, &body).await;
        assert_eq!(got.end, End::Whole);
        assert!(start.elapsed() >= Duration::from_millis(least), "{fault}");
    }
}

#[tokio::test]
async fn requests_choose_faults_for_themselves() {
    let sim = sim();
    let (path, body) = question("openai", "a", "any", "hi", false);
    let header = [("x-sim-fault", r#"{"kind":"status","status":418}"#)];
    assert_eq!(send(sim.addr(), "POST", &path, &header, &body.to_string()).await.status, 418);
    let text = r#"[[sim:{"kind":"status","code":"overloaded","lane":"a"}]] hi"#;
    for dialect in DIALECTS {
        for (lane, bad) in [("a", true), ("b", false)] {
            let (path, body) = question(dialect, lane, "any", text, false);
            let got = post(sim.addr(), &path, &body).await;
            assert_eq!(got.status >= 500, bad, "{dialect} {lane}");
            assert!(
                bad || got
                    .json()
                    .pointer(text_at(dialect).0)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .starts_with("You said: hi\n")
            );
        }
    }
    let wrong = [("x-sim-fault", "{}")];
    let got = send(sim.addr(), "POST", &path, &wrong, &body.to_string()).await;
    assert!(got.status == 400 && got.body.contains("missing field `kind`"), "{}", got.body);
}

#[tokio::test]
async fn keys_are_required_where_they_are_set() {
    let sim = sim();
    sim.lane("a").configure(|settings| settings.key = Some("s3cret".to_owned()));
    for (dialect, refused, name, value) in [
        ("openai", 401, "authorization", "Bearer s3cret"),
        ("groq", 401, "authorization", "Bearer s3cret"),
        ("anthropic", 401, "x-api-key", "s3cret"),
        ("gemini", 400, "x-goog-api-key", "s3cret"),
    ] {
        let (path, body) = question(dialect, "a", "bench-100", "hi", false);
        let version = ("anthropic-version", "x");
        for (value, status) in [(value, 200), ("Bearer other", refused)] {
            let got = send(sim.addr(), "POST", &path, &[version, (name, value)], &body.to_string()).await;
            assert_eq!(got.status, status, "{dialect} {value}");
        }
        assert_eq!(post(sim.addr(), &path, &body).await.status, refused);
    }
    let log = get(sim.addr(), "/_sim/lanes/a/log").await;
    assert!(!log.body.contains("s3cret"), "{}", log.body);
    let first = &log.json()[0]["credential"];
    assert_eq!(*first, json!({"scheme": "bearer", "hash": seawall_sim::credential_hash("s3cret")}));
}

#[tokio::test]
async fn a_beginning_is_continued_refused_or_ignored() {
    let sim = sim();
    let messages = json!([{"role": "user", "content": "go"}, {"role": "assistant", "content": "1 2"}]);
    let body = json!({"model": "count-4", "max_tokens": 50, "messages": messages});
    for (prefill, status, text) in [
        (Prefill::Accepts, 200, " 3 4"),
        (Prefill::Diverges, 200, "Well: 1 2 3 4"),
        (Prefill::Refuses, 400, ""),
        (Prefill::Repeats, 200, "1 2 3 4"),
        (Prefill::Ignores, 200, "1 2 3 4"),
    ] {
        sim.lane("a").configure(|settings| settings.prefill = prefill);
        for (path, pointer) in
            [("/a/v1/messages", "/content/0/text"), ("/a/v1/chat/completions", "/choices/0/message/content")]
        {
            let got = post(sim.addr(), path, &body).await;
            let said = got.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            assert_eq!((got.status, said.as_str()), (status, text), "{prefill:?} {path}");
        }
    }
}

#[tokio::test]
async fn refused_urls_refuse() {
    let sim = sim();
    let url = sim.refused_base_url("a", Dialect::Groq);
    let (addr, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert_eq!(path, "a/openai/v1");
    let error = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let sim = sim();
    let lane = sim.lane("a");
    lane.configure(|settings| settings.pace_ms = 20);
    let (path, body) = question("openai", "a", "count-500", "go", true);
    let mut stream = open(sim.addr(), "POST", &path, &[], &body.to_string()).await;
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    drop(stream);
    assert_eq!(settled(&lane).await, (None, Outcome::ClientLeft));
    let entry = lane.log().pop().unwrap();
    assert!(entry.sent_bytes > 0 && entry.status == Some(200));
}
