use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use seawall_core::breaker::BreakerSettings;
use seawall_core::class::{Class, Failure, Scope};
use seawall_core::fault::Chaos;
use seawall_core::note::{Note, Outcome, Tried, Verdict};
use seawall_core::outlook::{CallKind, SizeFactor};
use seawall_core::ports::{Observer as _, PluginSet, PluginSource, Silence, TokioClock};
use seawall_core::random::Random;
use seawall_core::record::Record;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use seawall_core::targets::{Ask, Targets};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::json::AdminError;
use super::{Admin, Door, PluginControl, PluginFigures, routes as table};
use crate::audit::{Audit, Settings};
use crate::config::{Config, Environment, Source};
use crate::ingress::{Admission, Routes};
use crate::shutdown::{Phase, Shutdown};
use crate::tasks::Tasks;
use crate::telemetry::Notes;
use crate::telemetry::live::MOST_WATCHERS;

const CONFIG: &str = r#"
    [state]
    dir = "unused"
    [providers.left]
    adapter = "x"
    [models.fast]
    targets = ["left/m", "left/vendor/m-2"]
"#;

#[derive(Debug)]
struct NoPlugins;

impl PluginSource for NoPlugins {
    fn current(&self) -> Arc<PluginSet> {
        Arc::default()
    }
}

impl PluginControl for NoPlugins {
    fn status(&self) -> Value {
        json!({"plugins": []})
    }
    fn figures(&self) -> Vec<PluginFigures> {
        let (id, time) = (Arc::from("x"), Duration::from_millis(3));
        vec![PluginFigures { id, generation: 2, calls: 7, time, faults: 1, instances: 4 }]
    }
    fn rollback(&self, id: &str) -> Result<Value, AdminError> {
        Err(AdminError::new(StatusCode::NOT_FOUND, "unknown_plugin", format!("no plugin `{id}`")))
    }
}

fn desk() -> (Routes, Shutdown) {
    let (admin, shutdown) = admin();
    (admin.routes(), shutdown)
}

fn admin() -> (Arc<Admin>, Shutdown) {
    admin_with("")
}

fn admin_with(more: &str) -> (Arc<Admin>, Shutdown) {
    let text = format!("{CONFIG}{more}");
    let config = Config::parse(Source::new("t", text), Path::new(""), &Environment::fixed([])).unwrap();
    let shutdown = Shutdown::new();
    let (clock, silence) = (Arc::new(TokioClock), Arc::new(Silence));
    let random = Arc::new(Random::seeded(1));
    let targets = Targets::new(clock.clone(), random, silence.clone(), BreakerSettings::default());
    let names = config.aliases.values().flat_map(|alias| &alias.targets).map(|target| target.id.clone());
    targets.configure(&names.collect::<Vec<_>>(), &BreakerSettings::default());
    let admin = Admin {
        token: "secret-token".into(),
        addr: "127.0.0.1:8081".parse().unwrap(),
        ingress: Arc::new(Admission::new(config.server.admission)),
        config: Arc::new(ArcSwap::from_pointee(config)),
        targets: Arc::new(targets),
        chaos: Arc::new(Chaos::new(clock, silence)),
        plugins: Arc::new(NoPlugins),
        control: Arc::new(NoPlugins),
        notes: Arc::new(Notes::new()),
        audit: None,
        tasks: Tasks::new(),
        background: Tasks::new(),
        phase: shutdown.watch(),
        started: Instant::now(),
    };
    (Arc::new(admin), shutdown)
}

async fn call(routes: &Routes, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1:8081");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    routes.call(request).await.unwrap()
}

