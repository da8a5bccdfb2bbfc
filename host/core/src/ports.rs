//! What the core needs from outside: plugins, an upstream transport, a clock, somebody who listens.
//!
//! Plugin calls are futures only because a slow plugin may be run elsewhere; a fast one is ready at the first poll.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::class::{Class, Failure};
use crate::event::{FinishReason, StreamEvent, Usage, WireEvent};
use crate::note::{Circuit, Note};
use crate::request::{Protocol, RequestId};
use crate::target::{Capabilities, ProviderName, TargetId};

/// A call across a port.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time, given from outside. Timers are tokio's, so that paused time drives both.
pub trait Clock: Send + Sync + Debug {
    /// Monotonic now.
    fn now(&self) -> Instant;
    /// Wall clock, for dates that providers send.
    fn wall(&self) -> SystemTime;
}

/// The runtime's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Who listens to what the core does. Called on the request path: must neither block nor fail.
pub trait Observer: Send + Sync + Debug {
    /// One thing happened.
    fn note(&self, note: Note);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence;

impl Observer for Silence {
    fn note(&self, _note: Note) {}
}

// --- plugins --------------------------------------------------------------------------------------------------------

/// A plugin that did not do its job: the price is one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFault {
    /// Stable diagnostic code (`P0xx`).
    pub code: &'static str,
    /// Cause and fix in words.
    pub message: String,
    /// Every instance is in use: back-pressure, not the plugin's fault; nothing is held against plugin or provider.
    pub busy: bool,
}

/// Why an adapter call gave no result.
#[derive(Clone, Debug, PartialEq)]
pub enum AdapterError {
    /// The adapter reports a failure of its provider (or of the request).
    Provider(Failure),
    /// The adapter itself failed.
    Plugin(PluginFault),
}

impl From<PluginFault> for AdapterError {
    fn from(fault: PluginFault) -> Self {
        Self::Plugin(fault)
    }
}

/// Which version of which plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginRef {
    /// The file's stem in the plugins directory.
    pub id: Arc<str>,
    /// Counts up with each version loaded.
    pub generation: u64,
}

/// How the transport authenticates; the secret itself is only known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing is sent.
    None,
    /// `authorization: Bearer`.
    Bearer,
    /// The secret as this header's value.
    Header(HeaderName),
    /// The secret as this query parameter's value.
    Query(String),
}

/// Where an adapter call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterTarget {
    /// Upstream model.
    pub model: Arc<str>,
    /// The client's cap on output tokens.
    pub max_output_tokens: Option<u32>,
    /// The client wants a stream (and the target gives one).
    pub streaming: bool,
    /// Fingerprint of the request body this call serves: strikes against a plugin count distinct ones, so that one
    /// client repeating one request cannot disable it.
    pub request: u64,
}

/// How the upstream body is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPlan {
    /// RFC 7396 merge patch on the top level of the client's body.
    MergePatch(String),
    /// These bytes; blob tokens are expanded.
    Full(Bytes),
}

/// How a reply is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// By content type, then by the first byte.
    Auto,
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    JsonLines,
    /// The elements of one JSON array.
    JsonArray,
    /// AWS event stream (binary frames); not implemented by this host yet, refused with a diagnostic.
    AwsEventStream,
}

/// How a reply is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyFormat {
    /// In the protocol of the body that was given; events keep their bytes.
    Same,
    /// As `Same`, but the decoder's usage, finish and failed events count too.
    Watched,
    /// The adapter translates.
    Custom(Framing),
}

/// A checked upstream request: method, headers and path have passed [`crate::egress`].
#[derive(Clone, Debug)]
pub struct WirePlan {
    /// GET, POST, ...
    pub method: Method,
    /// Starts with a slash; joined to the provider's base URL.
    pub path_and_query: String,
    /// Never credentials or hop-by-hop headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: BodyPlan,
    /// The reply's format.
    pub reply: ReplyFormat,
}

/// A complete plain reply.
#[derive(Clone, Debug)]
pub struct PlainReply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, already within the size cap.
    pub body: Bytes,
}

/// A translated plain answer, in the protocol of the body that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// JSON.
    pub body: Bytes,
    /// Tokens, if known.
    pub usage: Option<Usage>,
}

/// Something to classify.
#[derive(Clone, Debug)]
pub struct RawFailure {
    /// None when it stood inside a stream.
    pub status: Option<u16>,
    /// Reply headers.
    pub headers: HeaderMap,
    /// Body of the reply, or data of the event.
    pub data: Bytes,
    /// It stood inside a stream.
    pub in_stream: bool,
}

/// What chaos asks an adapter to write in its provider's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A failure.
    Failure {
        /// Of this class.
        class: Class,
        /// Value of the provider's retry hint.
        retry_after: Option<String>,
        /// Inside a stream rather than as a status.
        in_stream: bool,
    },
    /// An answer.
    Answer {
        /// Its text.
        text: String,
        /// Its end.
        finish: FinishReason,
        /// Streamed.
        streaming: bool,
    },
}

