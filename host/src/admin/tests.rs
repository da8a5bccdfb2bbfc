//! A desk without plugins or upstreams, asked over its own routes.

mod document;
mod doors;
mod orders;
mod trail;
mod watching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use seawall_core::breaker::BreakerSettings;
use seawall_core::fault::Chaos;
use seawall_core::note::{Note, Outcome, Tried, Verdict};
use seawall_core::ports::{PluginSet, PluginSource, Silence, TokioClock};
use seawall_core::random::Random;
use seawall_core::record::Record;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use seawall_core::targets::Targets;
use serde_json::Value;
use tokio::time::Instant;

use super::json::AdminError;
use super::{Admin, PluginControl, PluginFigures, PluginReport, Routes, Serving};
use crate::config::{Config, Environment, Source};
use crate::ingress::Admission;
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;
use crate::telemetry::Notes;

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
    fn status(&self) -> PluginReport {
        PluginReport::default()
    }
    fn figures(&self) -> Vec<PluginFigures> {
        let (id, time) = (Arc::from("x"), Duration::from_millis(3));
        vec![PluginFigures { id, generation: 2, calls: 7, time, faults: 1, instances: 4 }]
    }
    fn rollback(&self, id: &str) -> Result<Serving, AdminError> {
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
        reports: None,
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

fn answered(by: &str) -> Note {
    let target = TargetId::parse(by).unwrap();
    let tried = vec![Tried { target: target.clone(), unprompted: true, verdict: Verdict::Served }];
    let (outcome, target) = (Outcome::Primary, Some(target));
    Note::RequestEnded(Arc::new(Record { outcome, target, tried, ..Record::new(RequestId(1), "fast") }))
}