async fn read(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

const TOKEN: (&str, &str) = ("authorization", "Bearer secret-token");

/// Every route of the table, by every method, with every wrong token: nothing opens but the two health answers.
#[tokio::test]
async fn nothing_opens_without_the_token() {
    let (routes, _shutdown) = desk();
    let unknown = [("/", Door::Token), ("/admin", Door::Token), ("/admin/nothing", Door::Token)];
    let known = table().map(|(path, door, _)| (path, door));
    for (path, door) in known.into_iter().chain(unknown) {
        let path = path.replace("{id}", "1").replace("{*target}", "left/m");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let wrong =
                ["", "Bearer ", "Bearer wrong", "Bearer secret-toke", "Basic secret-token", "secret-token"];
            for token in wrong {
                let response = call(&routes, method.clone(), &path, &[("authorization", token)], "").await;
                assert!(!response.headers().contains_key("access-control-allow-origin"));
                let status = response.status();
                match door {
                    Door::Token | Door::Metrics => assert_eq!(status, 401, "{method} {path} with {token:?}"),
                    Door::Health => assert_ne!(status, 401, "{method} {path}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn the_token_opens_every_route() {
    let (routes, _shutdown) = desk();
    for path in [
        "/admin/status",
        "/admin/availability",
        "/admin/targets",
        "/admin/targets/left/m",
        "/admin/plugins",
        "/admin/chaos/catalogue",
        "/admin/chaos/faults",
        "/admin/chaos/experiments",
        "/admin/stream",
        "/metrics",
    ] {
        assert_eq!(call(&routes, Method::GET, path, &[TOKEN], "").await.status(), 200, "{path}");
    }
    let missing = call(&routes, Method::GET, "/admin/nothing", &[TOKEN], "").await;
    assert_eq!(missing.status(), 404);
    assert!(read(missing).await.pointer("/error/fix").unwrap().as_str().unwrap().contains("/admin/status"));
}

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

/// A desk with a trail, and the trail.
fn desk_with_trail(folder: &Path) -> (Routes, Audit, Shutdown) {
    let audit = Audit::start(Settings::usual(folder.to_owned()), None).unwrap();
    let (admin, shutdown) = admin();
    let admin = Arc::into_inner(admin).expect("nobody else holds it");
    let routes = Arc::new(Admin { audit: Some(audit.clone()), ..admin }).routes();
    (routes, audit, shutdown)
}

#[tokio::test]
async fn what_operators_do_is_on_record_and_what_they_only_look_at_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (routes, audit, _shutdown) = desk_with_trail(folder.path());
    let order = r#"{"action":"force-open","reason":"maintenance, ticket sk-abcdefghijklmnop","ttl":"1m"}"#;
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[TOKEN], order).await.status(), 200);
    assert_eq!(call(&routes, Method::DELETE, "/admin/chaos/faults/7", &[TOKEN], "").await.status(), 404);
    let large = "x".repeat(100_000);
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[TOKEN], &large).await.status(), 400);
    // Nobody who may not do anything writes anything.
    assert_eq!(call(&routes, Method::POST, "/admin/targets/left/m", &[], order).await.status(), 401);
    assert_eq!(call(&routes, Method::GET, "/admin/targets", &[TOKEN], "").await.status(), 200);
    audit.close().await;
    let page = read(call(&routes, Method::GET, "/admin/audit?kind=operator", &[TOKEN], "").await).await;
    let entries = page["entries"].as_array().unwrap();
    let deed = |at: usize| &entries[at]["entry"];
    assert_eq!(entries.len(), 3, "{page}");
    assert_eq!((&deed(2)["path"], &deed(2)["status"]), (&"/admin/targets/left/m".into(), &200.into()));
    let kept = r#"{"action":"force-open","reason":"maintenance, ticket [key]","ttl":"1m"}"#;
    assert_eq!((&deed(2)["method"], &deed(2)["order"]), (&"POST".into(), &kept.into()));
    assert_eq!((&deed(1)["method"], &deed(1)["status"]), (&"DELETE".into(), &404.into()));
    assert!(deed(0)["order"].as_str().unwrap().len() < 100);
}

