//! Plain answers: written by adapters that translate, tidied for servers that bend the format.

use serde_json::{Map, Value, json};

use crate::adapter::{Answer, Failure, FinishReason, Reply, Usage};
use crate::chat::{Classify, finish_word, flatten, read_usage, write_usage};
use crate::error::ProviderError;

/// A plain answer in the making; [`Completion::into_answer`] writes it as a `chat.completion` object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// Usually one.
    pub choices: Vec<Choice>,
    /// Tokens.
    pub usage: Option<Usage>,
}

/// One choice of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// The text; an empty one beside tool calls becomes null.
    pub text: String,
    /// The readable part of the reasoning.
    pub reasoning: String,
    /// Provider state of the reasoning (a signature) that must come back unchanged.
    pub reasoning_opaque: Option<String>,
    /// In order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended; `other` with no better word.
    pub finish: Option<FinishReason>,
    /// Further members of the choice (`logprobs`), merged in as they are.
    pub extra: Map<String, Value>,
    /// Further members of the message (`annotations`), merged in as they are.
    pub message_extra: Map<String, Value>,
}

/// One tool call of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCall {
    /// The provider's id, or one made from the call's place.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text.
    pub arguments: String,
    /// Provider state that must come back unchanged.
    pub opaque: Option<String>,
}

impl Completion {
    /// Writes the answer.
    pub fn into_answer(self) -> Answer {
        let choices: Vec<Value> = self.choices.into_iter().enumerate().map(|(i, c)| c.into_json(i)).collect();
        let mut body = json!({
            "id": self.id.unwrap_or_else(|| "chatcmpl-unknown".to_owned()),
            "object": "chat.completion",
            "created": 0,
            "model": self.model.unwrap_or_default(),
            "choices": choices,
        });
        if let (Some(usage), Some(members)) = (&self.usage, body.as_object_mut()) {
            members.insert("usage".to_owned(), write_usage(usage));
        }
        Answer { body: body.to_string().into_bytes(), usage: self.usage }
    }
}

impl Choice {
    fn into_json(self, index: usize) -> Value {
        let content =
            if self.text.is_empty() && !self.tool_calls.is_empty() { Value::Null } else { json!(self.text) };
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("assistant"));
        message.insert("content".to_owned(), content);
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".to_owned(), json!(self.reasoning));
        }
        if let Some(opaque) = self.reasoning_opaque {
            message.insert("reasoning_opaque".to_owned(), json!(opaque));
        }
        if !self.tool_calls.is_empty() {
            let calls: Vec<Value> = self.tool_calls.into_iter().map(ToolCall::into_json).collect();
            message.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        message.extend(self.message_extra);
        let finish = finish_word(self.finish.unwrap_or(FinishReason::Other));
        let mut choice = Map::new();
        choice.insert("index".to_owned(), json!(index));
        choice.insert("message".to_owned(), Value::Object(message));
        choice.insert("finish_reason".to_owned(), json!(finish));
        choice.extend(self.extra);
        Value::Object(choice)
    }
}

impl ToolCall {
    fn into_json(self) -> Value {
        let function = json!({ "name": self.name, "arguments": self.arguments });
        let mut call = json!({ "id": self.id, "type": "function", "function": function });
        if let (Some(opaque), Some(members)) = (self.opaque, call.as_object_mut()) {
            members.insert("opaque".to_owned(), json!(opaque));
        }
        call
    }
}

/// Reads a plain 2xx reply that is already (nearly) a `chat.completion` or an embeddings list; `classify` reads a
/// failure that it holds.
///
/// # Errors
/// The failure that the reply holds, or `malformed` when it is neither.
pub fn parse_response(kind: &str, reply: &Reply, classify: Classify) -> Result<Answer, ProviderError> {
    let parsed: Value = serde_json::from_slice(&reply.body)
        .map_err(|e| ProviderError::malformed(format!("the reply is not JSON: {e}")))?;
    let main = if kind == "embeddings" { "data" } else { "choices" };
    if !parsed.get(main).is_some_and(Value::is_array) {
        if ["error", "message", "detail"].iter().any(|name| parsed.get(name).is_some_and(|v| !v.is_null())) {
            return Err(classify(&failure(reply, reply.body.clone())));
        }
        return Err(ProviderError::malformed(format!("the reply has no `{main}`")));
    }
    let broken = parsed.pointer("/choices/0/error").filter(|error| !error.is_null());
    if let Some(error) = broken {
        return Err(classify(&failure(
            reply,
            serde_json::json!({ "error": error }).to_string().into_bytes(),
        )));
    }
    let usage = parsed.get("usage").and_then(read_usage);
    let body = if kind == "chat" { normalise(parsed).to_string().into_bytes() } else { reply.body.clone() };
    Ok(Answer { body, usage })
}

fn failure(reply: &Reply, data: Vec<u8>) -> Failure {
    Failure { status: Some(reply.status), headers: reply.headers.clone(), data, in_stream: false }
}

/// Turns typed content blocks into plain text and `reasoning_content`, and calls with object arguments into text ones;
/// everything else stays.
pub fn normalise(mut completion: Value) -> Value {
    let choices = completion.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) else { continue };
        if let Some(Value::Array(blocks)) = message.get("content") {
            let (text, reasoning) = flatten(blocks);
            message.insert("content".to_owned(), json!(text));
            if !reasoning.is_empty() && !message.contains_key("reasoning_content") {
                message.insert("reasoning_content".to_owned(), json!(reasoning));
            }
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            if let Some(arguments) = call.pointer_mut("/function/arguments")
                && arguments.is_object()
            {
                *arguments = json!(arguments.to_string());
            }
        }
    }
    completion
}
