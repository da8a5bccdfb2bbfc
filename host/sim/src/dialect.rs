//! The wire formats. [`Wire`] is what the rest of the simulator knows about them; each provider's own file is the only
//! place that knows its field names.

mod anthropic;
mod gemini;
mod groq;
mod openai;

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::ask::{Ask, Framing};
use crate::trouble::{Code, RetryAfter, Trouble};

/// A provider's wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Chat completions, embeddings and models.
    OpenAi,
    /// Messages and token counts.
    Anthropic,
    /// generateContent and its streaming and embedding forms.
    Gemini,
    /// Chat completions with Groq's additions.
    Groq,
}

impl Dialect {
    /// What a base URL has after the lane; it includes the API version, as the gateway's configuration wants it.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => "/v1",
            Self::Gemini => "/v1beta",
            Self::Groq => "/openai/v1",
        }
    }

    pub(crate) fn wire(self) -> &'static dyn Wire {
        match self {
            Self::OpenAi => &openai::OpenAi,
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Groq => &groq::Groq,
        }
    }
}

/// What a piece of a stream is for; faults are counted in content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Structure around the content: role chunks, block starts, pings.
    Frame,
    /// Text, reasoning or a piece of a tool call.
    Content,
    /// The finish reason, or usage after it.
    Finish,
    /// The dialect's last word: `[DONE]`, `message_stop`, `]`.
    Terminator,
}

/// One event of a stream, framed and ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    pub(crate) role: Role,
}

/// An answer together with what its rendering needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) answer: &'a Answer,
    /// Seed of the ids in it.
    pub(crate) salt: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

/// What is wanted of a chat-like endpoint, as far as the URL says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The model, where the path names it.
    pub(crate) model: Option<&'a str>,
    /// The framing, where the path asks for a stream.
    pub(crate) stream: Option<Framing>,
}

/// The texts to embed and how the vectors are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmbedAsk {
    pub(crate) model: String,
    pub(crate) texts: Vec<String>,
    pub(crate) dimensions: usize,
    pub(crate) base64: bool,
    /// The endpoint for several texts, where a dialect has two.
    pub(crate) batch: bool,
}

/// One provider's wire format.
pub(crate) trait Wire: Sync {
    /// Reads a chat request.
    fn ask(&self, target: Target<'_>, headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble>;

    /// The body that tells the tokens of a chat request; an error where the provider has no such endpoint.
    fn counted(&self, target: Target<'_>, body: &Value) -> Result<Value, Trouble>;

    /// The body of a plain answer.
    fn whole(&self, turn: Turn<'_>) -> Value;

    /// The events of a streamed answer, from the first to the terminator.
    fn events(&self, turn: Turn<'_>) -> Vec<Event>;

    /// Status and body of an error.
    fn error(&self, trouble: &Trouble) -> (u16, Value);

    /// An error in the middle of a stream. `first`: nothing was sent before.
    fn error_event(&self, trouble: &Trouble, framing: Framing, first: bool) -> Bytes;

    /// An event that this provider could never send, because it is not JSON.
    fn malformed(&self, _framing: Framing) -> Bytes {
        Bytes::from_static(b"data: {\"broken\": \n\n")
    }

    /// What keeps a silent stream open.
    fn heartbeat(&self, framing: Framing) -> &'static str;

    /// Headers of every answer beside the content type.
    fn headers(&self, salt: u64) -> HeaderMap;

    /// The retry hint as a header, where the provider sends one.
    fn retry_header(&self, trouble: &Trouble) -> Option<String> {
        trouble.retry_after.as_ref().map(RetryAfter::text)
    }

    fn content_type(&self, stream: Option<Framing>) -> &'static str {
        match stream {
            Some(Framing::Sse) => "text/event-stream; charset=utf-8",
            Some(Framing::Array) | None => "application/json",
        }
    }

    /// Reads an embeddings request; an error where the provider has no such endpoint.
    fn embed_ask(&self, target: Target<'_>, batch: bool, body: &Value) -> Result<EmbedAsk, Trouble>;

    /// The body of an embeddings answer.
    fn embedded(&self, ask: &EmbedAsk, vectors: Vec<Vec<f32>>) -> Value;

    /// The body that lists the models, or describes one.
    fn models(&self, one: Option<&str>, names: &[&str]) -> Value;
}

/// `data: ...` and a blank line.
fn sse(value: &Value, role: Role) -> Event {
    Event { bytes: format!("data: {value}\n\n").into(), role }
}

/// `event: ...`, `data: ...` and a blank line.
fn named_sse(name: &str, value: &Value, role: Role) -> Event {
    Event { bytes: format!("event: {name}\ndata: {value}\n\n").into(), role }
}

/// For an endpoint that a provider does not have.
pub(crate) fn no_such_path() -> Trouble {
    Trouble { message: Some("Unknown request URL.".to_owned()), ..Trouble::of(Code::ModelNotFound) }
}

/// The member at a JSON pointer; null where there is none.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The model that a body names.
fn model_of(body: &Value) -> Result<String, Trouble> {
    let model = body["model"].as_str().filter(|model| !model.is_empty());
    model.map(str::to_owned).ok_or_else(|| Trouble::bad("you must provide a model parameter", "model"))
}

/// Text of a string or of an array of typed parts; other parts leave a mark, so that they count for something.
fn plain_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part_text).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn part_text(part: &Value) -> String {
    match (&part["text"], &part["type"]) {
        (Value::String(text), _) => text.clone(),
        (_, Value::String(kind)) => format!("[{kind}]"),
        _ => String::new(),
    }
}

/// Static header values, left out where one is not a header value.
fn headers_from(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&'static str, &str)| {
        Some((http::HeaderName::from_static(name), value.parse().ok()?))
    };
    pairs.iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests;
