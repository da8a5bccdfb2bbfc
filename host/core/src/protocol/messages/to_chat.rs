//! A messages request as a chat request.
//!
//! What chat cannot say is left out and named in [`Translated::lost`]. What would change the meaning of a turn is kept
//! in another form: a tool result's pictures follow it as a user message, a failed tool's result says so in its text,
//! a plain-text document becomes text. Base64 payloads are copied once and never decoded.

mod content;
mod wire;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::content::Turns;
use self::wire::{ChatRequest, Choice, ChoiceFunction, NamedSchema, ResponseFormat, StreamOptions, Tool};
use crate::body::RequestBody;
use crate::protocol::loose::{Presence, Text};
use crate::reply::ClientError;
use crate::request::Protocol;

/// A request in the chat protocol.
#[derive(Debug)]
pub struct Translated {
    /// With the same headers and nonce.
    pub body: RequestBody,
    /// What could not be carried over, each once.
    pub lost: Vec<&'static str>,
}

/// Collects what is lost, each thing once.
#[derive(Debug, Default)]
struct Lost(Vec<&'static str>);

impl Lost {
    fn add(&mut self, what: &'static str) {
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }
}

/// Translates a messages request; the error is a 400 that names the member.
pub fn messages_to_chat(body: &RequestBody) -> Result<Translated, ClientError> {
    let mut lost = Lost::default();
    for name in body.member_names() {
        if let Some(what) = loss_of(name) {
            lost.add(what);
        }
    }
    let mut turns = Turns::new(&mut lost);
    if let Some(system) = member(body, "system") {
        turns.system(system)?;
    }
    let messages: Vec<&RawValue> = parse(member(body, "messages").unwrap_or("null"), "messages")?;
    for (number, message) in messages.iter().enumerate() {
        turns.message(message.get(), &format!("messages.{number}"))?;
    }
    let messages = turns.into_messages();

    let (tool_choice, one_at_a_time) = tool_choice(body)?;
    let tools = tools(body, &mut lost)?;
    let has_tools = !tools.is_empty();
    let metadata: Option<Metadata<'_>> = optional(body, "metadata")?;
    let streams = optional::<bool>(body, "stream")?.unwrap_or(false);
    let request = ChatRequest {
        model: optional(body, "model")?,
        messages,
        max_tokens: optional(body, "max_tokens")?,
        temperature: optional(body, "temperature")?,
        top_p: optional(body, "top_p")?,
        stop: optional::<Vec<String>>(body, "stop_sequences")?.filter(|stop| !stop.is_empty()),
        stream: streams.then_some(true),
        stream_options: streams.then_some(StreamOptions { include_usage: true }),
        tools,
        tool_choice: tool_choice.filter(|_| has_tools),
        parallel_tool_calls: (one_at_a_time && has_tools).then_some(false),
        response_format: response_format(body)?,
        user: metadata.as_ref().and_then(|metadata| metadata.user_id.some()),
    };
    let failed = |error: &dyn std::fmt::Display| ClientError::new(400, "untranslatable", error.to_string());
    let bytes = serde_json::to_vec(&request).map_err(|error| failed(&error))?;
    let body = body.translated(Protocol::Chat, Bytes::from(bytes)).map_err(|error| failed(&error))?;
    Ok(Translated { body, lost: lost.0 })
}

/// Top-level members without a counterpart. `None` for those that are translated.
fn loss_of(name: &[u8]) -> Option<&'static str> {
    match name {
        b"model" | b"messages" | b"system" | b"max_tokens" | b"temperature" | b"top_p"
        | b"stop_sequences" | b"stream" | b"tools" | b"tool_choice" | b"metadata" | b"output_format"
        | b"output_config" => None,
        b"top_k" => Some("top_k"),
        b"thinking" => Some("thinking"),
        b"service_tier" => Some("service_tier"),
        b"container" => Some("container"),
        b"mcp_servers" => Some("mcp_servers"),
        b"context_management" => Some("context_management"),
        b"cache_control" => Some("cache_control"),
        _ => Some("other"),
    }
}

fn member<'a>(body: &'a RequestBody, name: &str) -> Option<&'a str> {
    body.member(name).filter(|value| *value != "null")
}

fn optional<'a, T: Deserialize<'a>>(body: &'a RequestBody, name: &str) -> Result<Option<T>, ClientError> {
    member(body, name).map(|value| parse(value, name)).transpose()
}

/// Reads a part of the request, or says which part is wrong and how.
fn parse<'a, T: Deserialize<'a>>(json: &'a str, param: &str) -> Result<T, ClientError> {
    serde_json::from_str(json).map_err(|error| {
        // The parser's position counts from the start of the part, which helps nobody.
        let text = error.to_string();
        let why = text.split(" at line ").next().unwrap_or_default();
        wrong(param, why)
    })
}

fn wrong(param: &str, why: &str) -> ClientError {
    ClientError::new(400, "invalid_value", format!("`{param}`: {why}")).with_param(param)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    strict: Option<bool>,
    cache_control: Presence,
}

fn tools<'a>(body: &'a RequestBody, lost: &mut Lost) -> Result<Vec<Tool<'a>>, ClientError> {
    let listed: Vec<&RawValue> = optional(body, "tools")?.unwrap_or_default();
    let mut tools = Vec::with_capacity(listed.len());
    for (number, raw) in listed.into_iter().enumerate() {
        let param = format!("tools.{number}");
        let tool: ClientTool<'_> = parse(raw.get(), &param)?;
        if tool.cache_control.0 {
            lost.add("cache_control");
        }
        if !matches!(tool.kind.some(), None | Some("custom")) {
            lost.add("server_tools");
            continue;
        }
        if tool.name.some().is_none() {
            return Err(wrong(&format!("{param}.name"), "a tool needs a name"));
        }
        tools.push(Tool::new(
            tool.name.into_cow(),
            tool.description.into_cow(),
            tool.input_schema,
            tool.strict,
        ));
    }
    Ok(tools)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    disable_parallel_tool_use: Presence,
}

/// The choice, and whether calls may only come one at a time.
fn tool_choice(body: &RequestBody) -> Result<(Option<Choice<'_>>, bool), ClientError> {
    let Some(choice) = optional::<ClientChoice<'_>>(body, "tool_choice")? else { return Ok((None, false)) };
    let one_at_a_time = choice.disable_parallel_tool_use.0;
    let choice = match choice.kind.or_empty() {
        "auto" => Choice::Word("auto"),
        "any" => Choice::Word("required"),
        "none" => Choice::Word("none"),
        "tool" if choice.name.some().is_some() => {
            Choice::Function { kind: "function", function: ChoiceFunction { name: choice.name.into_cow() } }
        }
        "tool" => return Err(wrong("tool_choice.name", "the tool to call needs a name")),
        _ => return Err(wrong("tool_choice.type", "must be auto, any, tool or none")),
    };
    Ok((Some(choice), one_at_a_time))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    format: Option<OutputFormat<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

fn response_format(body: &RequestBody) -> Result<Option<ResponseFormat<'_>>, ClientError> {
    let config: Option<OutputConfig<'_>> = optional(body, "output_config")?;
    let format = match config.and_then(|config| config.format) {
        Some(format) => Some(format),
        None => optional::<OutputFormat<'_>>(body, "output_format")?,
    };
    Ok(format.and_then(|format| {
        let schema = format.schema.filter(|_| format.kind.or_empty() == "json_schema")?;
        Some(ResponseFormat { kind: "json_schema", json_schema: NamedSchema { name: "output", schema } })
    }))
}
