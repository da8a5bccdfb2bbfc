//! Thinking that no provider has signed.
//!
//! A chat answer's reasoning is shown to a client of this protocol as a thinking block with an empty signature. Clients
//! send such blocks back with the next turn, and the protocol's own provider refuses a request that holds one, or one
//! with another provider's state. So they are taken out at the door; everything else keeps its bytes.

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::is_signature;
use crate::body::{RequestBody, patch};
use crate::protocol::loose::Text;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
}

/// The body without its unsigned thinking blocks; `None` if there are none (or if it cannot be read: then it is for
/// somebody else to refuse).
pub(in crate::protocol) fn without_unsigned_thinking(body: &RequestBody) -> Option<Bytes> {
    let messages = body.member("messages")?;
    memmem::find(messages.as_bytes(), b"\"thinking\"")?;
    let messages: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let cleaned: Vec<Option<String>> = messages.iter().map(|message| clean(message.get())).collect();
    if cleaned.iter().all(Option::is_none) {
        return None;
    }
    let kept =
        messages.iter().zip(&cleaned).map(|(message, clean)| clean.as_deref().unwrap_or(message.get()));
    let list = list(kept.filter(|message| !message.is_empty()));
    let whole = std::str::from_utf8(body.bytes()).ok()?;
    patch::set(whole, "messages", &list).ok().map(Bytes::from)
}

/// One message without such blocks; empty if nothing is left of it, `None` if it has none.
fn clean(message: &str) -> Option<String> {
    let content = serde_json::from_str::<Message<'_>>(message).ok()?.content?;
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    let is_unsigned = |block: &&&RawValue| {
        serde_json::from_str::<Block<'_>>(block.get()).is_ok_and(|block| {
            block.kind.or_empty() == "thinking" && !is_signature(block.signature.or_empty())
        })
    };
    let kept: Vec<&str> =
        blocks.iter().filter(|block| !is_unsigned(block)).map(|block| block.get()).collect();
    if kept.len() == blocks.len() {
        return None;
    }
    if kept.is_empty() {
        return Some(String::new());
    }
    let bytes = patch::set(message, "content", &list(kept.into_iter())).ok()?;
    String::from_utf8(bytes).ok()
}

fn list<'a>(elements: impl Iterator<Item = &'a str>) -> String {
    let elements: Vec<&str> = elements.collect();
    format!("[{}]", elements.join(","))
}
