//! Another system prompt in a request; everything else keeps its bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::loose::{Content, Text};
use crate::body::{RequestBody, patch};
use crate::request::Protocol;

/// Between two pieces of a prompt.
const GAP: &str = "\n\n";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Content<'a>,
}

/// The last block's mark for the provider's cache stays where the prompt was marked at all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Mark<'a> {
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Instructions<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Serialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    cache_control: &'a RawValue,
}

/// The request with the system prompt that `write` makes of its own; none where the body has no place for one. An `Err`
/// is that of `write`.
pub(crate) fn with_system(
    body: &RequestBody,
    write: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Option<RequestBody>, String> {
    match body.protocol() {
        Protocol::Chat => in_chat(body, write),
        Protocol::Messages => in_messages(body, write),
        Protocol::Embeddings => Ok(None),
    }
}

/// Instructions stand in turns of their own at the beginning; they become one.
fn in_chat(
    body: &RequestBody,
    write: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Option<RequestBody>, String> {
    let Some(said) = body.member("messages").and_then(|messages| serde_json::from_str(messages).ok()) else {
        return Ok(None);
    };
    let said: Vec<&RawValue> = said;
    let (mut own, mut role, mut count) = (String::new(), String::new(), 0);
    for message in &said {
        let turn: Turn<'_> = serde_json::from_str(message.get()).unwrap_or_default();
        let told = turn.role.or_empty();
        if !matches!(told, "system" | "developer") {
            break;
        }
        if count == 0 {
            told.clone_into(&mut role);
        }
        append(&mut own, &turn.content);
        count += 1;
    }
    let prompt = write(&own)?;
    let role = if role.is_empty() { "system" } else { &role };
    let first = (!prompt.is_empty()).then(|| to_json(&Instructions { role, content: &prompt }));
    let rest = said.iter().skip(count).map(|message| message.get());
    let turns: Vec<&str> = first.as_deref().into_iter().chain(rest).collect();
    Ok(set(body, "messages", &format!("[{}]", turns.join(","))))
}

/// The prompt is a member of its own, a string or blocks of text.
fn in_messages(
    body: &RequestBody,
    write: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Option<RequestBody>, String> {
    let mut own = String::new();
    let told = body.member("system").unwrap_or("null");
    append(&mut own, &serde_json::from_str(told).unwrap_or_default());
    let prompt = write(&own)?;
    let blocks: Vec<Mark<'_>> = serde_json::from_str(told).unwrap_or_default();
    let mark = blocks.iter().rev().find_map(|block| block.cache_control);
    let json = match mark {
        _ if prompt.is_empty() => "null".to_owned(),
        None => to_json(&prompt),
        Some(cache_control) => to_json(&[Block { kind: "text", text: &prompt, cache_control }]),
    };
    Ok(set(body, "system", &json))
}

fn append(own: &mut String, content: &Content<'_>) {
    content.each(&mut |piece, _| {
        if !own.is_empty() {
            own.push_str(GAP);
        }
        own.push_str(piece);
    });
}

/// Writing these to memory cannot fail.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn set(body: &RequestBody, name: &str, json: &str) -> Option<RequestBody> {
    let bytes = patch::set(std::str::from_utf8(body.bytes()).ok()?, name, json).ok()?;
    body.translated(body.protocol(), Bytes::from(bytes)).ok()
}
