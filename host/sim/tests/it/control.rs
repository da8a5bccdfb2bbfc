use std::time::Duration;

use seawall_sim::{Dialect, Fault, Kind, LOG_CAPACITY, Lane, MOST_LANES, Sim, SimOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{get, open, post, send};
use crate::{question, sim};

#[tokio::test]
async fn faults_are_armed_shown_and_cleared_over_http() {
    let sim = sim();
    let change = json!({"faults": [{"kind": "status", "status": 503, "times": 2, "after": 1}], "pace_ms": 3, "key": "k"});
    let shown = post(sim.addr(), "/_sim/lanes/a", &change).await.json();
    assert_eq!(
        (&shown["faults"][0]["after"], &shown["pace_ms"], &shown["key"]),
        (&json!(1), &json!(3), &json!(true))
    );
    let shown = post(sim.addr(), "/_sim/lanes/a", &json!({"key": null})).await.json();
    assert_eq!(
        (&shown["faults"][0]["kind"], &shown["key"]),
        (&json!("status"), &json!(false)),
        "absent means unchanged"
    );
    let (path, body) = question("openai", "a", "any", "hi", false);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(post(sim.addr(), &path, &body).await.status);
    }
    assert_eq!(seen, [200, 503, 503, 200]);
    let shown = get(sim.addr(), "/_sim/lanes/a").await.json();
    assert_eq!((&shown["faults"][0]["taken"], &shown["requests"]), (&json!(2), &json!(4)));
    post(sim.addr(), "/_sim/lanes/a", &json!({"pace_ms": 1})).await;
    let healed = send(sim.addr(), "DELETE", "/_sim/lanes/a/faults", &[], "").await.json();
    assert_eq!((&healed["faults"], &healed["pace_ms"]), (&json!([]), &json!(1)), "settings stay");
    let cleared = send(sim.addr(), "DELETE", "/_sim/lanes/a", &[], "").await.json();
    assert_eq!((&cleared["faults"], &cleared["pace_ms"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn mistakes_are_explained() {
    let sim = sim();
    for (method, path, body, status, words) in [
        ("POST", "/_sim/lanes/a", r#"{"fault": []}"#, 400, "unknown field `fault`"),
        ("POST", "/_sim/lanes/a", r#"{"faults": [{"kind": "nap"}]}"#, 400, "unknown variant `nap`"),
        ("POST", "/_sim/lanes/a", r#"{"prefill": "maybe"}"#, 400, "unknown variant `maybe`"),
        ("POST", "/_sim/lanes/a", "", 400, "EOF"),
        ("POST", "/_sim/lanes/_a", "{}", 400, "not a lane's name"),
        ("POST", "/_sim/lanes/a/log", "{}", 405, "no such method"),
        ("GET", "/_sim/nothing", "", 404, "use /_sim"),
        ("GET", "/_sim/lanes/a/last", "", 404, "no request yet"),
    ] {
        let got = send(sim.addr(), method, path, &[], body).await;
        assert_eq!(got.status, status, "{path} {body}");
        assert!(got.json()["error"].as_str().unwrap().contains(words), "{}", got.body);
    }
}

#[tokio::test]
async fn the_log_tells_what_arrived() {
    let sim = sim();
    let (path, body) = question("gemini", "a", "count-3", "go", true);
    let path = format!("{path}&key=s3cret");
    send(sim.addr(), "POST", &path, &[("x-tag", "7")], &body.to_string()).await;
    let log = get(sim.addr(), "/_sim/lanes/a/log").await.json();
    let entry = &log[0];
    for (field, expect) in [
        ("number", json!(1)),
        ("method", json!("POST")),
        ("dialect", json!("gemini")),
        ("model", json!("count-3")),
        ("stream", json!(true)),
        ("fault", Value::Null),
        ("status", json!(200)),
        ("outcome", json!("finished")),
        ("body_bytes", json!(body.to_string().len())),
    ] {
        assert_eq!(entry[field], expect, "{field}");
    }
    assert_eq!(entry["headers"]["x-tag"], "7");
    assert!(entry["unix_ms"].as_u64() > Some(1_700_000_000_000));
    assert!(!entry.to_string().contains("s3cret"), "{entry}");
    assert_eq!(get(sim.addr(), "/_sim/lanes/a/last").await.json(), body);
    let lane = sim.lane("a");
    assert_eq!(lane.log()[0].header("X-Tag"), Some("7"));
    assert_eq!(lane.last_body().unwrap(), body.to_string());
    send(sim.addr(), "DELETE", "/_sim/lanes/a/log", &[], "").await;
    assert!(lane.log().is_empty() && lane.last_body().is_none());
    post(sim.addr(), &path, &body).await;
    assert_eq!(lane.log()[0].number, 2, "numbers go on");
}

#[tokio::test]
async fn the_log_is_bounded() {
    let sim = sim();
    let request = "POST /a/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    let mut stream = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let batch = request.repeat(100);
    let total = LOG_CAPACITY + 300;
    let send = async {
        for _ in 0..total / 100 {
            tokio::io::AsyncWriteExt::write_all(&mut writing, batch.as_bytes()).await.unwrap();
        }
    };
    let receive = async {
        let mut buffer = vec![0; 64 << 10];
        while sim.lane("a").log().last().is_none_or(|entry| entry.number < total as u64) {
            tokio::io::AsyncReadExt::read(&mut reading, &mut buffer).await.unwrap();
        }
    };
    tokio::join!(send, receive);
    let log = sim.lane("a").log();
    assert_eq!((log.len(), log[0].number), (LOG_CAPACITY, 301));
}

#[tokio::test]
async fn lanes_are_bounded_and_apart() {
    let sim = sim();
    sim.lane("a").arm(Fault::status(500));
    for index in 1..MOST_LANES {
        let (path, body) = question("openai", &format!("lane-{index}"), "any", "hi", false);
        assert_eq!(post(sim.addr(), &path, &body).await.status, 200);
    }
    let (path, body) = question("openai", "one-too-many", "any", "hi", false);
    assert_eq!(post(sim.addr(), &path, &body).await.status, 507);
    assert_eq!(sim.lanes().len(), MOST_LANES);
    sim.lane("one-too-many").arm(Fault::status(500));
    assert_eq!(sim.lanes().len(), MOST_LANES, "a handle without a lane");
    send(sim.addr(), "DELETE", "/_sim", &[], "").await;
    let (path, body) = question("openai", "a", "any", "hi", false);
    assert_eq!(post(sim.addr(), &path, &body).await.status, 200, "DELETE /_sim clears every lane");
}

#[tokio::test]
async fn the_overview_helps() {
    let sim = sim();
    let shown = get(sim.addr(), "/_sim").await.json();
    assert_eq!(shown["base_paths"]["groq"], "/{lane}/openai/v1");
    assert!(sim.refused_base_url("a", Dialect::OpenAi).starts_with(shown["refused"].as_str().unwrap()));
    assert_eq!(sim.base_url("a", Dialect::Gemini), format!("http://{}/a/v1beta", sim.addr()));
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_ends_those_that_do_not() {
    let sim = Sim::start(SimOptions { grace: Duration::from_secs(2), ..SimOptions::default() }).unwrap();
    let (addr, lane) = (sim.addr(), sim.lane("a"));
    lane.arm(Fault::from(Kind::SlowHeaders { ms: 300 }).times(1));
    lane.arm(Fault::hang());
    let (path, body) = question("openai", "a", "any", "hi", false);
    let slow = JoinSet::from_iter([async move { post(addr, &path, &body).await.status }]);
    arrived(&lane, 1).await;
    let (path, body) = question("openai", "a", "any", "hi", false);
    let hanging = open(addr, "POST", &path, &[], &body.to_string()).await;
    arrived(&lane, 2).await;
    sim.stop().await;
    assert_eq!(slow.join_all().await, [200]);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    drop(hanging);
}

async fn arrived(lane: &Lane, requests: usize) {
    while lane.log().len() < requests {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn without_a_runtime_it_says_so() {
    let error = Sim::start(SimOptions::default()).unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
}
