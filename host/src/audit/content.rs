//! What client and model said, where the operator wants it kept: per alias, up to a size, redacted.
//!
//! The request's body and the answer's pieces are only held (they are counted references) while the answer goes by; they
//! are read and redacted on the audit's own threads. Of a stream the text is kept, put together from its events, so that
//! a secret that came in two pieces is seen as one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use seawall_core::reply::{AnswerStream, Reply};
use seawall_core::request::{Request, RequestId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::redact::{Patterns, Redaction};
use super::{Audit, shape};

/// So much more than what may be kept is looked at: a secret across the cut is seen whole.
const BEYOND: usize = 512;
/// Events say little: this many bytes of a stream for each byte of its text are looked at.
const WIRE_PER_TEXT: usize = 16;
/// A request that is larger than this many times what is kept is not read as JSON.
const READ_WHOLE: usize = 8;

/// What is kept of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRules {
    /// Of requests for these; none by default.
    pub aliases: Vec<Arc<str>>,
    /// Of each request, and of each answer.
    pub max_bytes: usize,
    /// What is blotted out.
    pub redact: Patterns,
}

impl Default for ContentRules {
    fn default() -> Self {
        Self { aliases: Vec::new(), max_bytes: 64 << 10, redact: Patterns::ALL }
    }
}

/// What was said in one request, as it went by.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) request: RequestId,
    pub(super) alias: Arc<str>,
    max_bytes: usize,
    streamed: bool,
    asked: Bytes,
    said: Vec<Bytes>,
    /// Bytes of the answer, also of pieces that are not held.
    said_bytes: usize,
}

/// Listens to one request.
#[derive(Debug)]
pub struct Tap {
    audit: Audit,
    /// Taken when it is handed over.
    heard: Option<Heard>,
}

impl Audit {
    /// Something that listens to this request, if the operator wants that.
    pub fn tap(&self, alias: &Arc<str>, request: &Request) -> Option<Tap> {
        let rules = self.content_rules();
        let wanted = rules.aliases.iter().any(|wanted| wanted == alias);
        wanted.then(|| Tap {
            audit: self.clone(),
            heard: Some(Heard {
                request: request.id,
                alias: Arc::clone(alias),
                max_bytes: rules.max_bytes,
                streamed: false,
                asked: request.body.bytes().clone(),
                said: Vec::new(),
                said_bytes: 0,
            }),
        })
    }
}

impl Tap {
    /// The same reply, listened to.
    pub fn on(mut self, reply: Reply) -> Reply {
        match reply {
            Reply::Plain { body, trail } => {
                self.hears(&body);
                Reply::Plain { body, trail }
            }
            Reply::Stream { body, trail } => {
                self.heard.iter_mut().for_each(|heard| heard.streamed = true);
                Reply::Stream { body: Box::pin(Tapped { tap: self, stream: body }), trail }
            }
            failed @ Reply::Failed { .. } => failed,
        }
    }

    fn hears(&mut self, piece: &Bytes) {
        let Some(heard) = &mut self.heard else { return };
        if heard.said_bytes < heard.wire_bytes() {
            heard.said.push(piece.clone());
        }
        heard.said_bytes += piece.len();
    }
}

impl Drop for Tap {
    /// However the request ended: what was said was said.
    fn drop(&mut self) {
        if let Some(heard) = self.heard.take() {
            self.audit.content(heard);
        }
    }
}

/// A stream that is listened to.
struct Tapped {
    tap: Tap,
    stream: AnswerStream,
}

impl Stream for Tapped {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let piece = ready!(self.stream.as_mut().poll_next(cx));
        if let Some(piece) = &piece {
            self.tap.hears(piece);
        }
        Poll::Ready(piece)
    }
}

/// What client and model said, redacted and cut.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditContent)]
pub(super) struct Kept {
    #[serde(serialize_with = "shape::text")]
    #[schema(value_type = String)]
    request: RequestId,
    alias: Arc<str>,
    /// The request's JSON.
    asked: String,
    /// There was more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    asked_cut: bool,
    /// The answer's JSON, or the text of a stream.
    said: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    said_cut: bool,
}

impl Heard {
    /// How much of the answer's bytes is looked at.
    fn wire_bytes(&self) -> usize {
        let factor = if self.streamed { WIRE_PER_TEXT } else { READ_WHOLE };
        self.max_bytes.saturating_mul(factor).saturating_add(BEYOND)
    }

    /// Its JSON, redacted and cut.
    pub(super) fn shape(&self, redaction: &dyn Redaction) -> String {
        let said = self.said.concat();
        let said_text = String::from_utf8_lossy(&said);
        let (asked, asked_cut) = self.kept(&document(&self.asked, self.max_bytes, redaction), redaction);
        let (said, said_cut) = if self.streamed {
            self.kept(&spoken(&said_text), redaction)
        } else {
            self.kept(&document(&said, self.max_bytes, redaction), redaction)
        };
        let said_cut = said_cut || self.said.iter().map(Bytes::len).sum::<usize>() < self.said_bytes;
        let (request, alias) = (self.request, Arc::clone(&self.alias));
        shape::json(&shape::Body::Content(Kept { request, alias, asked, asked_cut, said, said_cut }))
    }

