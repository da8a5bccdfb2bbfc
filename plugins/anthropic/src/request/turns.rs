//! The conversation as turns: instructions apart, roles alternating, results of tools in front of a user's words.

use std::borrow::Cow;

use seawall_plugin::error::ProviderError;
use seawall_translate::Json;
use seawall_translate::media::{Kind, Media, Source};
use seawall_translate::message::{Assistant, Content, Message, Part, Thought, ToolResult};

use crate::models::Model;
use crate::state;

/// What the API wants to see first where a conversation begins with the assistant.
const OPENING: &str = "(start)";

/// A conversation in the API's shape.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    system: Vec<Json<'a>>,
    turns: Vec<Turn<'a>>,
    /// Tools that were called in it.
    called: Vec<&'a str>,
    /// A call of the turn under way came without its signed reasoning.
    has_unsigned_call: bool,
}

#[derive(Debug)]
struct Turn<'a> {
    role: Role,
    blocks: Vec<Json<'a>>,
    /// How many of the blocks are results of tools; they stand first.
    results: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    User,
    Assistant,
}

impl<'a> Conversation<'a> {
    pub(super) fn of(messages: &[Message<'a>]) -> Result<Self, ProviderError> {
        let mut conversation = Self::default();
        for message in messages {
            conversation.add(message)?;
        }
        Ok(conversation)
    }

    fn add(&mut self, message: &Message<'a>) -> Result<(), ProviderError> {
        match message {
            Message::System(parts) => self.system.extend(blocks(parts)?),
            Message::User(parts) => {
                self.has_unsigned_call = false;
                self.say(Role::User, blocks(parts)?);
            }
            Message::Assistant(assistant) => {
                let thoughts = state::blocks(assistant);
                self.has_unsigned_call |= !assistant.calls.is_empty() && thoughts.is_empty();
                self.called.extend(assistant.calls.iter().map(|call| call.name));
                self.say(Role::Assistant, assistant_blocks(assistant, &thoughts)?);
            }
            Message::ToolResult(result) => self.report(result_block(result)?),
        }
        Ok(())
    }

    fn say(&mut self, role: Role, blocks: Vec<Json<'a>>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.extend(blocks),
            None => self.turns.push(Turn { role, blocks, results: 0 }),
        }
    }

    fn report(&mut self, result: Json<'a>) {
        match self.turns.last_mut().filter(|turn| turn.role == Role::User) {
            Some(turn) => {
                turn.blocks.insert(turn.results, result);
                turn.results += 1;
            }
            None => self.turns.push(Turn { role: Role::User, blocks: vec![result], results: 1 }),
        }
    }

    /// Makes both ends fit: the API wants a user to begin, and refuses blanks at the end of a beginning that the model
    /// is to continue.
    pub(super) fn settle(&mut self, model: Model) -> Result<(), ProviderError> {
        if self.turns.is_empty() {
            let instructions = std::mem::take(&mut self.system);
            self.say(Role::User, instructions);
        }
        if self.turns.first().is_some_and(|turn| turn.role == Role::Assistant) {
            self.turns.insert(0, Turn { role: Role::User, blocks: vec![text(OPENING)], results: 0 });
        }
        let Some(last) = self.turns.last_mut().filter(|turn| turn.role == Role::Assistant) else {
            return Ok(());
        };
        if !model.continues_prefix() {
            let message = "this model does not continue an assistant message at the end";
            return Err(ProviderError::unsupported("messages", message));
        }
        match last.blocks.last_mut().and_then(|block| block.get_mut("text")) {
            Some(Json::Text(Cow::Borrowed(end))) => *end = end.trim_end(),
            Some(Json::Text(Cow::Owned(end))) => end.truncate(end.trim_end().len()),
            _ => {}
        }
        Ok(())
    }

    /// Adds an instruction.
    pub(super) fn instruct(&mut self, words: &'a str) {
        self.system.push(text(words));
    }