#[tokio::test]
async fn the_trail_is_paged_shown_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (routes, audit, _shutdown) = desk_with_trail(folder.path());
    for number in 1..=5 {
        let Note::RequestEnded(record) = answered("left/m") else { unreachable!() };
        audit.note(&Note::RequestEnded(Arc::new(Record { id: RequestId(number), ..(*record).clone() })));
    }
    audit.close().await;
    let ask = async |path: &str| read(call(&routes, Method::GET, path, &[TOKEN], "").await).await;
    let ids = |page: &Value| {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = ask("/admin/audit?kind=request&limit=3&outcome=primary").await;
    assert_eq!(ids(&page), ["req_0000000000000005", "req_0000000000000004", "req_0000000000000003"]);
    let next = page["next"].as_str().unwrap();
    let page = ask(&format!("/admin/audit?kind=request&limit=3&before={next}")).await;
    assert_eq!((ids(&page).len(), page.get("next")), (2, None));
    assert_eq!(ask("/admin/audit/req_0000000000000004").await["entry"]["outcome"], "primary");
    assert_eq!(ask("/admin/audit/4").await["entry"]["model"], "fast");
    assert_eq!(ask("/admin/audit/status").await["stored"], 5);
    assert_eq!(ask("/admin/status").await["audit"]["stored"], 5);
    let page = call(&routes, Method::GET, "/metrics", &[TOKEN], "").await;
    let page = page.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&page).unwrap();
    for line in [r#"seawall_audit_entries_total{result="stored"} 5"#, "seawall_audit_spilled 0"] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in {page}");
    }

    let export = call(&routes, Method::GET, "/admin/audit/export?kind=request", &[TOKEN], "").await;
    assert_eq!(export.headers()["content-type"], "application/x-ndjson");
    let text = export.into_body().collect().await.unwrap().to_bytes();
    let lines: Vec<Value> =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_str().unwrap()).next(), Some("req_0000000000000001"));
    assert_eq!(lines.len(), 5);

    for (path, status, code) in [
        ("/admin/audit/77", 404, "not_on_record"),
        ("/admin/audit/x", 400, "bad_filter"),
        ("/admin/audit?from=yesterday", 400, "bad_filter"),
        ("/admin/audit?kind=request,nothing", 400, "bad_filter"),
        ("/admin/audit?before=3", 400, "bad_filter"),
        ("/admin/audit?colour=red", 400, "bad_filter"),
    ] {
        let response = call(&routes, Method::GET, path, &[TOKEN], "").await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let error = read(response).await;
        assert_eq!(error["error"]["code"], code, "{path}");
    }
    let (without, _other) = desk();
    assert_eq!(call(&without, Method::GET, "/admin/audit", &[TOKEN], "").await.status(), 404);
}

