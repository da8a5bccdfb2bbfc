//! The protocols that clients speak: reading requests, reading and writing answers and streams, errors.
//!
//! `chat` (OpenAI chat completions) is the lingua franca: what another protocol says is translated into it when a target
//! wants that, and what a target says in it is translated back. Readers are tolerant: unknown members pass, members of
//! an unexpected type count as absent, and only what is no JSON at all is malformed. Writers are strict: what they write
//! pleases the official clients, and a stream that did not finish is never closed as if it had.

mod chat;
mod continuation;
mod effects;
mod embeddings;
mod error;
mod json;
mod loose;
mod messages;
mod models;
mod reader;
mod request;
mod system;
mod template;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::continuation::{instructed, prefilled, wants_json};
pub use self::error::{error_body, error_event};
pub use self::messages::from_chat::chat_answer_to_messages;
pub use self::messages::to_chat::{Translated, messages_to_chat};
pub use self::models::{ModelEntry, ModelListForm, models_list};
pub use self::reader::{Peek, Reader};
pub(crate) use self::reader::{Place, Sink};
pub use self::request::read_request;
pub(crate) use self::system::with_system;
pub(crate) use self::template::unescape;
pub(crate) use self::writer::Labels;
pub use self::writer::{Writer, WriterContext};

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::body::{RequestBody, patch};
use crate::class::Failure;
use crate::event::{FinishReason, StreamEvent, Usage};
use crate::request::{Protocol, RequestId};

/// Keeps a waiting stream's connection open; every client ignores it, before and after the first event.
pub const KEEP_ALIVE: &[u8] = b": ping\n\n";

/// What decides about a complete plain answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Neither text nor reasoning nor a tool call is in it.
    pub empty: bool,
    /// Tokens, if told.
    pub usage: Option<Usage>,
    /// Why it ended (of several choices, the first), if told.
    pub finish: Option<FinishReason>,
}

/// What a complete plain answer turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// An answer.
    Answer(AnswerFacts),
    /// An error object under a good status.
    Error,
    /// Not what the protocol promises; says why.
    Malformed(String),
}

/// Looks at a complete plain answer without building it.
pub fn inspect_answer(protocol: Protocol, body: &[u8]) -> Inspected {
    if body.trim_ascii_start().first() == Some(&b'<') {
        return Inspected::Malformed("a markup document instead of JSON".to_owned());
    }
    // All of it at once is cheaper than string by string.
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Inspected::Malformed(error.to_string()),
    };
    match protocol {
        Protocol::Chat => chat::answer::inspect(text),
        Protocol::Messages => messages::answer::inspect(text),
        Protocol::Embeddings => embeddings::inspect(text),
    }
}

/// Writes the chat answer that an adapter told as events. An `Err` is the failure that is told among them, or
/// `malformed` when they come to no end.
pub fn write_chat_answer(
    events: Vec<StreamEvent>,
    context: &WriterContext,
) -> Result<(Bytes, AnswerFacts), Failure> {
    chat::whole::write(events, context)
}

/// An id for an answer whose upstream gave none, in the style of the protocol.
pub fn answer_id(protocol: Protocol, request: RequestId) -> String {
    let RequestId(number) = request;
    match protocol {
        Protocol::Messages => format!("msg_{number:016x}"),
        Protocol::Chat | Protocol::Embeddings => format!("chatcmpl-{number:016x}"),
    }
}

/// The end marker of a stream, for upstreams that finish and leave it out.
pub fn terminator(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Messages => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        Protocol::Chat | Protocol::Embeddings => b"data: [DONE]\n\n",
    }
}

/// The same answer with another `model`; every other byte stays.
pub fn rename_model(answer: &[u8], model: &str) -> Result<Bytes, String> {
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    let name = serde_json::to_string(model).map_err(|error| error.to_string())?;
    patch::set(text, "model", &name).map(Bytes::from).map_err(|error| error.to_string())
}

/// A translated chat answer with its time of making: adapters have no clock.
pub fn stamp_created(answer: &[u8], created_s: u64) -> Result<Bytes, String> {
    if let Some(old) = early_created(answer) {
        let (before, after) = (answer.get(..old.start), answer.get(old.end..));
        let time = created_s.to_string();
        let parts = [before.unwrap_or_default(), time.as_bytes(), after.unwrap_or_default()];
        return Ok(Bytes::from(parts.concat()));
    }
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    patch::set(text, "created", &created_s.to_string()).map(Bytes::from).map_err(|error| error.to_string())
}

/// Where the number of a top-level `created` stands, if that is easy to see, as in what adapters write: in JSON the
/// quoted name with its colon cannot be part of a string, and before anything nested it belongs to the answer itself.
fn early_created(answer: &[u8]) -> Option<Range<usize>> {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"created\":"));
    let start = NAME.find(answer)? + NAME.needle().len();
    let is_only = NAME.find(answer.get(start..)?).is_none();
    let before = answer.get(1..start).filter(|_| answer.first() == Some(&b'{'))?;
    let digits = answer.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = matches!(answer.get(start + digits), Some(b',' | b'}'));
    (is_only && digits > 0 && ends && memchr::memchr2(b'{', b'[', before).is_none())
        .then_some(start..start + digits)
}

/// An embeddings answer in the encoding that the client asked for: some providers only give lists of numbers.
pub fn encode_vectors(request: &RequestBody, answer: Bytes) -> Result<Bytes, String> {
    if request.member("encoding_format") == Some("\"base64\"") {
        return embeddings::as_base64(&answer);
    }
    Ok(answer)
}
