//! The unified stream: what an adapter's decoder says, in the shape of the contract's `stream-event`.

use bytes::Bytes;

use crate::class::Failure;

/// One framed event of an upstream reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireEvent {
    /// Per-event headers, only where the framing has them.
    pub headers: Vec<(String, String)>,
    /// The event's name, where the framing has one.
    pub event: Option<String>,
    /// Payload without framing.
    pub data: Bytes,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// A stop sequence of the request.
    StopSequence,
    /// The token limit.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// Refused by policy.
    ContentFilter,
    /// The provider paused a long turn.
    Paused,
    /// Anything else.
    Other,
}

/// End of one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// The provider's own word.
    pub native: Option<String>,
    /// The stop sequence that matched.
    pub stop_sequence: Option<String>,
}

/// Tokens of one answer. `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of the input, read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Of the input, written to the provider's cache.
    pub cache_write_tokens: Option<u64>,
    /// Of the output, reasoning.
    pub reasoning_tokens: Option<u64>,
    /// The provider's own usage object as JSON.
    pub native: Option<String>,
}

impl Usage {
    /// The same without the provider's own words.
    #[must_use]
    pub fn numbers(&self) -> Self {
        Self {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens,
            reasoning_tokens: self.reasoning_tokens,
            native: None,
        }
    }
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolDelta {
    /// Which call of the answer.
    pub index: u32,
    /// On the first piece.
    pub id: Option<String>,
    /// On the first piece.
    pub name: Option<String>,
    /// The next piece of the arguments' JSON text.
    pub arguments: String,
    /// Provider state that must come back unchanged.
    pub opaque: Option<String>,
}

/// What happened in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The upstream's id of the answer and the model that writes it.
    Start {
        /// Upstream id.
        id: Option<String>,
        /// Upstream model.
        model: Option<String>,
    },
    /// Text.
    Text(String),
    /// Reasoning, and provider state that must come back unchanged.
    Reasoning {
        /// Readable part.
        text: String,
        /// Signature or encrypted part.
        opaque: Option<String>,
    },
    /// A piece of a tool call.
    ToolCall(ToolDelta),
    /// Token counts so far; the last one counts.
    Usage(Usage),
    /// A choice ended.
    Finish(Finish),
    /// JSON object merged into the OpenAI chunk's choice.
    RawChoice(String),
    /// The provider reported a failure inside the stream.
    Failed(Failure),
    /// The provider's own end marker.
    Done,
}

impl Event {
    /// Whether handing this to the client commits the request to its target.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Reasoning { text, opaque } => !text.is_empty() || opaque.is_some(),
            Self::ToolCall(_) => true,
            _ => false,
        }
    }
}

/// An event of one choice.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// Which choice; 0 unless n > 1.
    pub choice: u32,
    /// What happened.
    pub what: Event,
}
