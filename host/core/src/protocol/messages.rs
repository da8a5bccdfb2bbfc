//! Anthropic messages.

pub(super) mod answer;
mod blocks;
pub(super) mod from_chat;
pub(super) mod reader;
pub(super) mod to_chat;
pub(super) mod unsigned;
pub(super) mod writer;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::loose::Count;
use crate::event::{FinishReason, Usage};

/// What a `stop_reason` means.
fn finish_of(word: &str) -> FinishReason {
    match word {
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}

/// The word for it.
fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Other => "end_turn",
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
        FinishReason::Paused => "pause_turn",
    }
}

/// Whether provider state is a signature of this protocol's own provider, which are base64. Adapters of others mark
/// theirs, and sent to the wrong provider it would fail the whole request.
fn is_signature(state: &str) -> bool {
    !state.is_empty() && state.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=-_".contains(&b))
}

/// `usage` as the protocol counts: input without what the cache gave or took.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct UsageCounts {
    input_tokens: Count,
    output_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

impl UsageCounts {
    fn of(raw: &RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }

    /// Later counts replace earlier ones; what they leave out stays.
    fn updated_by(self, later: Self) -> Self {
        let newest = |later: Count, earlier: Count| Count(later.0.or(earlier.0));
        Self {
            input_tokens: newest(later.input_tokens, self.input_tokens),
            output_tokens: newest(later.output_tokens, self.output_tokens),
            cache_creation_input_tokens: newest(
                later.cache_creation_input_tokens,
                self.cache_creation_input_tokens,
            ),
            cache_read_input_tokens: newest(later.cache_read_input_tokens, self.cache_read_input_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    /// `None` if nothing is counted.
    fn usage(&self, native: &RawValue) -> Option<Usage> {
        if self.input_tokens.0.is_none() && self.output_tokens.0.is_none() {
            return None;
        }
        let (read, written) = (self.cache_read_input_tokens.0, self.cache_creation_input_tokens.0);
        let input = self.input_tokens.0.unwrap_or(0);
        Some(Usage {
            input_tokens: input.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0)),
            output_tokens: self.output_tokens.0.unwrap_or(0),
            cache_read_tokens: read,
            cache_write_tokens: written,
            reasoning_tokens: self
                .output_tokens_details
                .as_ref()
                .and_then(|details| details.thinking_tokens.0),
            native: Some(native.get().to_owned()),
        })
    }
}

/// Usage in the protocol's own names and way of counting.
#[derive(serde::Serialize)]
struct WrittenUsage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
}

impl From<&Usage> for WrittenUsage {
    fn from(usage: &Usage) -> Self {
        let cached =
            usage.cache_read_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens.unwrap_or(0));
        Self {
            input_tokens: usage.input_tokens.saturating_sub(cached),
            output_tokens: usage.output_tokens,
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cache_read_tokens,
        }
    }
}
