//! OpenAI chat completions.

pub(super) mod answer;
pub(super) mod reader;
pub(super) mod whole;
pub(super) mod wire;
pub(super) mod writer;

use serde_json::value::RawValue;

use self::wire::UsageCounts;
use crate::event::{FinishReason, Usage};

/// What a `finish_reason` means.
pub(super) fn finish_of(word: &str) -> FinishReason {
    match word {
        "stop" | "eos" | "end_turn" => FinishReason::Stop,
        "length" | "model_length" | "max_tokens" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

/// The word for it; clients of this protocol know only these four.
pub(super) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Paused | FinishReason::Other => {
            "stop"
        }
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// Reads a `usage` object; `None` if it counts nothing.
pub(super) fn usage_of(raw: &RawValue) -> Option<Usage> {
    let counts: UsageCounts = serde_json::from_str(raw.get()).ok()?;
    if counts.prompt_tokens.0.is_none() && counts.completion_tokens.0.is_none() {
        return None;
    }
    let prompt = counts.prompt_tokens_details.unwrap_or_default();
    Some(Usage {
        input_tokens: counts.prompt_tokens.0.unwrap_or(0),
        output_tokens: counts.completion_tokens.0.unwrap_or(0),
        cache_read_tokens: prompt.cached_tokens.0.or(counts.prompt_cache_hit_tokens.0),
        cache_write_tokens: prompt.cache_write_tokens.0,
        reasoning_tokens: counts.completion_tokens_details.and_then(|details| details.reasoning_tokens.0),
        native: Some(raw.get().to_owned()),
    })
}
