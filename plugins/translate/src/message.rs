//! The conversation.
//!
//! Places are told as arguments of a format, which become text only when something is wrong there.

use std::fmt::Arguments;

use seawall_plugin::error::ProviderError;

use crate::Json;
use crate::media::{Kind, Media, Source};
use crate::opaque;
use crate::settings::wrong;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// Instructions (`system` or `developer`).
    System(Vec<Part<'a>>),
    /// What the user said.
    User(Vec<Part<'a>>),
    /// What the model said and called.
    Assistant(Assistant<'a>),
    /// What a call gave.
    ToolResult(ToolResult<'a>),
}

/// A piece of a message's content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// The client's own part, for extensions; none when the content was a bare string.
    pub raw: Option<&'a Json<'a>>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    /// Text; never empty.
    Text(&'a str),
    /// Media.
    Media(Media<'a>),
}

/// What the model said and called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assistant<'a> {
    /// Its text.
    pub parts: Vec<Part<'a>>,
    /// Its calls.
    pub calls: Vec<Call<'a>>,
    /// Its reasoning in words, if the client gave it back.
    pub reasoning: &'a str,
    /// Provider state of the reasoning, pieces joined.
    pub reasoning_state: &'a str,
    /// Blocks of reasoning, from clients that keep them apart.
    pub thoughts: Vec<Thought<'a>>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// Its id.
    pub id: &'a str,
    /// The function.
    pub name: &'a str,
    /// Its arguments, always an object.
    pub arguments: Json<'a>,
    /// Provider state.
    pub opaque: Option<&'a str>,
}

/// A block of reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thought<'a> {
    /// Readable, signed.
    Signed {
        /// May be empty where the provider withholds it.
        text: &'a str,
        /// Provider state.
        signature: &'a str,
    },
    /// Encrypted as a whole.
    Redacted(&'a str),
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub id: &'a str,
    /// The function's name, if the client repeats it.
    pub name: Option<&'a str>,
    /// The result.
    pub parts: Vec<Part<'a>>,
}

/// Reads `messages`.
///
/// # Errors
/// `bad-request` for what is no message, `unsupported-parameter` for content that is no text, image, sound, video or
/// inline file; both name the place.
pub fn messages<'a>(body: &'a Json<'_>) -> Result<Vec<Message<'a>>, ProviderError> {
    let Some(list) = body.get("messages").and_then(Json::as_list) else {
        return Err(wrong("messages", "messages must be a list"));
    };
    list.iter().enumerate().map(|(i, message)| read(format_args!("messages[{i}]"), message)).collect()
}

fn read<'a>(at: Arguments<'_>, message: &'a Json<'_>) -> Result<Message<'a>, ProviderError> {
    let parts = parts(at, message)?;
    match message.text("role") {
        Some("system" | "developer") => Ok(Message::System(parts)),
        Some("user") => Ok(Message::User(parts)),
        Some("assistant") => {
            let text = |name: &str| message.text(name).unwrap_or_default();
            Ok(Message::Assistant(Assistant {
                parts,
                calls: calls(at, message)?,
                reasoning: text("reasoning_content"),
                reasoning_state: text("reasoning_opaque"),
                thoughts: thoughts(message),
            }))
        }
        Some("tool") => {
            let id = message.text("tool_call_id");
            let id =
                id.ok_or_else(|| wrong(&format!("{at}.tool_call_id"), "a tool result needs the call's id"))?;
            Ok(Message::ToolResult(ToolResult { id, name: message.text("name"), parts }))
        }
        _ => Err(wrong(&format!("{at}.role"), "role must be system, developer, user, assistant or tool")),
    }
}

fn parts<'a>(at: Arguments<'_>, message: &'a Json<'_>) -> Result<Vec<Part<'a>>, ProviderError> {
    match message.get("content") {
        None => Ok(Vec::new()),
        Some(Json::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Json::Text(text)) => Ok(vec![Part { content: Content::Text(text), raw: None }]),
        Some(Json::List(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (i, raw) in list.iter().enumerate() {
                if let Some(content) = content(format_args!("{at}.content[{i}]"), raw)? {
                    parts.push(Part { content, raw: Some(raw) });
                }
            }
            Ok(parts)
        }
        Some(_) => Err(wrong(&format!("{at}.content"), "content must be a string or a list of parts")),
    }
}

