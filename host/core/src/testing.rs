//! Test doubles at the ports: an adapter for a chat-compatible provider, and an upstream that follows a script.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};

use crate::body::RequestBody;
use crate::breaker::BreakerSettings;
use crate::budget::Budget;
use crate::cascade::{self, Engine, Limits};
use crate::class::{Class, Failure};
use crate::fault::Chaos;
use crate::note::Note;
use crate::ports::{
    Adapter, AdapterError, AdapterTarget, Answer, Auth, Background, BodyPlan, ByteSource, Call, Clock,
    Decoder, Observer, PlainReply, PluginFault, PluginRef, PluginSet, PluginSource, RawFailure, ReplyFormat,
    Shape, TokioClock, TransportFailure, Upstream, WirePlan, WireReply, WireRequest,
};
use crate::protocol;
use crate::random::Random;
use crate::reply::Reply;
use crate::request::{Protocol, Request, RequestId, default_tenant};
use crate::settings::{Alias, AliasTarget};
use crate::target::{Capabilities, TargetId};
use crate::targets::Targets;

/// What an upstream does with one call.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// A status, headers and a body.
    Reply(u16, Vec<(&'static str, &'static str)>, String),
    /// A 200 stream: steps in order, then a clean end unless a step says otherwise.
    Stream(Vec<Step>),
    Refuse,
    Reset,
    Hang,
    /// The same, later.
    After(Duration, Box<Script>),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(String),
    Wait(Duration),
    Break,
    Stall,
}

/// A plain chat answer.
pub(crate) fn answer(text: &str) -> Script {
    let body = serde_json::json!({
        "id": "a", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
    });
    Script::Reply(200, vec![("content-type", "application/json")], body.to_string())
}

/// An error in the chat dialect.
pub(crate) fn error(status: u16, code: &str) -> Script {
    error_with(status, code, vec![])
}

/// An error with headers.
pub(crate) fn error_with(status: u16, code: &str, headers: Vec<(&'static str, &'static str)>) -> Script {
    let body = serde_json::json!({ "error": { "message": "no", "type": "t", "code": code, "param": null } });
    Script::Reply(status, headers, body.to_string())
}

