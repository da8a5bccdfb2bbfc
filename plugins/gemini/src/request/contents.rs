//! The conversation as contents: instructions apart, roles alternating, calls and results matched by name.

use seawall_plugin::error::ProviderError;
use seawall_translate::media::{Media, Source, mime_of_link};
use seawall_translate::message::{Assistant, Content, Message, Part, ToolResult};
use seawall_translate::settings::wrong;
use seawall_translate::{Json, opaque};

use crate::OWNER;
use crate::models::Model;

/// Google's stand-in for a signature that never existed: the call was made by another provider's model, or the client
/// lost it.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// What the API wants to see first where a conversation begins with the model.
const OPENING: &str = "(start)";

/// A conversation in the API's shape.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Json<'a>>,
    pub(super) contents: Vec<Json<'a>>,
}

pub(super) fn write<'a>(
    messages: &[Message<'a>],
    model: Model<'a>,
) -> Result<Conversation<'a>, ProviderError> {
    let mut writer = Writer { model, system: Vec::new(), turns: Vec::new(), calls: Vec::new() };
    for message in messages {
        writer.add(message)?;
    }
    if writer.turns.is_empty() {
        let instructions = std::mem::take(&mut writer.system);
        writer.say(Role::User, instructions);
    }
    if writer.turns.first().is_some_and(|(role, _)| *role == Role::Model) {
        writer.turns.insert(0, (Role::User, vec![Json::object().with("text", OPENING)]));
    }
    let contents = writer.turns.into_iter().map(|(role, parts)| {
        let role = if role == Role::User { "user" } else { "model" };
        Json::object().with("role", role).with("parts", parts)
    });
    Ok(Conversation { contents: contents.collect(), system: writer.system })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    User,
    Model,
}

struct Writer<'a> {
    model: Model<'a>,
    system: Vec<Json<'a>>,
    turns: Vec<(Role, Vec<Json<'a>>)>,
    /// Ids and names of the calls so far: results are matched by name.
    calls: Vec<(&'a str, &'a str)>,
}

impl<'a> Writer<'a> {
    fn add(&mut self, message: &Message<'a>) -> Result<(), ProviderError> {
        match message {
            Message::System(parts) => self.system.extend(write_parts(parts)),
            Message::User(parts) => self.say(Role::User, write_parts(parts)),
            Message::Assistant(assistant) => {
                self.calls.extend(assistant.calls.iter().map(|call| (call.id, call.name)));
                let parts = self.assistant(assistant);
                self.say(Role::Model, parts);
            }
            Message::ToolResult(result) => {
                let parts = self.result(result)?;
                self.say(Role::User, parts);
            }
        }
        Ok(())
    }

    fn say(&mut self, role: Role, parts: Vec<Json<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.turns.last_mut().filter(|(last, _)| *last == role) {
            Some((_, said)) => said.extend(parts),
            None => self.turns.push((role, parts)),
        }
    }

    fn assistant(&self, assistant: &Assistant<'a>) -> Vec<Json<'a>> {
        let thought = opaque::of_owner(OWNER, assistant.reasoning_state).last().map(|signature| {
            let part = Json::object().with("text", assistant.reasoning).with("thought", true);
            part.with("thoughtSignature", signature)
        });
        let mut parts: Vec<Json<'_>> = thought.into_iter().chain(write_parts(&assistant.parts)).collect();
        for (at, call) in assistant.calls.iter().enumerate() {
            let function = Json::object()
                .with("id", call.id)
                .with("name", call.name)
                .with("args", call.arguments.clone());
            let stand_in = (at == 0 && self.model.wants_signatures()).then_some(NO_SIGNATURE);
            let part = Json::object().with("functionCall", function);
            parts.push(part.with_some("thoughtSignature", call.opaque.or(stand_in)));
        }
        parts
    }

    fn result(&self, result: &ToolResult<'a>) -> Result<Vec<Json<'a>>, ProviderError> {
        let known = self.calls.iter().rev().find(|(id, _)| *id == result.id).map(|(_, name)| *name);
        let Some(name) = known.or(result.name) else {
            let message = format!("no call in the conversation has the id `{}`", result.id);
            return Err(wrong("messages", &message));
        };
        let texts = result.parts.iter().filter_map(|part| match part.content {
            Content::Text(text) => Some(text),
            Content::Media(_) => None,
        });
        let text = texts.collect::<Vec<_>>().join("\n");
        let response = match Json::parse(text.as_bytes()) {
            Ok(object) if object.is_object() => object.to_own(),
            _ => Json::object().with("result", text),
        };
        let function = Json::object().with("id", result.id).with("name", name).with("response", response);
        let mut parts = vec![Json::object().with("functionResponse", function)];
        for part in &result.parts {
            if let Content::Media(media) = part.content {
                parts.push(media_part(&media));
            }
        }
        Ok(parts)
    }
}

fn write_parts<'a>(parts: &[Part<'a>]) -> Vec<Json<'a>> {
    let write = |part: &Part<'a>| match part.content {
        Content::Text(text) => Json::object().with("text", text),
        Content::Media(media) => media_part(&media),
    };
    parts.iter().map(write).collect()
}

fn media_part<'a>(media: &Media<'a>) -> Json<'a> {
    match media.source {
        Source::Inline { mime, data } => {
            let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
            Json::object().with("inlineData", Json::object().with("mimeType", mime).with("data", data))
        }
        Source::Link(url) => {
            let file = Json::object().with_some("mimeType", mime_of_link(url)).with("fileUri", url);
            Json::object().with("fileData", file)
        }
    }
}