/// `None` for what may be left out: empty text, and reasoning that stands among the content.
fn content<'a>(at: Arguments<'_>, part: &'a Json<'_>) -> Result<Option<Content<'a>>, ProviderError> {
    let media = match part.text("type") {
        Some("text" | "input_text" | "output_text") => return Ok(non_empty(part.text("text"))),
        Some("refusal") => return Ok(non_empty(part.text("refusal"))),
        Some("thinking" | "redacted_thinking") => return Ok(None),
        Some("image_url") => {
            let url =
                part.at(&["image_url", "url"]).or_else(|| part.get("image_url")).and_then(Json::as_text);
            linked(Kind::Image, url, None)
        }
        Some("video_url") => {
            linked(Kind::Video, part.at(&["video_url", "url"]).and_then(Json::as_text), None)
        }
        Some("file") => {
            let file = part.get("file");
            let data = file.and_then(|file| file.text("file_data"));
            linked(Kind::Document, data, file.and_then(|file| file.text("filename")))
        }
        Some("input_audio") => sound(part),
        _ => None,
    };
    match media {
        Some(media) => Ok(Some(Content::Media(media))),
        None => Err(ProviderError::unsupported(
            &at.to_string(),
            "this part is no text, image, sound, video or inline file",
        )),
    }
}

fn non_empty(text: Option<&str>) -> Option<Content<'_>> {
    text.filter(|text| !text.is_empty()).map(Content::Text)
}

fn linked<'a>(kind: Kind, url: Option<&'a str>, name: Option<&'a str>) -> Option<Media<'a>> {
    let source = Source::of(url?)?;
    let kind = match source {
        Source::Inline { mime, .. } if mime == "application/pdf" || mime.starts_with("text/") => {
            Kind::Document
        }
        Source::Inline { mime, .. } if mime.starts_with("image/") => Kind::Image,
        _ => kind,
    };
    Some(Media { kind, source, name })
}

fn sound<'a>(part: &'a Json<'_>) -> Option<Media<'a>> {
    let audio = part.get("input_audio")?;
    let mime = match audio.text("format")? {
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "aac" | "m4a" => "audio/aac",
        _ => return None,
    };
    Some(Media { kind: Kind::Audio, source: Source::Inline { mime, data: audio.text("data")? }, name: None })
}

fn calls<'a>(at: Arguments<'_>, message: &'a Json<'_>) -> Result<Vec<Call<'a>>, ProviderError> {
    let mut calls = Vec::new();
    for (i, call) in message.list("tool_calls").iter().enumerate() {
        let function = call.get("function");
        let (Some(id), Some(name)) = (call.text("id"), function.and_then(|f| f.text("name"))) else {
            return Err(wrong(&format!("{at}.tool_calls[{i}]"), "a call needs an id and a function name"));
        };
        let arguments = arguments(function.and_then(|f| f.get("arguments")));
        calls.push(Call { id, name, arguments, opaque: opaque::of_call(call) });
    }
    Ok(calls)
}

/// Providers want an object. What a model once wrote otherwise is kept under a name, not lost and not refused: the
/// conversation has to go on.
fn arguments<'a>(value: Option<&'a Json<'_>>) -> Json<'a> {
    let parsed = match value {
        None => return Json::object(),
        Some(Json::Text(text)) if text.trim().is_empty() => return Json::object(),
        Some(Json::Text(text)) => match Json::parse(text.as_bytes()) {
            Ok(parsed) => parsed,
            Err(_) => return Json::object().with("invalid_json", text.as_ref()),
        },
        Some(other) => other.lend(),
    };
    if parsed.is_object() { parsed } else { Json::object().with("value", parsed) }
}

/// `thinking_blocks`; what has no signature is of no use to a provider.
fn thoughts<'a>(message: &'a Json<'_>) -> Vec<Thought<'a>> {
    let read = |block: &'a Json<'_>| match Json::text(block, "type")? {
        "thinking" => Some(Thought::Signed {
            text: block.text("thinking").unwrap_or_default(),
            signature: block.text("signature").filter(|s| !s.is_empty())?,
        }),
        "redacted_thinking" => block.text("data").map(Thought::Redacted),
        _ => None,
    };
    message.list("thinking_blocks").iter().filter_map(read).collect()
}
