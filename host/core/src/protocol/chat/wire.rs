//! The parts of chunks and answers that anybody here looks at.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::loose::{Content, Count, List, Presence, Text};

/// `chat.completion.chunk`, and its end in a failure.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) object: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    pub(super) error: Presence,
    #[serde(borrow)]
    pub(super) choices: List<ChunkChoice<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    /// Where one provider puts the usage of a stream.
    #[serde(borrow)]
    pub(super) x_groq: Option<NestedUsage<'a>>,
    /// Random padding against traffic analysis, under the names it is known by.
    #[serde(borrow)]
    pub(super) obfuscation: Text<'a>,
    #[serde(borrow)]
    pub(super) p: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct NestedUsage<'a> {
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct ChunkChoice<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    /// Servers that name the stop sequence do it here.
    #[serde(borrow)]
    pub(super) stop_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
}

/// A message, or a piece of one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct Message<'a> {
    #[serde(borrow)]
    pub(in crate::protocol) content: Content<'a>,
    #[serde(borrow)]
    pub(in crate::protocol) refusal: Text<'a>,
    #[serde(borrow)]
    reasoning_content: Text<'a>,
    #[serde(borrow)]
    reasoning: Text<'a>,
    #[serde(borrow)]
    pub(in crate::protocol) reasoning_opaque: Text<'a>,
    #[serde(borrow)]
    pub(in crate::protocol) tool_calls: List<ToolCall<'a>>,
    /// The form from before `tool_calls`.
    #[serde(borrow)]
    pub(in crate::protocol) function_call: Option<Function<'a>>,
}

impl Message<'_> {
    /// Providers use one of two names, some both with the same text.
    pub(in crate::protocol) fn reasoning(&self) -> Option<&str> {
        self.reasoning_content.some().or(self.reasoning.some())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct ToolCall<'a> {
    pub(in crate::protocol) index: Count,
    #[serde(borrow)]
    pub(in crate::protocol) id: Text<'a>,
    #[serde(borrow)]
    pub(in crate::protocol) function: Option<Function<'a>>,
    #[serde(borrow)]
    extra_content: Option<ExtraContent<'a>>,
}

impl ToolCall<'_> {
    /// Provider state that the client must send back unchanged, where the dialect keeps it.
    pub(in crate::protocol) fn opaque(&self) -> Option<&str> {
        self.extra_content.as_ref()?.google.as_ref()?.thought_signature.some()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExtraContent<'a> {
    #[serde(borrow)]
    google: Option<GoogleExtra<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleExtra<'a> {
    #[serde(borrow)]
    thought_signature: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::protocol) struct Function<'a> {
    #[serde(borrow)]
    pub(in crate::protocol) name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Function<'a> {
    /// The arguments' JSON text. Some servers send the object itself instead of a string that holds it.
    pub(in crate::protocol) fn arguments(&self) -> Cow<'a, str> {
        let Some(raw) = self.arguments.map(RawValue::get) else { return Cow::Borrowed("") };
        if raw.starts_with('"') {
            serde_json::from_str::<Text<'a>>(raw).map(Text::into_cow).unwrap_or_default()
        } else {
            Cow::Borrowed(raw)
        }
    }
}

/// `usage`, under all names that its parts are known by.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageCounts {
    pub(super) prompt_tokens: Count,
    pub(super) completion_tokens: Count,
    pub(super) prompt_tokens_details: Option<PromptDetails>,
    pub(super) completion_tokens_details: Option<CompletionDetails>,
    pub(super) prompt_cache_hit_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PromptDetails {
    pub(super) cached_tokens: Count,
    pub(super) cache_write_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CompletionDetails {
    pub(super) reasoning_tokens: Count,
}
