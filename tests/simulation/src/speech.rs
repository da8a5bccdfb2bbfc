//! What a simulated provider says: the counting model's answer in the chat dialect, as events and as a document.
//!
//! The right answer to every order is "1 2 3 ... N": whatever the gateway does to a broken stream, a reader can tell
//! whether each number came exactly once and in order.

use bytes::Bytes;
use seawall_core::target::TargetId;

/// Writes for one target.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Who speaks.
    pub target: TargetId,
    /// Between two numbers.
    pub separator: &'static str,
}

impl Voice {
    /// The chunk that opens a stream; no content.
    pub fn role(&self) -> Bytes {
        self.chunk(r#"{"role":"assistant","content":""}"#, "null")
    }

    /// One number; the very first comes without a separator.
    pub fn number(&self, number: u32) -> Bytes {
        let separator = if number > 1 { self.separator } else { "" };
        self.chunk(&format!(r#"{{"content":"{separator}{number}"}}"#), "null")
    }

    /// The finish reason.
    pub fn finish(&self) -> Bytes {
        self.chunk("{}", r#""stop""#)
    }

    /// Token counts in a chunk without choices.
    pub fn usage(&self, numbers: u32) -> Bytes {
        let model = &self.target.model;
        Bytes::from(format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"{model}\",\"choices\":[],\
             \"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{numbers},\"total_tokens\":{}}}}}\n\n",
            numbers + 3
        ))
    }

    /// A whole answer; numbers from `first` on, none if that is beyond `last`.
    pub fn document(&self, first: u32, last: u32) -> Bytes {
        let model = &self.target.model;
        let mut text = String::new();
        for number in first..=last {
            if number > 1 {
                text.push_str(self.separator);
            }
            text.push_str(&number.to_string());
        }
        let numbers = last.saturating_add(1).saturating_sub(first);
        Bytes::from(format!(
            "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"{model}\",\"choices\":[{{\"index\":0,\
             \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
             \"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{numbers},\"total_tokens\":{}}}}}",
            numbers + 3
        ))
    }

    fn chunk(&self, delta: &str, finish: &str) -> Bytes {
        let model = &self.target.model;
        Bytes::from(format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"{model}\",\"choices\":\
             [{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        ))
    }
}

/// The end marker.
pub const DONE: &[u8] = b"data: [DONE]\n\n";
/// A comment: no sign of life.
pub const COMMENT: &[u8] = b": still here\n\n";
/// An event that no reader understands.
pub const GARBAGE: &[u8] = b"data: {\"choices\":[{\"delta\n\n";

/// An error object.
pub fn error(code: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"error":{{"message":"simulated","type":"simulated","param":null,"code":"{code}"}}}}"#
    ))
}

/// An error object as an event.
pub fn error_event(code: &str) -> Bytes {
    Bytes::from([b"data: ", &error(code)[..], b"\n\n"].concat())
}

/// How many numbers the unfinished assistant message at the end of a body holds; none when it ends otherwise.
pub fn already_said(body: &[u8]) -> Option<u32> {
    let word = b"\"assistant\"";
    if !body.windows(word.len()).any(|window| window == word) {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let last = body.get("messages")?.as_array()?.last()?;
    if last.get("role")?.as_str()? != "assistant" {
        return None;
    }
    let text = match last.get("content")? {
        serde_json::Value::String(text) => text.clone(),
        parts => parts.as_array()?.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
    };
    u32::try_from(numbers_in(&text).len()).ok()
}

/// The numbers in a text, whatever stands between them.
pub fn numbers_in(text: &str) -> Vec<u32> {
    let words = text.split(|letter: char| !letter.is_ascii_digit());
    words.filter(|word| !word.is_empty()).map(|word| word.parse().unwrap_or(u32::MAX)).collect()
}