    /// Redacted first and cut then: half a secret would not be known for one.
    fn kept(&self, text: &str, redaction: &dyn Redaction) -> (String, bool) {
        let looked_at = text.floor_char_boundary(self.max_bytes.saturating_add(BEYOND));
        let clean = redaction.redact(text.get(..looked_at).unwrap_or_default());
        let end = clean.floor_char_boundary(self.max_bytes);
        let cut = looked_at < text.len() || end < clean.len();
        (clean.get(..end).unwrap_or_default().to_owned(), cut)
    }
}

/// A JSON document with every text in it redacted on its own, for escapes in it hide where words begin. One that is no
/// JSON, or much larger than what is kept, as it is.
fn document(bytes: &[u8], max_bytes: usize, redaction: &dyn Redaction) -> String {
    if bytes.len() <= max_bytes.saturating_mul(READ_WHOLE)
        && let Ok(mut value) = serde_json::from_slice::<Value>(bytes)
    {
        clean(&mut value, redaction);
        return value.to_string();
    }
    let beginning = bytes.get(..max_bytes.saturating_add(2 * BEYOND)).unwrap_or(bytes);
    String::from_utf8_lossy(beginning).into_owned()
}

/// The parser bounds the depth, so recursion is safe.
fn clean(value: &mut Value, redaction: &dyn Redaction) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(redacted) = redaction.redact(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, redaction)),
        Value::Object(members) => members.values_mut().for_each(|member| clean(member, redaction)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text of a stream of either protocol: what was written, thought and given to tools, in the order in which it came.
fn spoken(wire: &str) -> String {
    let mut text = String::new();
    for data in wire.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
        if let Some(error) = event.get("error") {
            text.push_str(&error.to_string());
        }
        let choices = event.get("choices").and_then(Value::as_array);
        let deltas = choices.into_iter().flatten().filter_map(|choice| choice.get("delta"));
        for delta in deltas.chain(event.get("delta")) {
            for member in
                ["content", "reasoning_content", "reasoning", "refusal", "text", "thinking", "partial_json"]
            {
                text.push_str(delta.get(member).and_then(Value::as_str).unwrap_or_default());
            }
            let calls = delta.get("tool_calls").and_then(Value::as_array);
            for function in calls.into_iter().flatten().filter_map(|call| call.get("function")) {
                for member in ["name", "arguments"] {
                    text.push_str(function.get(member).and_then(Value::as_str).unwrap_or_default());
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(asked: &str, said: &[&str], streamed: bool, max_bytes: usize) -> Value {
        let said: Vec<Bytes> = said.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        let heard = Heard {
            request: RequestId(1),
            alias: Arc::from("chat"),
            max_bytes,
            streamed,
            asked: Bytes::copy_from_slice(asked.as_bytes()),
            said_bytes: said.iter().map(Bytes::len).sum(),
            said,
        };
        serde_json::from_str(&heard.shape(&Patterns::ALL)).unwrap()
    }

    #[test]
    fn secrets_are_seen_through_escapes_and_across_events() {
        let asked = r#"{"messages":[{"content":"first\nsk-abcdefghijkl0123 and \u006aane@example.org"}]}"#;
        let said = [
            "data: {\"choices\":[{\"delta\":{\"content\":\"it is sk-abcd\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"efghijkl0123, yes\"}}]}\n\ndata: [DONE]\n\n",
        ];
        let kept = heard(asked, &said, true, 1_000);
        assert_eq!(kept["asked"], r#"{"messages":[{"content":"first\n[key] and [email]"}]}"#);
        assert_eq!((&kept["said"], &kept["said_cut"]), (&Value::from("it is [key], yes"), &Value::Null));
        let messages = [
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"4111 1111 \"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"1111 1111\"}}\n\n",
        ];
        assert_eq!(heard("{}", &messages, true, 1_000)["said"], "[card]");
    }

    #[test]
    fn what_is_too_long_is_cut_and_no_secret_is_cut_in_half() {
        let text = format!("{} sk-abcdefghijklmnopqrstuvwxyz0123456789", "x".repeat(90));
        let asked = format!("{{\"a\":\"{text}\"}}");
        for max_bytes in 85..130 {
            let kept = heard(&asked, &[&asked], false, max_bytes);
            for side in ["asked", "said"] {
                let said = kept[side].as_str().unwrap();
                assert!(said.len() <= max_bytes && !said.contains("sk-"), "{max_bytes}: {said}");
            }
        }
        let large = format!("{{\"a\":\"{}\"}}", "y".repeat(10_000));
        let kept = heard(&large, &[&large], false, 100);
        assert_eq!((kept["asked"].as_str().unwrap().len(), &kept["asked_cut"]), (100, &Value::Bool(true)));
        assert_eq!(kept["said_cut"], true);
    }
}
