//! Ends of candidates. They come as words or, where the transport encodes enums as numbers, as their numbers.

use seawall_plugin::adapter::FinishReason;
use seawall_translate::Json;

/// What a candidate's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An end of the answer.
    Finished(FinishReason),
    /// The model wrote a call that cannot be used.
    CallInvalid,
}

/// In the order of their numbers.
const WORDS: [&str; 13] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
];

/// In the order of their numbers.
const BLOCK_WORDS: [&str; 6] =
    ["BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"];

/// The candidate's word for its end; `None` while it goes on.
pub(crate) fn word(candidate: &Json<'_>) -> Option<String> {
    named(candidate, "finishReason", &WORDS).filter(|word| word != "FINISH_REASON_UNSPECIFIED")
}

/// The word for a refusal of the prompt.
pub(crate) fn block_word(feedback: &Json<'_>) -> Option<String> {
    named(feedback, "blockReason", &BLOCK_WORDS)
}

fn named(object: &Json<'_>, member: &str, words: &[&str]) -> Option<String> {
    if let Some(word) = object.text(member) {
        return Some(word.to_owned());
    }
    let number = object.count(member)?;
    let word = usize::try_from(number).ok().and_then(|at| words.get(at));
    Some(word.map_or_else(|| number.to_string(), |word| (*word).to_owned()))
}

/// What the word means.
pub(crate) fn meaning(word: &str, has_calls: bool) -> End {
    End::Finished(match word {
        "STOP" if has_calls => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            return End::CallInvalid;
        }
        _ => FinishReason::Other,
    })
}