/// One adapter generation, bound to one configured provider.
pub trait Adapter: Send + Sync + Debug {
    /// Which plugin this is.
    fn plugin(&self) -> &PluginRef;
    /// The operator's base URL, else the adapter's default; no slash at the end.
    fn base_url(&self) -> &Arc<str>;
    /// How the transport authenticates.
    fn auth(&self) -> &Auth;
    /// Whether `build` takes bodies of this protocol.
    fn accepts(&self, protocol: Protocol) -> bool;
    /// Value of `gen_ai.provider.name`.
    fn telemetry_name(&self) -> &str;
    /// What a model can do; asked of the plugin once per model.
    fn model<'a>(&'a self, model: &'a str) -> Call<'a, Result<Arc<Capabilities>, PluginFault>>;
    /// Writes the upstream request.
    fn build<'a>(
        &'a self,
        body: &'a Arc<RequestBody>,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<WirePlan, AdapterError>>;
    /// Reads a complete 2xx reply in a custom format.
    fn parse<'a>(
        &'a self,
        kind: Protocol,
        target: &'a AdapterTarget,
        reply: PlainReply,
    ) -> Call<'a, Result<Answer, AdapterError>>;
    /// Says what a failure means.
    fn classify<'a>(
        &'a self,
        target: &'a AdapterTarget,
        failure: RawFailure,
    ) -> Call<'a, Result<Failure, PluginFault>>;
    /// Starts reading one stream; the decoder pins this generation until it is dropped.
    fn decoder<'a>(
        &'a self,
        kind: Protocol,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<Box<dyn Decoder>, PluginFault>>;
    /// Writes a shape in the provider's dialect; `None` when the adapter has no `dialect`.
    fn render(&self, shape: Shape) -> Call<'_, Result<Option<PlainReply>, PluginFault>>;
}

/// Reads one upstream stream.
pub trait Decoder: Send {
    /// What one read brought.
    fn feed(&mut self, events: Vec<WireEvent>) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>>;
    /// The upstream closed.
    fn finish(&mut self) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>>;
}

/// One candidate as a policy sees it; see the contract for units.
#[derive(Clone, Debug)]
pub struct CandidateStats {
    /// Where.
    pub id: TargetId,
    /// Operator's weight.
    pub weight: f64,
    /// Health.
    pub circuit: Circuit,
    /// A gate other than the breaker is closed.
    pub gated: bool,
    /// Moving average of the first-token time in ms, -1 without samples.
    pub first_token_ewma_ms: f64,
    /// 95th percentile of it in ms, -1 without samples.
    pub first_token_p95_ms: f64,
    /// What the next call is expected to take in ms, -1 without samples.
    pub predicted_ms: f64,
    /// Share of good calls, 0 to 1.
    pub success_rate: f64,
    /// How many calls that rests on.
    pub samples: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// US dollars for a million tokens.
    pub input_price_per_1m: Option<f64>,
    /// US dollars for a million tokens.
    pub output_price_per_1m: Option<f64>,
}

/// A request as a policy sees it.
#[derive(Clone, Debug)]
pub struct RouteQuestion {
    /// Which.
    pub id: RequestId,
    /// The alias asked for.
    pub alias: Arc<str>,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// Keeps a conversation on one target.
    pub affinity: Option<String>,
    /// Streamed.
    pub streaming: bool,
    /// Rough prompt size.
    pub input_tokens_estimate: u32,
    /// Tools are present.
    pub has_tools: bool,
    /// Images are present.
    pub has_images: bool,
    /// Wall clock in ms.
    pub now_ms: u64,
    /// A random value.
    pub random: u64,
    /// The request's number in this process.
    pub ordinal: u64,
}

/// What a policy decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePlan {
    /// These first, then the rest in configured order.
    pub order: Vec<String>,
    /// Never called.
    pub exclude: Vec<String>,
    /// For the trail.
    pub reason: String,
}

/// A routing policy component.
pub trait Policy: Send + Sync + Debug {
    /// Which plugin this is.
    fn plugin(&self) -> &PluginRef;
    /// Problems of an operator's configuration, as (JSON pointer, message, fix).
    fn check<'a>(&'a self, config: &'a str) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>>;
    /// Orders candidates. An `Err` of either kind means the configured order.
    fn route<'a>(
        &'a self,
        question: &'a RouteQuestion,
        candidates: &'a [CandidateStats],
        config: &'a str,
    ) -> Call<'a, Result<RoutePlan, PluginFault>>;
}

/// A problem in an operator's settings for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: Option<String>,
}

