//! Provider adapters: pure translation between the unified chat types and one wire format.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};

use super::{Call, PluginFault, PluginRef};
use crate::body::RequestBody;
use crate::class::{Class, Failure};
use crate::event::{FinishReason, StreamEvent, WireEvent};
use crate::request::Protocol;
use crate::target::Capabilities;

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

/// A translated plain answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// JSON in the protocol of the body that was given.
    Body(Bytes),
    /// What a decoder would say of it; of chat only.
    Events(Vec<StreamEvent>),
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
