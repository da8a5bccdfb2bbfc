//! The request as the next upstream is given it: the client's own bytes, and behind them what the client has had.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::loose::Text;
use crate::body::{RequestBody, patch};
use crate::request::Protocol;

/// The words of an instruction: few, and plain enough for a model in any language.
const GO_ON: &str = "Continue exactly where your last message stops. Output only the continuation: no repetition, \
no comment, same language, same format.";

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    role: Text<'a>,
}

/// The request with `told` as the beginning of the answer, and `cap` as what is left of its cap on tokens. None where
/// that cannot be said or would not be understood: after an answer that the client itself has begun, while the model is
/// to think first, and where the answer is to be JSON (a decoder bound to a schema would begin a new value).
pub(crate) fn prefilled(body: &RequestBody, told: &str, cap: Option<u32>) -> Option<RequestBody> {
    if thinks(body) || wants_json(body) {
        return None;
    }
    with_turns(body, &[Turn { role: "assistant", content: told }], cap)
}

/// The request with `told` as the answer and a turn that asks to go on; plain text without tools only.
pub(crate) fn instructed(body: &RequestBody, told: &str, cap: Option<u32>) -> Option<RequestBody> {
    let has_tools = present(body, "tools").is_some() || present(body, "functions").is_some();
    if has_tools || wants_json(body) {
        return None;
    }
    let turns = [Turn { role: "assistant", content: told }, Turn { role: "user", content: GO_ON }];
    with_turns(body, &turns, cap)
}

/// The request, asking for a stream. None for requests that have none.
pub(crate) fn streamed(body: &RequestBody) -> Option<RequestBody> {
    if body.protocol() == Protocol::Embeddings {
        return None;
    }
    let bytes = patch::set(text(body.bytes())?, "stream", "true").ok()?;
    body.translated(body.protocol(), Bytes::from(bytes)).ok()
}

fn with_turns(body: &RequestBody, turns: &[Turn<'_>], cap: Option<u32>) -> Option<RequestBody> {
    let messages = body.member("messages")?;
    let said: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let last: Said<'_> = serde_json::from_str(said.last()?.get()).ok()?;
    if last.role.or_empty() == "assistant" {
        return None;
    }
    let turns = serde_json::to_string(turns).ok()?;
    let (before, turns) = (messages.strip_suffix(']')?, turns.strip_prefix('[')?);
    let mut bytes = patch::set(text(body.bytes())?, "messages", &[before, ",", turns].concat()).ok()?;
    let caps =
        ["max_tokens", "max_completion_tokens"].into_iter().filter(|name| present(body, name).is_some());
    for (name, cap) in caps.zip(cap.into_iter().cycle()) {
        bytes = patch::set(text(&bytes)?, name, &cap.to_string()).ok()?;
    }
    body.translated(body.protocol(), Bytes::from(bytes)).ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn present<'a>(body: &'a RequestBody, name: &str) -> Option<&'a str> {
    body.member(name).filter(|value| *value != "null")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

fn kind_of(json: &str) -> Kind<'_> {
    serde_json::from_str(json).unwrap_or_default()
}

/// Whether the model is to think before it answers.
fn thinks(body: &RequestBody) -> bool {
    present(body, "thinking").is_some_and(|thinking| kind_of(thinking).kind.or_empty() != "disabled")
}

/// Whether the text of the answer is to be JSON.
pub(crate) fn wants_json(body: &RequestBody) -> bool {
    let is_json = |format: &str| matches!(kind_of(format).kind.or_empty(), "json_schema" | "json_object");
    let nested = |config: &str| kind_of(config).format.is_some_and(|format| is_json(format.get()));
    present(body, "response_format").is_some_and(is_json)
        || present(body, "output_format").is_some_and(is_json)
        || present(body, "output_config").is_some_and(nested)
}