/// An attempt as a fault injector sees it.
#[derive(Clone, Debug)]
pub struct FaultAttempt {
    /// Which request.
    pub request: RequestId,
    /// Where it goes.
    pub target: TargetId,
    /// The alias asked for.
    pub alias: Arc<str>,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// Streamed.
    pub streaming: bool,
    /// 1 for the request's first upstream call.
    pub number: u32,
    /// The request's number since the fault was armed.
    pub ordinal: u64,
    /// hash(seed, experiment, ordinal).
    pub random: u64,
    /// Wall clock in ms.
    pub now_ms: u64,
    /// Time since arming in ms.
    pub armed_for_ms: u64,
}

/// What a fault does to an attempt.
#[derive(Clone, Debug)]
pub enum FaultAction {
    /// Nothing.
    Pass,
    /// This answer instead.
    Respond(PlainReply),
    /// A failure in the provider's own shape.
    Fail {
        /// Of this class.
        class: Class,
        /// The provider's hint.
        retry_after: Option<String>,
    },
    /// No connection.
    RefuseConnection,
    /// The connection breaks before headers.
    Reset,
    /// Nothing ever comes.
    Hang,
    /// The reply runs through a transform.
    Rewrite,
}

/// First the delay, then the action.
#[derive(Clone, Debug)]
pub struct FaultVerdict {
    /// Wait.
    pub delay: Duration,
    /// Act.
    pub action: FaultAction,
}

/// One step of a rewritten reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultStep {
    /// Wait.
    Wait(Duration),
    /// These bytes as they are.
    Raw(Bytes),
    /// This frame.
    Send(WireEvent),
    /// A failure event in the provider's dialect, then the end.
    Fail(Class),
    /// Nothing more ever comes.
    Stall,
    /// The connection breaks.
    Cut,
    /// A clean end.
    End,
}

/// Rewrites one reply.
pub trait Transform: Send {
    /// What one read brought.
    fn piece(&mut self, frames: Vec<WireEvent>) -> Call<'_, Result<Vec<FaultStep>, PluginFault>>;
    /// The upstream closed.
    fn finish(&mut self) -> Call<'_, Result<Vec<FaultStep>, PluginFault>>;
}

/// One kind of fault in a component's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultKind {
    /// As operators arm it.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its parameters.
    pub config_schema: String,
}

/// A fault injector component.
pub trait FaultInjector: Send + Sync + Debug {
    /// Which plugin this is.
    fn plugin(&self) -> &PluginRef;
    /// What it offers.
    fn kinds(&self) -> &[FaultKind];
    /// Problems of parameters.
    fn check<'a>(
        &'a self,
        kind: &'a str,
        config: &'a str,
    ) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>>;
    /// Decides one attempt.
    fn decide<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<FaultVerdict, PluginFault>>;
    /// Starts rewriting one reply.
    fn transform<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<Box<dyn Transform>, PluginFault>>;
}

/// All plugins at one moment. A request takes one snapshot and keeps it, so it never sees two generations.
#[derive(Clone, Debug, Default)]
pub struct PluginSet {
    /// By configured provider.
    pub adapters: HashMap<ProviderName, Arc<dyn Adapter>>,
    /// By plugin id.
    pub policies: HashMap<Arc<str>, Arc<dyn Policy>>,
    /// By plugin id.
    pub faults: HashMap<Arc<str>, Arc<dyn FaultInjector>>,
}

/// Where the current plugins come from.
pub trait PluginSource: Send + Sync + Debug {
    /// The set that serves now. Cheap: one atomic load and a reference count.
    fn current(&self) -> Arc<PluginSet>;
}

// --- transport ------------------------------------------------------------------------------------------------------

/// A request on its way out. The credential is named, not carried.
#[derive(Clone, Debug)]
pub struct WireRequest {
    /// Whose credential and connections.
    pub provider: ProviderName,
    /// How to authenticate.
    pub auth: Auth,
    /// No slash at the end.
    pub base_url: Arc<str>,
    /// Starts with a slash.
    pub path_and_query: String,
    /// GET, POST, ...
    pub method: Method,
    /// Checked headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// TCP and TLS.
    pub connect_timeout: Duration,
}

/// Why bytes did not come. Messages hold no URL, key or header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportFailure {
    /// DNS, refused, TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection broke before the reply's headers.
    #[error("the connection broke before an answer: {0}")]
    Reset(String),
    /// The connection broke inside the reply's body.
    #[error("the connection broke inside the answer: {0}")]
    Body(String),
    /// The reply, or one event of it, is larger than the configured cap.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The cap.
        limit_bytes: usize,
    },
}

/// A reply whose body is still coming.
pub struct WireReply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Box<dyn ByteSource>,
}

impl Debug for WireReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireReply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Bytes as they arrive. Dropping it ends the upstream call.
pub trait ByteSource: Send {
    /// The next bytes; `None` is a clean end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>>;
}

/// The way to providers. Never retries, never follows redirects.
pub trait Upstream: Send + Sync + Debug {
    /// Sends one request; ready when the reply's headers are here. Dropping the call cancels it.
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>>;
}
