//! A client's request: the few facts that decisions need, or a 400 that says what to change.

use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::effects::has_side_effects;
use super::loose::{Count, List, Presence, Text};
use super::messages::unsigned;
use crate::body::{BodyError, RequestBody};
use crate::reply::ClientError;
use crate::request::{Facts, Protocol};

/// Reads a request of this protocol. Unknown members pass; what is there must have the right type. `headers` are the
/// client's, `nonce` is random and never seen by the client.
pub fn read_request(
    protocol: Protocol,
    bytes: Bytes,
    headers: HeaderMap,
    nonce: u64,
) -> Result<(Facts, RequestBody), ClientError> {
    let mut body = RequestBody::new(protocol, bytes, headers, nonce).map_err(|error| not_json(&error))?;
    if protocol == Protocol::Messages
        && let Some(cleaned) = unsigned::without_unsigned_thinking(&body)
    {
        body = body.translated(protocol, cleaned).map_err(|error| not_json(&error))?;
    }
    let facts = facts_of(&body)?;
    Ok((facts, body))
}

fn not_json(error: &BodyError) -> ClientError {
    ClientError::new(400, "invalid_json", error.to_string())
}

fn facts_of(body: &RequestBody) -> Result<Facts, ClientError> {
    let protocol = body.protocol();
    let model = required_text(body, "model")?;
    match protocol {
        Protocol::Chat | Protocol::Messages => require_elements(body, "messages")?,
        Protocol::Embeddings => require_input(body)?,
    }
    let stream_options = optional::<StreamOptions>(body, "stream_options", "an object")?.unwrap_or_default();
    let cap = match protocol {
        Protocol::Chat => number(body, "max_completion_tokens")?.or(number(body, "max_tokens")?),
        Protocol::Messages => number(body, "max_tokens")?,
        Protocol::Embeddings => None,
    };
    let saturated = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Facts {
        model,
        stream: protocol != Protocol::Embeddings && flag(body, "stream")?,
        include_usage: stream_options.include_usage.0,
        max_output_tokens: cap.filter(|cap| *cap > 0).map(saturated),
        choices: number(body, "n")?.map_or(1, |n| saturated(n).max(1)),
        has_tools: list(body, "tools")? || (protocol == Protocol::Chat && list(body, "functions")?),
        has_images: has_images(body),
        has_schema: has_schema(body),
        side_effects: has_side_effects(body),
        input_tokens_estimate: saturated(body.guest_json().len() as u64 / 4),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Presence,
}

fn missing(name: &str) -> ClientError {
    ClientError::new(400, "missing_required_parameter", format!("the request has no `{name}`"))
        .with_param(name)
}

fn wrong_type(name: &str, expected: &str) -> ClientError {
    ClientError::new(400, "invalid_type", format!("`{name}` must be {expected}")).with_param(name)
}

/// A member that is neither absent nor null.
fn present<'a>(body: &'a RequestBody, name: &str) -> Option<&'a str> {
    body.member(name).filter(|value| *value != "null")
}

fn optional<'a, T: Deserialize<'a>>(
    body: &'a RequestBody,
    name: &str,
    expected: &str,
) -> Result<Option<T>, ClientError> {
    let value = present(body, name).map(serde_json::from_str).transpose();
    value.map_err(|_| wrong_type(name, expected))
}

fn required_text(body: &RequestBody, name: &str) -> Result<String, ClientError> {
    let text: String = optional(body, name, "a string")?.ok_or_else(|| missing(name))?;
    if text.trim().is_empty() { Err(missing(name)) } else { Ok(text) }
}

fn flag(body: &RequestBody, name: &str) -> Result<bool, ClientError> {
    Ok(optional(body, name, "true or false")?.unwrap_or(false))
}

/// Any number passes, since some servers give a meaning to -1; only counts count.
fn number(body: &RequestBody, name: &str) -> Result<Option<u64>, ClientError> {
    let Some(value) = present(body, name) else { return Ok(None) };
    if !value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(wrong_type(name, "a number"));
    }
    Ok(serde_json::from_str::<Count>(value).ok().and_then(|count| count.0))
}

/// Whether a list is there and has elements.
fn list(body: &RequestBody, name: &str) -> Result<bool, ClientError> {
    match present(body, name) {
        None => Ok(false),
        Some(value) if !value.starts_with('[') => Err(wrong_type(name, "an array")),
        Some(value) => Ok(!is_empty_container(value)),
    }
}

fn require_elements(body: &RequestBody, name: &str) -> Result<(), ClientError> {
    let is_there = present(body, name).is_some();
    match list(body, name)? {
        true => Ok(()),
        false if !is_there => Err(missing(name)),
        false => {
            let error = ClientError::new(400, "empty_array", format!("`{name}` must not be empty"));
            Err(error.with_param(name))
        }
    }
}

fn require_input(body: &RequestBody) -> Result<(), ClientError> {
    match present(body, "input") {
        None => Err(missing("input")),
        Some("\"\"") => {
            Err(ClientError::new(400, "empty_string", "`input` must not be empty").with_param("input"))
        }
        Some(input) if input.starts_with('"') => Ok(()),
        Some(input) if input.starts_with('[') => require_elements(body, "input"),
        Some(_) => Err(wrong_type("input", "a string or an array")),
    }
}

/// Of an array or object known to be valid.
fn is_empty_container(json: &str) -> bool {
    json.bytes().skip(1).find(|b| !b.is_ascii_whitespace()).is_none_or(|b| b == b']' || b == b'}')
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageBlocks<'a> {
    #[serde(borrow)]
    content: List<BlockType<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlockType<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A search for the word first: most requests have no images and need no second look.
fn has_images(body: &RequestBody) -> bool {
    let Some(messages) = body.member("messages") else { return false };
    let words: &[&str] = match body.protocol() {
        Protocol::Chat => &["\"image_url\"", "\"input_image\""],
        Protocol::Messages => &["\"image\""],
        Protocol::Embeddings => return false,
    };
    // What all these words have comes first: one prepared search is enough for most requests.
    static PART: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"image"));
    let mentions = |word: &&str| memmem::find(messages.as_bytes(), word.as_bytes()).is_some();
    if PART.find(messages.as_bytes()).is_none() || !words.iter().any(mentions) {
        return false;
    }
    let is_image = |kind: &str| words.iter().any(|word| word.trim_matches('"') == kind);
    let Ok(parsed) = serde_json::from_str::<Vec<MessageBlocks<'_>>>(messages) else { return true };
    // Images may also stand inside a tool's result.
    let inside = |raw: &RawValue| {
        serde_json::from_str::<List<BlockType<'_>>>(raw.get())
            .is_ok_and(|blocks| blocks.0.iter().any(|block| is_image(block.kind.or_empty())))
    };
    let has = |block: &BlockType<'_>| is_image(block.kind.or_empty()) || block.content.is_some_and(inside);
    parsed.iter().any(|message| message.content.0.iter().any(has))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

fn has_schema(body: &RequestBody) -> bool {
    let is_schema = |json: &str| {
        serde_json::from_str::<Format<'_>>(json).is_ok_and(|format| format.kind.or_empty() == "json_schema")
    };
    let nested = |json: &str| {
        let outer = serde_json::from_str::<Format<'_>>(json).ok();
        outer.and_then(|outer| outer.format).is_some_and(|format| is_schema(format.get()))
    };
    match body.protocol() {
        Protocol::Chat => body.member("response_format").is_some_and(is_schema),
        Protocol::Messages => {
            body.member("output_format").is_some_and(is_schema)
                || body.member("output_config").is_some_and(nested)
        }
        Protocol::Embeddings => false,
    }
}
