//! Words that protocols use, as names and as values, so that reading and writing them allocates nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use super::Word;

/// What nearly every chat or messages body holds, by length.
const KNOWN: [&[&str]; 16] = [
    &[],
    &[],
    &["id"],
    &["url"],
    &["text", "type", "role", "user", "name", "stop", "auto", "tool"],
    &["model", "tools", "usage", "index", "input"],
    &["stream", "object", "system", "string"],
    &["content", "message", "created", "choices", "refusal"],
    &["messages", "end_turn", "tool_use", "function", "thinking", "logprobs", "metadata"],
    &["assistant", "arguments", "signature"],
    &["max_tokens", "tool_calls", "parameters", "properties"],
    &["temperature", "stop_reason", "tool_choice", "description"],
    &["tool_call_id", "service_tier", "input_tokens", "total_tokens"],
    &["finish_reason", "output_tokens", "stop_sequence", "prompt_tokens"],
    &["stream_options"],
    &["response_format"],
];

/// The text, copied unless it is known.
pub(super) fn word(text: &str) -> Word {
    let known = KNOWN.get(text.len()).and_then(|known| known.iter().find(|known| **known == text));
    known.map_or_else(|| Cow::Owned(text.to_owned()), |known| Cow::Borrowed(*known))
}

/// A member's name while it is read.
pub(super) struct ReadName(pub(super) Word);

impl<'de> Deserialize<'de> for ReadName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor).map(Self)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Word, E> {
        Ok(word(name))
    }

    fn visit_string<E>(self, name: String) -> Result<Word, E> {
        Ok(Cow::Owned(name))
    }
}
