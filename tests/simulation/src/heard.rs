//! What a client made of the bytes it got. It reads as an official client would: events by blank lines, an end only
//! where the protocol says so.

use seawall_core::request::Protocol;
use serde_json::Value;

use crate::speech::{DONE, numbers_in};

/// A client's account of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Status of a refusal; none for an answer.
    pub refused: Option<u16>,
    /// Code of the error, in the body or as an event.
    pub error: Option<String>,
    /// The numbers counted.
    pub numbers: Vec<u32>,
    /// A finish reason came.
    pub finished: bool,
    /// Terminators and error events; a stream has exactly one.
    pub terminals: u32,
    /// Something came after the first of them.
    pub after_the_end: bool,
    /// Events that cannot be read.
    pub unreadable: u32,
    /// The extension member that labels a splice was there.
    pub spliced: bool,
}

impl Heard {
    /// The answer claims to be complete.
    pub fn claims_success(&self) -> bool {
        self.refused.is_none() && self.error.is_none() && self.terminals > 0 && self.finished
    }

    /// 1, 2, 3 ... without a gap or a repetition, as far as it goes.
    pub fn counts_up(&self) -> bool {
        self.numbers.iter().zip(1_u32..).all(|(heard, right)| *heard == right)
    }

    /// A refusal.
    pub fn refusal(status: u16, code: &str) -> Self {
        Self { refused: Some(status), error: Some(code.to_owned()), terminals: 1, ..Self::default() }
    }

    /// A plain answer.
    pub fn document(protocol: Protocol, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = match protocol {
            Protocol::Messages => body.pointer("/content/0/text"),
            Protocol::Chat | Protocol::Embeddings => body.pointer("/choices/0/message/content"),
        };
        let text = text.and_then(Value::as_str).unwrap_or_default();
        Self { numbers: numbers_in(text), finished: true, terminals: 1, ..Self::default() }
    }

    /// A stream.
    pub fn stream(protocol: Protocol, bytes: &[u8]) -> Self {
        let mut heard = Self::default();
        let mut text = String::new();
        for block in String::from_utf8_lossy(bytes).split("\n\n") {
            for data in block.lines().filter_map(|line| line.strip_prefix("data:")) {
                heard.after_the_end |= heard.terminals > 0;
                heard.event(protocol, data.trim(), &mut text);
            }
        }
        heard.numbers = numbers_in(&text);
        heard
    }

    /// A stream of the chat protocol, judged by its last bytes alone.
    pub fn skimmed(bytes: &[u8]) -> Self {
        let ended = bytes.ends_with(DONE);
        let error = (!ended).then(|| "unfinished".to_owned());
        Self { error, finished: ended, terminals: 1, ..Self::default() }
    }

    fn event(&mut self, protocol: Protocol, data: &str, text: &mut String) {
        if data == "[DONE]" {
            self.terminals += 1;
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            self.unreadable += 1;
            return;
        };
        if let Some(error) = event.get("error") {
            self.terminals += 1;
            self.error = Some(error.get("code").and_then(Value::as_str).unwrap_or("unnamed").to_owned());
            return;
        }
        self.spliced |= event.get("seawall").is_some();
        let (piece, finish) = match protocol {
            Protocol::Messages => (event.pointer("/delta/text"), event.pointer("/delta/stop_reason")),
            Protocol::Chat | Protocol::Embeddings => {
                (event.pointer("/choices/0/delta/content"), event.pointer("/choices/0/finish_reason"))
            }
        };
        text.push_str(piece.and_then(Value::as_str).unwrap_or_default());
        self.finished |= finish.is_some_and(|reason| !reason.is_null());
        self.terminals += u32::from(event.get("type").and_then(Value::as_str) == Some("message_stop"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(text: &str) -> Heard {
        Heard::stream(Protocol::Chat, text.as_bytes())
    }

    #[test]
    fn a_whole_stream_is_told_from_a_cut_one() {
        let content = r#"data: {"choices":[{"delta":{"content":"1 2"},"finish_reason":null}]}"#;
        let finish = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let whole = chat(&format!("{content}\n\n{finish}\n\ndata: [DONE]\n\n"));
        assert!(whole.claims_success() && whole.counts_up() && whole.numbers == [1, 2], "{whole:?}");
        let cut = chat(&format!("{content}\n\n"));
        assert!(!cut.claims_success() && cut.terminals == 0, "{cut:?}");
        let twice = chat(&format!("{content}\n\n{content}\n\n{finish}\n\ndata: [DONE]\n\ndata: [DONE]\n\n"));
        assert!(!twice.counts_up() && twice.after_the_end && twice.terminals == 2, "{twice:?}");
    }

    #[test]
    fn an_error_event_is_an_end_but_no_success() {
        let broken = chat("data: {\"error\":{\"code\":\"stream_interrupted\"}}\n\n");
        assert!(!broken.claims_success() && broken.terminals == 1, "{broken:?}");
        assert_eq!(broken.error.as_deref(), Some("stream_interrupted"));
    }
}
