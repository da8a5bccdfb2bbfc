//! What operators look at.

use std::sync::Arc;

use http::Method;
use http_body_util::BodyExt as _;
use seawall_core::ports::Observer as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{TOKEN, admin, answered, call, desk, read};
use crate::shutdown::Phase;
use crate::tasks::Tasks;
use crate::telemetry::live::MOST_WATCHERS;

#[tokio::test]
async fn availability_names_its_figures_and_says_when_there_are_too_few() {
    let (admin, _shutdown) = admin();
    let notes = Arc::clone(&admin.notes);
    notes.availability().configure(admin.config.load().aliases.values(), Instant::now());
    let routes = admin.routes();
    for _ in 0..40 {
        notes.note(answered("left/m"));
    }
    let report = read(call(&routes, Method::GET, "/admin/availability", &[TOKEN], "").await).await;
    let at = |path: &str| report.pointer(path).cloned().unwrap_or_default();
    assert_eq!(at("/aliases/0/alias"), "fast");
    assert_eq!(at("/aliases/0/targets/0/target"), "left/m");
    for half_life in ["5m", "1h", "30d"] {
        let observed = at(&format!("/aliases/0/availability/{half_life}/observed"));
        assert_eq!(observed["too_few"], false, "{observed}");
        assert!(observed["low"].as_f64() > Some(0.9) && observed["high"].as_f64() <= Some(1.0), "{observed}");
        assert!(at(&format!("/aliases/0/targets/0/availability/{half_life}/value")).as_f64() > Some(0.98));
        let standby = at(&format!("/aliases/0/targets/1/availability/{half_life}"));
        assert_eq!(standby, json!({"samples": 0.0, "too_few": true}));
        assert_eq!(at(&format!("/aliases/0/availability/{half_life}/independent/too_few")), true);
        assert_eq!(at(&format!("/aliases/0/availability/{half_life}/chain/at_least")), true);
        assert_eq!(at(&format!("/aliases/0/availability/{half_life}/cost_of_correlation")), Value::Null);
    }
    let shared =
        json!([{"kind": "shared-domain", "targets": ["left/m", "left/vendor/m-2"], "domains": ["left"]}]);
    assert_eq!(at("/aliases/0/overlaps"), shared, "two models of one provider share its fate");
}

#[tokio::test]
async fn metrics_are_one_page_of_everything() {
    let (admin, _shutdown) = admin();
    admin.notes.configure(&admin.config.load());
    (0..40).for_each(|_| admin.notes.note(answered("left/m")));
    let response = call(&Arc::clone(&admin).routes(), Method::GET, "/metrics", &[TOKEN], "").await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let page = response.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&page).unwrap();
    for line in [
        "# TYPE seawall_requests counter",
        r#"seawall_requests_total{alias="fast",outcome="primary"} 40"#,
        r#"seawall_breaker_state{target="left/m",circuit="closed"} 1"#,
        r#"seawall_plugin_time_seconds_total{plugin="x"} 0.003"#,
        r#"seawall_plugin_generation{plugin="x"} 2"#,
        "seawall_chaos_armed 0",
        "seawall_ingress_refused_total 0",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in {page}");
    }
    for figure in [
        r#"seawall_availability{alias="fast",figure="observed",half_life="5m",bound="low"}"#,
        r#"seawall_target_availability{target="left/m",half_life="1h",bound="value"}"#,
    ] {
        let value = page.lines().find_map(|line| line.strip_prefix(figure)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.9 && value < 1.0), "{figure} in {page}");
    }
    assert!(
        !page.contains(r#"seawall_target_availability{target="left/vendor"#),
        "too few samples say nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_the_whole_and_then_what_happens() {
    let (admin, shutdown) = admin();
    let (notes, tasks) = (Arc::clone(&admin.notes), Tasks::new());
    tasks.spawn("live stream", Arc::clone(notes.live()).run(admin.clone()));
    let routes = admin.routes();
    let response = call(&routes, Method::GET, "/admin/stream", &[TOKEN], "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    let snapshot = next().await.unwrap();
    for part in
        ["event: snapshot\n", r#""phase":"serving""#, r#""plugins""#, r#""availability""#, r#""faults""#]
    {
        assert!(snapshot.contains(part), "{part} is missing in {snapshot}");
    }
    notes.note(answered("left/m"));
    let batch = next().await.unwrap();
    assert!(batch.contains("event: batch\n") && batch.contains(r#""outcome":"primary""#), "{batch}");
    assert!(batch.contains(r#""requests_ended":{"primary":1}"#), "{batch}");

    let mut others = Vec::new();
    for _ in 1..MOST_WATCHERS {
        others.push(call(&routes, Method::GET, "/admin/stream", &[TOKEN], "").await);
    }
    assert!(others.iter().all(|response| response.status() == 200));
    let refused = call(&routes, Method::GET, "/admin/stream", &[TOKEN], "").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(read(refused).await.pointer("/error/code"), Some(&"too_many_watchers".into()));
    others.pop();
    assert_eq!(call(&routes, Method::GET, "/admin/stream", &[TOKEN], "").await.status(), 200);
    shutdown.advance(Phase::Ended);
    assert_eq!(next().await, None, "the house is closed");
}

#[tokio::test]
async fn readiness_gives_reasons_without_names() {
    let (routes, shutdown) = desk();
    let response = call(&routes, Method::GET, "/readyz", &[], "").await;
    assert_eq!(response.status(), 503);
    assert_eq!(read(response).await, json!({"ready": false, "reasons": ["no_adapter"]}));
    shutdown.advance(Phase::Leaving);
    let reasons = read(call(&routes, Method::GET, "/readyz", &[], "").await).await;
    assert_eq!(reasons.pointer("/reasons/0"), Some(&"shutting_down".into()));
    assert_eq!(call(&routes, Method::GET, "/livez", &[], "").await.status(), 200);
}

#[tokio::test]
async fn status_is_one_object() {
    let (routes, _shutdown) = desk();
    let status = read(call(&routes, Method::GET, "/admin/status", &[TOKEN], "").await).await;
    for member in
        ["version", "uptime_s", "phase", "ready", "reasons", "faults_armed", "ingress", "counters", "targets"]
    {
        assert!(status.get(member).is_some(), "{member} is missing in {status}");
    }
}
