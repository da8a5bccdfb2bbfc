//! Names that protocols use, so that reading them allocates nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use super::Name;

/// The names of chat and messages bodies that nearly every request and answer holds, by length.
const KNOWN: [&[&str]; 16] = [
    &[],
    &[],
    &["id"],
    &["url"],
    &["role", "type", "text", "name", "user", "stop"],
    &["model", "tools", "usage", "index", "input"],
    &["stream", "object", "system"],
    &["content", "created", "choices", "message", "refusal"],
    &["messages", "thinking", "function", "logprobs", "metadata"],
    &["arguments", "signature"],
    &["max_tokens", "tool_calls", "parameters", "properties"],
    &["temperature", "stop_reason", "tool_choice", "description"],
    &["tool_call_id", "service_tier", "input_tokens", "total_tokens"],
    &["finish_reason", "output_tokens", "stop_sequence", "prompt_tokens"],
    &["stream_options"],
    &["response_format"],
];

/// A member's name while it is read.
pub(super) struct ReadName(pub(super) Name);

impl<'de> Deserialize<'de> for ReadName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor).map(Self)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        let known = KNOWN.get(name.len()).and_then(|known| known.iter().find(|known| **known == name));
        Ok(match known {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(name.to_owned()),
        })
    }

    fn visit_string<E>(self, name: String) -> Result<Name, E> {
        Ok(Cow::Owned(name))
    }
}
