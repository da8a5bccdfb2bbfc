//! The unified request: the client's own bytes, and the few facts that decisions need.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::body::RequestBody;
use crate::trace::Trace;

/// A protocol that bodies are written in: the client's, or the one an adapter is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenAI chat completions, the lingua franca.
    Chat,
    /// Anthropic messages.
    Messages,
    /// OpenAI embeddings.
    Embeddings,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Messages, Self::Embeddings];

    /// The contract's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Embeddings => "embeddings",
        }
    }

    /// Where clients post requests of it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Embeddings => "/v1/embeddings",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Identifies one request in headers, logs and the audit trail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:016x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The partition of callers that have no other.
pub fn default_tenant() -> Arc<str> {
    static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));
    Arc::clone(&NAME)
}

/// What decisions need to know of a body; read once at ingress.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read one at a time")]
pub struct Facts {
    /// The model as the client named it.
    pub model: String,
    /// The client wants a stream.
    pub stream: bool,
    /// The client wants usage at the end of a chat stream.
    pub include_usage: bool,
    /// The client's cap on output tokens.
    pub max_output_tokens: Option<u32>,
    /// Choices asked for, 1 unless `n` says more.
    pub choices: u32,
    /// Tool definitions are present.
    pub has_tools: bool,
    /// Images are present.
    pub has_images: bool,
    /// A JSON schema is asked for.
    pub has_schema: bool,
    /// Answering does more than answer: the provider stores it, or runs tools itself. Never called twice on purpose.
    pub side_effects: bool,
    /// Rough prompt size in tokens (bytes without base64 payloads, divided by four).
    pub input_tokens_estimate: u32,
}

/// One request as it came through ingress.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The protocol the client speaks; answers and errors go out in it.
    pub protocol: Protocol,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// What decisions need.
    pub facts: Facts,
    /// The client's body.
    pub body: Arc<RequestBody>,
    /// The client's own deadline, if it sent one (`x-request-timeout-ms`).
    pub deadline: Option<Duration>,
    /// The client wants no answer put together from several (`x-seawall-strict`): a stream that breaks ends there.
    pub strict: bool,
    /// Its place in a distributed trace, where it has one.
    pub trace: Option<Arc<Trace>>,
    /// An operator asks for the faults of this name (`x-seawall-chaos`, with the operators' token).
    pub chaos: Option<Arc<str>>,
}
