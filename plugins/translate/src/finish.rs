//! Ends of answers, in a chat completion's words.

use seawall_plugin::adapter::FinishReason;

/// The `finish_reason` of a chat completion. A paused turn is not done, so it must not read as a clean stop: `length`
/// is the word that makes clients carry on.
pub fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Other => "stop",
        FinishReason::Length | FinishReason::Paused => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