fn answered(by: &str) -> Note {
    let target = TargetId::parse(by).unwrap();
    let tried = vec![Tried { target: target.clone(), unprompted: true, verdict: Verdict::Served }];
    let (outcome, target) = (Outcome::Primary, Some(target));
    Note::RequestEnded(Arc::new(Record { outcome, target, tried, ..Record::new(RequestId(1), "fast") }))
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

#[tokio::test]
async fn metrics_are_open_only_where_the_configuration_says_so() {
    let (admin, _shutdown) = admin_with("[metrics]\nopen = true\n");
    let routes = admin.routes();
    assert_eq!(call(&routes, Method::GET, "/metrics", &[], "").await.status(), 200);
    assert_eq!(call(&routes, Method::GET, "/admin/status", &[], "").await.status(), 401);
    let foreign = [("host", "evil.test")];
    assert_eq!(call(&routes, Method::GET, "/metrics", &foreign, "").await.status(), 403);
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
async fn other_hosts_and_origins_are_refused_even_with_the_token() {
    let (routes, _shutdown) = desk();
    let check = async |headers: &[(&str, &str)], expect: u16| {
        let headers: Vec<_> = headers.iter().copied().chain([TOKEN]).collect();
        for path in ["/livez", "/admin/status", "/admin/nothing"] {
            let status = call(&routes, Method::GET, path, &headers, "").await.status().as_u16();
            let expect = if expect == 200 && path.ends_with("nothing") { 404 } else { expect };
            assert_eq!(status, expect, "{path} {headers:?}");
        }
    };
    for ours in ["127.0.0.1:8081", "localhost:8081", "LOCALHOST", "[::1]:8081", "127.9.9.9"] {
        check(&[("host", ours)], 200).await;
    }
    for foreign in
        ["evil.test", "evil.test:8081", "10.0.0.1:8081", "localhost.evil.test", "127.0.0.1.evil.test"]
    {
        check(&[("host", foreign)], 403).await;
    }
    check(&[("host", "localhost:8081"), ("origin", "http://localhost:8081")], 200).await;
    for foreign in ["http://evil.test", "http://localhost:9999", "null", "file://localhost:8081", ""] {
        check(&[("host", "localhost:8081"), ("origin", foreign)], 403).await;
    }
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

#[tokio::test]
async fn orders_of_faults_are_checked() {
    let (routes, _shutdown) = desk();
    let check = async |order: &str, status: u16, code: &str| {
        let response = call(&routes, Method::POST, "/admin/chaos/faults", &[TOKEN], order).await;
        let got = response.status();
        let body = read(response).await;
        assert_eq!(
            (got.as_u16(), body.pointer("/error/code")),
            (status, Some(&code.into())),
            "{order}: {body}"
        );
    };
    check("", 400, "bad_order").await;
    check(r#"{"kind":"outage","mach":{}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","match":{"provder":"x"}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":"soon"}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":0}"#, 400, "out_of_range").await;
    check(r#"{"kind":"outage","match":{"percent":101}}"#, 400, "out_of_range").await;
    check(r#"{"kind":"outage","ttl":"30s"}"#, 404, "unknown_kind").await;
    check(r#"{"kind":"outage","match":{"provider":"lfet"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"alias":"lfet/m"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"domain":"the-moon"}}"#, 400, "unknown_name").await;
    check(r#"{"kind":"outage","match":{"tier":"low"}}"#, 400, "bad_order").await;
    check(r#"{"kind":"outage","ttl":"1s","ramp":"2s"}"#, 400, "out_of_range").await;
    check(r#"{"kind":"kill-provider"}"#, 400, "out_of_range").await;
    for known in [r#"{"provider":"left"}"#, r#"{"alias":"fast"}"#, r#"{"alias":"left/any/model"}"#] {
        check(&format!(r#"{{"kind":"outage","match":{known}}}"#), 404, "unknown_kind").await;
    }
    check(&" ".repeat(70_000), 400, "bad_order").await;
    let gone = call(&routes, Method::DELETE, "/admin/chaos/faults/7", &[TOKEN], "").await;
    assert_eq!(gone.status(), 404);
    let all = call(&routes, Method::DELETE, "/admin/chaos/faults", &[TOKEN], "").await;
    assert_eq!(read(all).await, json!({"disarmed": 0}));
}

#[tokio::test]
async fn plugin_errors_carry_their_words() {
    let (routes, _shutdown) = desk();
    let response = call(&routes, Method::POST, "/admin/plugins/ghost/rollback", &[TOKEN], "").await;
    assert_eq!(response.status(), 404);
    assert_eq!(read(response).await.pointer("/error/message"), Some(&"no plugin `ghost`".into()));
    let plain = AdminError::new(StatusCode::CONFLICT, "x", "y").into_response();
    assert_eq!(plain.headers()["cache-control"], "no-store");
}

/// Holds, releases and resets a target, and says after each step what it now is.
#[tokio::test(start_paused = true)]
async fn operators_hold_targets_for_a_while() {
    let (routes, _shutdown) = desk();
    let act = async |name: &str, order: &str| {
        let response = call(&routes, Method::POST, &format!("/admin/targets/{name}"), &[TOKEN], order).await;
        let status = response.status().as_u16();
        (status, read(response).await)
    };
    for name in ["left/m", "left/vendor/m-2", "left%2Fm"] {
        let (status, target) =
            act(name, r#"{"action":"force-open","reason":"maintenance","ttl":"30m"}"#).await;
        assert_eq!((status, &target["circuit"]), (200, &"forced_open".into()), "{name}: {target}");
        assert_eq!(target["forced_reason"], "maintenance");
        assert_eq!(target["retry_in_ms"], 30 * 60_000);
        let (status, target) = act(name, r#"{"action":"release"}"#).await;
        assert_eq!((status, &target["circuit"]), (200, &"half_open".into()), "{target}");
        let (_, target) = act(name, r#"{"action":"reset","reason":"it is fine"}"#).await;
        assert_eq!(target["circuit"], "closed");
    }
    let (_, target) = act("left/m", r#"{"action":"force-closed","reason":"false alarm"}"#).await;
    assert_eq!(target["circuit"], "forced_closed");
    tokio::time::advance(std::time::Duration::from_secs(3601)).await;
    let list = read(call(&routes, Method::GET, "/admin/targets", &[TOKEN], "").await).await;
    assert_eq!(list.pointer("/targets/0/circuit"), Some(&"closed".into()), "an hour unless said: {list}");
    assert_eq!(list.pointer("/targets/1/target"), Some(&"left/vendor/m-2".into()), "{list}");

    let (status, error) = act("left/m", r#"{"action":"release"}"#).await;
    assert_eq!((status, error.pointer("/error/code")), (409, Some(&"not_forced".into())), "{error}");
}

#[tokio::test]
async fn orders_to_targets_are_checked() {
    let (routes, _shutdown) = desk();
    let check = async |path: &str, order: &str, status: u16, code: &str, says: &str| {
        let response = call(&routes, Method::POST, path, &[TOKEN], order).await;
        let got = response.status().as_u16();
        let body = read(response).await;
        assert_eq!((got, body.pointer("/error/code")), (status, Some(&code.into())), "{order}: {body}");
        assert!(body.pointer("/error/fix").unwrap().as_str().unwrap().contains(says), "{body}");
    };
    let one = "/admin/targets/left/m";
    check(one, "", 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"close"}"#, 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"reset","why":"x"}"#, 400, "bad_order", "force-open").await;
    check(one, r#"{"action":"force-open"}"#, 400, "bad_order", "reason").await;
    check(one, r#"{"action":"force-open","reason":"  "}"#, 400, "bad_order", "reason").await;
    check(one, r#"{"action":"force-open","reason":"a\nb"}"#, 400, "bad_order", "reason").await;
    let long = format!(r#"{{"action":"reset","reason":"{}"}}"#, "x".repeat(201));
    check(one, &long, 400, "bad_order", "reason").await;
    for ttl in ["0", "\"25h\"", "86401"] {
        let order = format!(r#"{{"action":"force-open","reason":"x","ttl":{ttl}}}"#);
        check(one, &order, 400, "out_of_range", "configuration").await;
    }
    check(one, r#"{"action":"force-open","reason":"x","ttl":"soon"}"#, 400, "bad_order", "ttl").await;
    let reset = r#"{"action":"reset"}"#;
    check("/admin/targets/left/n", reset, 404, "unknown_name", "did you mean `left/m`").await;
    check("/admin/targets/left", reset, 404, "unknown_name", "left/m").await;
    check("/admin/providers/lefd", r#"{"action":"clear-gates"}"#, 404, "unknown_name", "`left`").await;
    check("/admin/providers/left", reset, 400, "bad_order", "clear-gates").await;
}

#[tokio::test(start_paused = true)]
async fn a_repaired_provider_is_asked_again_at_once() {
    let (admin, _shutdown) = admin();
    let targets = Arc::clone(&admin.targets);
    let routes = admin.routes();
    let id = TargetId::new("left", "m");
    let ask = Ask {
        request: RequestId(1),
        lease: std::time::Duration::from_secs(1),
        only_one_left: false,
        kind: CallKind::Plain,
        size: SizeFactor::ONE,
    };
    let ask = || targets.get(&id).try_acquire(&ask);
    ask().unwrap().failed(&Failure { scope: Scope::Credential, ..Failure::new(Class::Auth, "no") });
    assert!(ask().is_err(), "the credential's gate is closed");
    let clear = call(&routes, Method::POST, "/admin/providers/left", &[TOKEN], r#"{"action":"clear-gates"}"#);
    let answer = read(clear.await).await;
    assert_eq!(answer["targets"].as_array().unwrap().len(), 2, "{answer}");
    assert!(ask().is_ok());
}
