//! Why an answer ended, in the words of servers and of the contract.

use crate::adapter::FinishReason;

/// Finish reasons that say that the answer was not finished, as the error they stand for.
pub(super) fn broken_off(native: &str) -> Option<&'static [u8]> {
    match native {
        "error" => Some(br#"{"error":{"message":"the provider ended the answer with an error"}}"#),
        "insufficient_system_resource" => {
            Some(br#"{"error":{"message":"the provider ran out of capacity","code":"no_capacity"}}"#)
        }
        "network_error" => {
            Some(br#"{"error":{"message":"the provider lost its model","code":"bad_gateway"}}"#)
        }
        _ => None,
    }
}

/// The meaning of a finish reason.
pub fn finish_reason(native: &str) -> FinishReason {
    match native.to_ascii_lowercase().as_str() {
        "stop" | "eos" | "eos_token" | "end_turn" | "complete" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" | "tool_call" => FinishReason::ToolCalls,
        "content_filter" | "refusal" | "safety" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}

/// OpenAI's word for it.
pub fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Paused | FinishReason::Other => {
            "stop"
        }
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