/// One chat chunk with text.
pub(crate) fn text(piece: &str) -> Step {
    let chunk = serde_json::json!({ "id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }] });
    Step::Send(format!("data: {chunk}\n\n"))
}

/// The role chunk that providers open with; no content.
pub(crate) fn role() -> Step {
    let chunk = serde_json::json!({ "id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null }] });
    Step::Send(format!("data: {chunk}\n\n"))
}

/// The chunk with the finish reason.
pub(crate) fn finish() -> Step {
    let chunk = serde_json::json!({ "id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    Step::Send(format!("data: {chunk}\n\n"))
}

/// The terminator.
pub(crate) fn done() -> Step {
    Step::Send("data: [DONE]\n\n".to_owned())
}

/// A world with a few providers `a`, `b`, ... each with one model `m`.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) upstream: Arc<Scripted>,
    pub(crate) notes: Arc<Notes>,
}

impl World {
    /// Providers by name; each answers "hello from NAME" unless scripted.
    pub(crate) fn new(providers: &[&str]) -> Self {
        let upstream = Arc::new(Scripted::default());
        let notes = Arc::new(Notes::default());
        let clock: Arc<dyn Clock> = Arc::new(TokioClock);
        let random = Arc::new(Random::seeded(7));
        let observer: Arc<dyn Observer> = Arc::<Notes>::clone(&notes);
        let adapters = providers.iter().map(|name| {
            let adapter: Arc<dyn Adapter> = Arc::new(ChatAdapter::new(name));
            (Arc::from(*name), adapter)
        });
        let plugins = PluginSet { adapters: adapters.collect(), ..PluginSet::default() };
        let settings = BreakerSettings::default();
        let engine = Arc::new(Engine {
            targets: Arc::new(Targets::new(
                Arc::clone(&clock),
                Arc::clone(&random),
                Arc::clone(&observer),
                settings,
            )),
            upstream: Arc::<Scripted>::clone(&upstream),
            plugins: Arc::new(Fixed(Arc::new(plugins))),
            chaos: Arc::new(Chaos::new(Arc::clone(&clock), Arc::clone(&observer))),
            budget: Arc::new(Budget::new(Arc::clone(&clock))),
            limits: Limits::default(),
            clock,
            random,
            observer,
            background: Arc::new(Spawned::default()),
        });
        Self { engine, upstream, notes }
    }

    /// What `provider` does with its next calls; the last one repeats.
    pub(crate) fn script(&self, provider: &str, scripts: impl IntoIterator<Item = Script>) {
        let scripts = scripts.into_iter().collect();
        self.upstream.scripts.lock().unwrap().insert(provider.to_owned(), scripts);
    }

    /// Other plugins from now on.
    pub(crate) fn use_plugins(&mut self, plugins: PluginSet) {
        let engine = Arc::get_mut(&mut self.engine).expect("no request is under way");
        engine.plugins = Arc::new(Fixed(Arc::new(plugins)));
    }

    /// Forgets which calls were made and which notes written; what targets have learned stays.
    pub(crate) fn forget(&self) {
        self.upstream.calls.lock().unwrap().clear();
        self.upstream.cancelled.lock().unwrap().clear();
        self.notes.0.lock().unwrap().clear();
    }

    /// The cascade's answer.
    pub(crate) async fn answer(&self, request: &Request, alias: &Alias) -> Reply {
        cascade::answer(&self.engine, Arc::new(request.clone()), Arc::new(alias.clone())).await
    }

    /// Providers in the order in which they were called.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.upstream.calls.lock().unwrap().clone()
    }
}

/// An alias over providers, with short limits.
pub(crate) fn alias(providers: &[&str]) -> Alias {
    let target = |name: &&str| AliasTarget::new(TargetId::new(*name, "m"));
    Alias::new("chat", providers.iter().map(target).collect())
}

/// A request as ingress would make it.
pub(crate) fn request(protocol: Protocol, stream: bool) -> Request {
    let body = serde_json::json!({
        "model": "chat", "stream": stream, "max_tokens": 100,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    request_of(protocol, &body)
}

/// Counted from 1 in every test, which has a thread of its own.
fn next_id() -> RequestId {
    thread_local!(static LAST: Cell<u64> = const { Cell::new(0) });
    LAST.set(LAST.get() + 1);
    RequestId(LAST.get())
}

/// A request with this body.
pub(crate) fn request_of(protocol: Protocol, body: &serde_json::Value) -> Request {
    let bytes = Bytes::from(body.to_string());
    let (facts, body) = protocol::read_request(protocol, bytes, HeaderMap::new(), 1).unwrap();
    Request {
        id: next_id(),
        protocol,
        tenant: default_tenant(),
        facts,
        body: Arc::new(body),
        deadline: None,
        strict: false,
        trace: None,
        chaos: None,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    pub(crate) fn all(&self) -> Vec<Note> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Notes {
    fn note(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }
}

/// Work behind requests ends with the world.
#[derive(Debug, Default)]
struct Spawned(Mutex<JoinSet<()>>);

impl Background for Spawned {
    fn run(&self, _name: &'static str, work: Call<'static, ()>) {
        self.0.lock().unwrap().spawn(work);
    }
}

#[derive(Debug)]
struct Fixed(Arc<PluginSet>);

impl PluginSource for Fixed {
    fn current(&self) -> Arc<PluginSet> {
        Arc::clone(&self.0)
    }
}

/// An upstream that follows scripts by provider.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    calls: Mutex<Vec<String>>,
    bodies: Mutex<Vec<Bytes>>,
    cancelled: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Scripted {
    /// What was sent, in the order of the calls.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        self.bodies.lock().unwrap().iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
    }

    /// When calls to this provider were dropped before they had ended.
    pub(crate) fn cancelled(&self, provider: &str) -> Vec<Instant> {
        let all = self.cancelled.lock().unwrap();
        all.iter().filter(|(name, _)| name == provider).map(|(_, at)| *at).collect()
    }
}

/// A call under way.
struct UnderWay {
    name: String,
    cancelled: Arc<Mutex<Vec<(String, Instant)>>>,
    ended: bool,
}

impl UnderWay {
    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.ended {
            self.cancelled.lock().unwrap().push((self.name.clone(), Instant::now()));
        }
    }
}

impl Upstream for Scripted {
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>> {
        let name = request.provider.to_string();
        self.calls.lock().unwrap().push(name.clone());
        self.bodies.lock().unwrap().push(request.body.clone());
        let script = {
            let mut scripts = self.scripts.lock().unwrap();
            match scripts.get_mut(&name) {
                Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
                Some(queue) => queue.front().cloned().unwrap(),
                None => answer(&format!("hello from {name}")),
            }
        };
        let cancelled = Arc::clone(&self.cancelled);
        let call = UnderWay { name, cancelled, ended: false };
        Call::of(async move {
            let mut script = script;
            while let Script::After(time, then) = script {
                sleep(time).await;
                script = *then;
            }
            let (status, headers, steps) = match script {
                Script::Refuse => {
                    call.end();
                    return Err(TransportFailure::Connect("refused".to_owned()));
                }
                Script::Reset => {
                    call.end();
                    return Err(TransportFailure::Reset("reset".to_owned()));
                }
                Script::Hang | Script::After(..) => std::future::pending().await,
                Script::Reply(status, headers, body) => {
                    (status, header_map(&headers), VecDeque::from([Step::Send(body)]))
                }
                Script::Stream(steps) => {
                    (200, header_map(&[("content-type", "text/event-stream")]), steps.into())
                }
            };
            Ok(WireReply { status, headers, body: Box::new(Steps { steps, timer: None, call }) })
        })
    }
}

fn header_map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    headers.iter().map(pair).collect()
}

/// A body that follows steps.
pub(crate) fn steps(steps: Vec<Step>) -> Box<dyn ByteSource> {
    let call = UnderWay { name: String::new(), cancelled: Arc::default(), ended: true };
    Box::new(Steps { steps: steps.into(), timer: None, call })
}

struct Steps {
    steps: VecDeque<Step>,
    timer: Option<std::pin::Pin<Box<Sleep>>>,
    call: UnderWay,
}

impl ByteSource for Steps {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        loop {
            if let Some(timer) = &mut self.timer {
                std::task::ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.steps.pop_front() {
                None => {
                    self.call.ended = true;
                    return Poll::Ready(None);
                }
                Some(Step::Send(text)) => return Poll::Ready(Some(Ok(Bytes::from(text)))),
                Some(Step::Wait(time)) => self.timer = Some(Box::pin(sleep(time))),
                Some(Step::Break) => {
                    self.call.ended = true;
                    return Poll::Ready(Some(Err(TransportFailure::Body("broke".to_owned()))));
                }
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// An adapter for a provider that speaks chat; its failures are told by code, then by status.
#[derive(Debug)]
struct ChatAdapter {
    plugin: PluginRef,
    base_url: Arc<str>,
}

impl ChatAdapter {
    fn new(name: &str) -> Self {
        let plugin = PluginRef::made_up(name);
        Self { plugin, base_url: Arc::from("http://upstream.test/v1") }
    }
}

fn class_of(code: &str, status: Option<u16>) -> Class {
    match (code, status) {
        ("insufficient_quota", _) => Class::QuotaExhausted,
        ("context_length_exceeded", _) => Class::ContextLength,
        ("content_filter", _) => Class::ContentFilter,
        ("model_not_found", _) => Class::ModelNotFound,
        ("unsupported_parameter", _) => Class::UnsupportedParameter,
        ("tool_call_invalid", _) => Class::ToolCallInvalid,
        (_, Some(401 | 403)) => Class::Auth,
        (_, Some(429)) => Class::RateLimited,
        ("overloaded", _) | (_, Some(503 | 529)) => Class::Overloaded,
        (_, Some(400 | 422)) => Class::BadRequest,
        _ => Class::ServerError,
    }
}

impl Adapter for ChatAdapter {
    fn plugin(&self) -> &PluginRef {
        &self.plugin
    }
    fn base_url(&self) -> &Arc<str> {
        &self.base_url
    }
    fn auth(&self) -> &Auth {
        &Auth::Bearer
    }
    fn accepts(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Chat
    }
    fn telemetry_name(&self) -> &str {
        "test"
    }
    fn model<'a>(&'a self, _model: &'a str) -> Call<'a, Result<Arc<Capabilities>, PluginFault>> {
        Call::of(async { Ok(Arc::new(Capabilities::default())) })
    }
    fn build<'a>(
        &'a self,
        _body: &'a Arc<RequestBody>,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<WirePlan, AdapterError>> {
        let patch = serde_json::json!({ "model": &*target.model }).to_string();
        Call::of(async move {
            Ok(WirePlan {
                method: Method::POST,
                path_and_query: "/chat/completions".to_owned(),
                headers: HeaderMap::new(),
                body: BodyPlan::MergePatch(patch),
                reply: ReplyFormat::Same,
            })
        })
    }
    fn parse<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
        reply: PlainReply,
    ) -> Call<'a, Result<Answer, AdapterError>> {
        Call::of(async move { Ok(Answer::Body(reply.body)) })
    }
    fn classify<'a>(
        &'a self,
        _target: &'a AdapterTarget,
        failure: RawFailure,
    ) -> Call<'a, Result<Failure, PluginFault>> {
        let body: serde_json::Value = serde_json::from_slice(&failure.data).unwrap_or_default();
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        let hint = failure.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let failure = Failure {
            status: failure.status,
            retry_after: hint.map(Duration::from_secs),
            code: Some(code.clone()),
            ..Failure::new(class_of(&code, failure.status), "no")
        };
        Call::of(async move { Ok(failure) })
    }
    fn decoder<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
    ) -> Call<'a, Result<Box<dyn Decoder>, PluginFault>> {
        Call::of(async { Err(PluginFault { code: "P000", message: "no decoder".to_owned(), busy: false }) })
    }
    fn render(&self, _shape: Shape) -> Call<'_, Result<Option<PlainReply>, PluginFault>> {
        Call::of(async { Ok(None) })
    }
}
