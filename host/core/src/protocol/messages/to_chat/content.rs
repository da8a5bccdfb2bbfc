//! Turns: a message of typed blocks becomes one or more chat messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{CalledFunction, ChatMessage, Content, ImageUrl, Part, ToolCall, Url};
use super::{Lost, parse, wrong};
use crate::protocol::loose::{Presence, Text};
use crate::reply::ClientError;

/// Stands between the texts of several blocks where chat has one string.
const BETWEEN_BLOCKS: &str = "\n\n";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Every kind of block in one; `type` says which members count.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    is_error: Presence,
    cache_control: Presence,
    citations: Presence,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    media_type: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
}

/// Writes turn after turn.
pub(super) struct Turns<'a, 'l> {
    messages: Vec<ChatMessage<'a>>,
    lost: &'l mut Lost,
}

impl<'a, 'l> Turns<'a, 'l> {
    pub(super) fn new(lost: &'l mut Lost) -> Self {
        Self { messages: Vec::new(), lost }
    }

    pub(super) fn into_messages(self) -> Vec<ChatMessage<'a>> {
        self.messages
    }

    pub(super) fn system(&mut self, system: &'a str) -> Result<(), ClientError> {
        let text = self.text_of(system, "system")?;
        if !text.is_empty() {
            self.messages.push(ChatMessage::new("system", Content::Text(text)));
        }
        Ok(())
    }

    pub(super) fn message(&mut self, json: &'a str, param: &str) -> Result<(), ClientError> {
        let Message { role, content } = parse(json, param)?;
        let content_param = format!("{param}.content");
        let content = content.ok_or_else(|| wrong(&content_param, "is missing"))?.get();
        match role.or_empty() {
            "user" => self.user(content, &content_param),
            "assistant" => self.assistant(content, &content_param),
            "system" => self.system(content),
            _ => Err(wrong(&format!("{param}.role"), "must be user or assistant")),
        }
    }

    /// Results of tools first, since chat wants them right behind the calls; then whatever else was said.
    fn user(&mut self, content: &'a str, param: &str) -> Result<(), ClientError> {
        let mut parts = Vec::new();
        for (block, param) in blocks(content, param)? {
            self.note_losses(&block);
            if block.kind.or_empty() == "tool_result" {
                let pictures = self.tool_result(block, &param)?;
                parts.extend(pictures);
            } else {
                parts.extend(self.part(block, &param)?);
            }
        }
        if !parts.is_empty() {
            self.messages.push(ChatMessage::new("user", joined(parts)));
        }
        Ok(())
    }

    fn assistant(&mut self, content: &'a str, param: &str) -> Result<(), ClientError> {
        let mut parts = Vec::new();
        let mut tool_calls = Vec::new();
        for (block, param) in blocks(content, param)? {
            self.note_losses(&block);
            if block.kind.or_empty() == "tool_use" {
                tool_calls.push(ToolCall {
                    id: named(block.id, &param, "id")?,
                    kind: "function",
                    function: CalledFunction {
                        name: named(block.name, &param, "name")?,
                        arguments: block.input.map_or("{}", RawValue::get),
                    },
                });
            } else {
                parts.extend(self.part(block, &param)?);
            }
        }
        let content = (!parts.is_empty()).then(|| joined(parts));
        if content.is_some() || !tool_calls.is_empty() {
            self.messages.push(ChatMessage { role: "assistant", content, tool_calls, tool_call_id: None });
        }
        Ok(())
    }

    /// Writes the result; its pictures are handed back, because chat takes only text here.
    fn tool_result(&mut self, block: Block<'a>, param: &str) -> Result<Vec<Part<'a>>, ClientError> {
        let mut texts = Vec::new();
        let mut pictures = Vec::new();
        if let Some(content) = block.content {
            for (inner, param) in blocks(content.get(), &format!("{param}.content"))? {
                self.note_losses(&inner);
                match self.part(inner, &param)? {
                    Some(Part::Text { text }) => texts.push(text),
                    Some(picture) => pictures.push(picture),
                    None => {}
                }
            }
        }
        let mut text = joined_text(texts);
        if block.is_error.0 {
            text = Cow::Owned(format!("Error: {text}"));
        }
        let tool_call_id = Some(named(block.tool_use_id, param, "tool_use_id")?);
        let content = Some(Content::Text(text));
        self.messages.push(ChatMessage { role: "tool", content, tool_calls: Vec::new(), tool_call_id });
        Ok(pictures)
    }

    /// A block that chat has a part for.
    fn part(&mut self, block: Block<'a>, param: &str) -> Result<Option<Part<'a>>, ClientError> {
        let source = block.source.unwrap_or_default();
        let lost = match (block.kind.or_empty(), source.kind.or_empty()) {
            ("text", _) => {
                let text = block.text.into_cow();
                return Ok((!text.is_empty()).then_some(Part::Text { text }));
            }
            ("image", "base64") => {
                let (media_type, data) = (source.media_type.into_cow(), source.data.into_cow());
                return Ok(Some(Part::ImageUrl {
                    image_url: ImageUrl { url: Url::Data { media_type, data } },
                }));
            }
            ("image", "url") => {
                let url = Url::Plain(source.url.into_cow());
                return Ok(Some(Part::ImageUrl { image_url: ImageUrl { url } }));
            }
            ("document", "text") => return Ok(Some(Part::Text { text: source.data.into_cow() })),
            ("image", _) => "files",
            ("document", _) => "documents",
            ("thinking" | "redacted_thinking", _) => "thinking",
            ("search_result", _) => "search_results",
            ("", _) => return Err(wrong(&format!("{param}.type"), "a block needs a type")),
            ("tool_use" | "tool_result", _) => return Err(wrong(param, "this block cannot stand here")),
            _ => "server_tools",
        };
        self.lost.add(lost);
        Ok(None)
    }

    /// All text of a string or of blocks.
    fn text_of(&mut self, content: &'a str, param: &str) -> Result<Cow<'a, str>, ClientError> {
        let mut texts = Vec::new();
        for (block, param) in blocks(content, param)? {
            self.note_losses(&block);
            match self.part(block, &param)? {
                Some(Part::Text { text }) => texts.push(text),
                Some(Part::ImageUrl { .. }) => return Err(wrong(&param, "an image cannot stand here")),
                None => {}
            }
        }
        Ok(joined_text(texts))
    }

    fn note_losses(&mut self, block: &Block<'_>) {
        if block.cache_control.0 {
            self.lost.add("cache_control");
        }
        if block.citations.0 {
            self.lost.add("citations");
        }
    }
}

/// The blocks of a content, each with its place; a string is one block of text.
fn blocks<'a>(content: &'a str, param: &str) -> Result<Vec<(Block<'a>, String)>, ClientError> {
    if content.starts_with('"') {
        let block =
            Block { kind: parse("\"text\"", param)?, text: parse(content, param)?, ..Block::default() };
        return Ok(vec![(block, param.to_owned())]);
    }
    if !content.starts_with('[') {
        return Err(wrong(param, "must be a string or an array of blocks"));
    }
    let raw: Vec<&RawValue> = parse(content, param)?;
    let place = |(number, raw): (usize, &'a RawValue)| {
        let param = format!("{param}.{number}");
        Ok((parse(raw.get(), &param)?, param))
    };
    raw.into_iter().enumerate().map(place).collect()
}

fn named<'a>(text: Text<'a>, param: &str, name: &str) -> Result<Cow<'a, str>, ClientError> {
    match text.some() {
        Some(_) => Ok(text.into_cow()),
        None => Err(wrong(&format!("{param}.{name}"), "is missing")),
    }
}

/// One string where there is only text: not every server takes parts.
fn joined(parts: Vec<Part<'_>>) -> Content<'_> {
    if parts.iter().any(|part| matches!(part, Part::ImageUrl { .. })) {
        return Content::Parts(parts);
    }
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text } => Some(text),
        Part::ImageUrl { .. } => None,
    });
    Content::Text(joined_text(texts.collect()))
}

fn joined_text(mut texts: Vec<Cow<'_, str>>) -> Cow<'_, str> {
    match (texts.len(), texts.pop()) {
        (1, Some(only)) => only,
        (_, None) => Cow::Borrowed(""),
        (_, Some(last)) => {
            texts.push(last);
            Cow::Owned(texts.join(BETWEEN_BLOCKS))
        }
    }
}
