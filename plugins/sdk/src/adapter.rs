//! Provider adapters: pure translation between the unified chat types and one wire format.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::adapter::exports::seawall::plugin::dialect::Guest as DialectGuest;
use crate::bindings::adapter::exports::seawall::plugin::provider::{Guest, GuestStreamDecoder};
use crate::bindings::adapter::seawall::plugin::host::RequestBody;
use crate::body::Body;
use crate::chat;
use crate::config::{ConfigProblem, Options};
use crate::error::ProviderError;

pub use crate::bindings::adapter::exports::seawall::plugin::dialect::{AnswerShape, FailShape, Shape};
pub use crate::bindings::adapter::exports::seawall::plugin::provider::{
    Answer, Auth, BodyPlan, Capabilities, Event, Failure, Finish, FinishReason, Framing, HttpRequest, Info,
    NamedAuth, Reasoning, Reply, ReplyFormat, Settings, Start, StreamEvent, Target, ToolDelta, WireEvent,
};
pub use crate::bindings::adapter::seawall::plugin::types::{Header, Manifest, Usage};

/// A provider adapter. The defaults fit a server that speaks OpenAI's chat completions and takes a bearer token.
///
/// Nothing here is a method of a value: instances are reused, so a decision rests on the arguments alone.
pub trait ProviderAdapter: 'static {
    /// What the adapter is, known without any configuration.
    fn describe() -> Info;

    /// What one configured instance is.
    ///
    /// # Errors
    /// Every problem of the operator's settings.
    fn configure(config: &str) -> Result<Settings, Vec<ConfigProblem>> {
        Options::new(config).finish(chat::settings(None))
    }

    /// What a model can do under this configuration.
    ///
    /// # Errors
    /// Every problem of the operator's settings that shows only with a model.
    fn model(name: &str, config: &str) -> Result<Capabilities, Vec<ConfigProblem>> {
        let _ = (name, config);
        Ok(chat::capabilities())
    }

    /// Writes the upstream request.
    ///
    /// # Errors
    /// What the provider cannot do, before any call is made.
    fn build_request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
        chat::request(body, target)
    }

    /// Reads a plain 2xx reply of a `custom` format.
    ///
    /// # Errors
    /// A failure that the reply holds, or `malformed`.
    fn parse_response(kind: &str, target: &Target, reply: &Reply) -> Result<Answer, ProviderError> {
        let _ = target;
        chat::parse_response(kind, reply, chat::classify)
    }

    /// Says what a failure means: a status of 400 or more, an error object in a 200, an error event of a stream.
    fn classify(target: &Target, failure: &Failure) -> ProviderError {
        let _ = target;
        chat::classify(failure)
    }

    /// Starts reading one stream.
    fn decoder(kind: &str, target: &Target) -> Box<dyn Decoder> {
        let _ = (kind, target);
        Box::new(chat::ChunkDecoder::default())
    }

    /// Writes a failure or an answer in the provider's dialect, for chaos experiments.
    fn render(shape: &Shape) -> Option<Reply> {
        chat::render(shape)
    }
}

/// Reads one upstream stream.
pub trait Decoder {
    /// What one read brought.
    fn feed(&mut self, events: Vec<WireEvent>) -> Vec<StreamEvent>;

    /// The upstream closed: what is still due. Without a finish event before it the host takes the stream as cut.
    fn finish(&mut self) -> Vec<StreamEvent> {
        Vec::new()
    }
}

impl Event {
    /// This event of that choice.
    pub fn of(self, choice: u32) -> StreamEvent {
        StreamEvent { choice, what: self }
    }
}

/// What [`crate::export_adapter!`] exports.
#[derive(Debug)]
pub struct Exported<A>(PhantomData<A>);

impl<A: ProviderAdapter> Guest for Exported<A> {
    type StreamDecoder = ExportedDecoder<A>;

    fn describe() -> Info {
        A::describe()
    }

    fn configure(config: String) -> Result<Settings, Vec<ConfigProblem>> {
        A::configure(&config)
    }

    fn model(name: String, config: String) -> Result<Capabilities, Vec<ConfigProblem>> {
        A::model(&name, &config)
    }

    fn build_request(body: RequestBody, target: Target) -> Result<HttpRequest, ProviderError> {
        A::build_request(&body, &target)
    }

    fn parse_response(kind: String, target: Target, reply: Reply) -> Result<Answer, ProviderError> {
        A::parse_response(&kind, &target, &reply)
    }

    fn classify(target: Target, failure: Failure) -> ProviderError {
        A::classify(&target, &failure)
    }
}

impl<A: ProviderAdapter> DialectGuest for Exported<A> {
    fn render(what: Shape) -> Option<Reply> {
        A::render(&what)
    }
}

/// One running decoder.
pub struct ExportedDecoder<A> {
    inner: RefCell<Box<dyn Decoder>>,
    adapter: PhantomData<A>,
}

impl<A> std::fmt::Debug for ExportedDecoder<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportedDecoder").finish_non_exhaustive()
    }
}

impl<A: ProviderAdapter> GuestStreamDecoder for ExportedDecoder<A> {
    fn new(kind: String, target: Target) -> Self {
        Self { inner: RefCell::new(A::decoder(&kind, &target)), adapter: PhantomData }
    }

    fn feed(&self, events: Vec<WireEvent>) -> Vec<StreamEvent> {
        self.inner.borrow_mut().feed(events)
    }

    fn finish(&self) -> Vec<StreamEvent> {
        self.inner.borrow_mut().finish()
    }
}
