use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use seawall_core::breaker::BreakerSettings;
use seawall_core::fault::Chaos;
use seawall_core::ports::{PluginSet, PluginSource, Silence, TokioClock};
use seawall_core::random::Random;
use seawall_core::targets::Targets;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::json::AdminError;
use super::{Admin, Door, PluginControl, routes as table};
use crate::config::{Config, Environment, Source};
use crate::ingress::{Admission, Routes};
use crate::shutdown::{Phase, Shutdown};
use crate::tasks::Tasks;
use crate::telemetry::Notes;

const CONFIG: &str = r#"
    [state]
    dir = "unused"
    [providers.left]
    adapter = "x"
    [models.fast]
    targets = ["left/m"]
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
    fn rollback(&self, id: &str) -> Result<Value, AdminError> {
        Err(AdminError::new(StatusCode::NOT_FOUND, "unknown_plugin", format!("no plugin `{id}`")))
    }
}

fn desk() -> (Routes, Shutdown) {
    let config = Config::parse(Source::new("t", CONFIG), Path::new(""), &Environment::fixed([])).unwrap();
    let shutdown = Shutdown::new();
    let (clock, silence) = (Arc::new(TokioClock), Arc::new(Silence));
    let random = Arc::new(Random::seeded(1));
    let admin = Admin {
        token: "secret-token".into(),
        addr: "127.0.0.1:8081".parse().unwrap(),
        ingress: Arc::new(Admission::new(config.server.admission)),
        config: Arc::new(ArcSwap::from_pointee(config)),
        targets: Arc::new(Targets::new(clock.clone(), random, silence.clone(), BreakerSettings::default())),
        chaos: Arc::new(Chaos::new(clock, silence)),
        plugins: Arc::new(NoPlugins),
        control: Arc::new(NoPlugins),
        notes: Arc::new(Notes::new()),
        tasks: Tasks::new(),
        phase: shutdown.watch(),
        started: Instant::now(),
    };
    (admin.routes(), shutdown)
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
    let unknown = [
        ("/", Door::Token),
        ("/admin", Door::Token),
        ("/admin/nothing", Door::Token),
        ("/metrics", Door::Token),
    ];
    let known = table().map(|(path, door, _)| (path, door));
    for (path, door) in known.into_iter().chain(unknown) {
        let path = path.replace("{id}", "1");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let wrong =
                ["", "Bearer ", "Bearer wrong", "Bearer secret-toke", "Basic secret-token", "secret-token"];
            for token in wrong {
                let response = call(&routes, method.clone(), &path, &[("authorization", token)], "").await;
                assert!(!response.headers().contains_key("access-control-allow-origin"));
                let status = response.status();
                match door {
                    Door::Token => assert_eq!(status, 401, "{method} {path} with {token:?}"),
                    Door::Health => assert_ne!(status, 401, "{method} {path}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn the_token_opens_every_route() {
    let (routes, _shutdown) = desk();
    for path in ["/admin/status", "/admin/plugins", "/admin/chaos/faults"] {
        assert_eq!(call(&routes, Method::GET, path, &[TOKEN], "").await.status(), 200, "{path}");
    }
    let missing = call(&routes, Method::GET, "/admin/nothing", &[TOKEN], "").await;
    assert_eq!(missing.status(), 404);
    assert!(read(missing).await.pointer("/error/fix").unwrap().as_str().unwrap().contains("/admin/status"));
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