    /// A budget for thinking is refused after a beginning to continue, and after a call without its reasoning.
    pub(super) fn forbids_thinking(&self) -> bool {
        self.has_unsigned_call || self.turns.last().is_some_and(|turn| turn.role == Role::Assistant)
    }

    /// Tools that were called, each once.
    pub(super) fn called(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for name in &self.called {
            if !names.contains(name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn write(self, request: &mut Json<'a>) {
        if !self.system.is_empty() {
            request.push("system", self.system);
        }
        let turns = self.turns.into_iter().map(|turn| {
            let role = if turn.role == Role::User { "user" } else { "assistant" };
            Json::object().with("role", role).with("content", turn.blocks)
        });
        request.push("messages", turns.collect::<Json<'_>>());
    }
}

fn text(words: &str) -> Json<'_> {
    Json::object().with("type", "text").with("text", words)
}

fn blocks<'a>(parts: &[Part<'a>]) -> Result<Vec<Json<'a>>, ProviderError> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        let block = match part.content {
            // The API refuses text without a letter.
            Content::Text(words) if words.trim().is_empty() => continue,
            Content::Text(words) => text(words),
            Content::Media(media) => media_block(&media)?,
        };
        blocks.push(block.with_some("cache_control", part.raw.and_then(|raw| raw.get("cache_control"))));
    }
    Ok(blocks)
}

fn media_block<'a>(media: &Media<'a>) -> Result<Json<'a>, ProviderError> {
    let refuse =
        |what: &str| Err(ProviderError::unsupported("messages", format!("this provider takes no {what}")));
    let source = match media.source {
        Source::Link(url) if url.starts_with("http") => Json::object().with("type", "url").with("url", url),
        Source::Link(_) => return refuse("such links"),
        Source::Inline { mime, data } => {
            let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
            let fits = match media.kind {
                Kind::Image => matches!(mime, "image/jpeg" | "image/png" | "image/gif" | "image/webp"),
                _ => mime == "application/pdf",
            };
            if !fits {
                return refuse(mime);
            }
            Json::object().with("type", "base64").with("media_type", mime).with("data", data)
        }
    };
    let kind = match media.kind {
        Kind::Image => "image",
        Kind::Document => "document",
        Kind::Audio => return refuse("sound"),
        Kind::Video => return refuse("video"),
    };
    let title = media.name.filter(|_| media.kind == Kind::Document);
    Ok(Json::object().with("type", kind).with("source", source).with_some("title", title))
}

fn assistant_blocks<'a>(
    assistant: &Assistant<'a>,
    thoughts: &[Thought<'a>],
) -> Result<Vec<Json<'a>>, ProviderError> {
    let mut written: Vec<Json<'_>> = thoughts.iter().map(thought_block).collect();
    written.extend(blocks(&assistant.parts)?);
    for call in &assistant.calls {
        written.push(
            Json::object()
                .with("type", "tool_use")
                .with("id", tool_id(call.id))
                .with("name", call.name)
                .with("input", call.arguments.clone()),
        );
    }
    Ok(written)
}

fn thought_block<'a>(thought: &Thought<'a>) -> Json<'a> {
    match thought {
        Thought::Signed { text, signature } => {
            Json::object().with("type", "thinking").with("thinking", *text).with("signature", *signature)
        }
        Thought::Redacted(data) => Json::object().with("type", "redacted_thinking").with("data", *data),
    }
}

fn result_block<'a>(result: &ToolResult<'a>) -> Result<Json<'a>, ProviderError> {
    let content = blocks(&result.parts)?;
    let content = (!content.is_empty()).then_some(content);
    Ok(Json::object()
        .with("type", "tool_result")
        .with("tool_use_id", tool_id(result.id))
        .with_some("content", content))
}

/// Ids of other providers may hold characters that the API refuses.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|c| if fits(c) { c } else { '_' }).collect())
}
