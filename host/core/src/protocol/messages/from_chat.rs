//! A complete chat answer as a message.
//!
//! Reasoning becomes a thinking block; without a signature of its provider the block carries an empty one, by which the
//! gateway knows it when it comes back (see `unsigned`). What a refusal says is text. Choices but the first are left
//! out: the protocol has one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{WrittenUsage, finish_word, is_signature};
use crate::event::{FinishReason, Usage};
use crate::protocol::chat;
use crate::protocol::chat::wire::{Function, Message};
use crate::protocol::loose::Text;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    /// Servers that name the stop sequence do it here.
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: WrittenUsage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: String },
    Thinking { thinking: String, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: String, name: &'a str, input: Box<RawValue> },
}

/// Translates a `chat.completion`. `model` is written if the answer names none. An `Err` says what is wrong with the
/// answer.
pub fn chat_answer_to_messages(body: &[u8], model: &str) -> Result<Bytes, String> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let choice = answer.choices.first().ok_or("no choices in the answer")?;
    let word = choice.finish_reason.some();
    let is_cut = word.map(chat::finish_of) == Some(FinishReason::Length);
    let content = blocks_of(&choice.message, answer.id.or_empty(), is_cut)?;

    let has_tools = content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
    let stop_sequence = choice.stop_reason.some();
    let reason = match word.map_or(FinishReason::Stop, chat::finish_of) {
        FinishReason::Stop | FinishReason::Other if has_tools => FinishReason::ToolCalls,
        FinishReason::Stop if stop_sequence.is_some() => FinishReason::StopSequence,
        reason => reason,
    };
    let usage = answer.usage.and_then(chat::usage_of).unwrap_or_default();
    let written = Written {
        id: answer.id.some().unwrap_or("msg_unnamed"),
        kind: "message",
        role: "assistant",
        model: answer.model.some().unwrap_or(model),
        content,
        stop_reason: finish_word(reason),
        stop_sequence: stop_sequence.filter(|_| reason == FinishReason::StopSequence),
        usage: WrittenUsage::from(&Usage { native: None, ..usage }),
    };
    serde_json::to_vec(&written).map(Bytes::from).map_err(|error| error.to_string())
}

fn blocks_of<'a>(message: &'a Message<'a>, id: &str, is_cut: bool) -> Result<Vec<Block<'a>>, String> {
    let mut thinking = message.reasoning().unwrap_or_default().to_owned();
    let mut text = String::new();
    message.content.each(&mut |piece, is_reasoning| {
        if is_reasoning { thinking.push_str(piece) } else { text.push_str(piece) }
    });
    text.push_str(message.refusal.or_empty());

    let mut blocks = Vec::new();
    let signature = message.reasoning_opaque.some().filter(|state| is_signature(state));
    match (thinking.is_empty(), signature) {
        (false, signature) => {
            blocks.push(Block::Thinking { thinking, signature: signature.unwrap_or_default() });
        }
        (true, Some(data)) => blocks.push(Block::RedactedThinking { data }),
        (true, None) => {}
    }
    if !text.is_empty() {
        blocks.push(Block::Text { text });
    }
    let calls = message.tool_calls.0.iter().map(|call| (call.id.some(), call.function.as_ref()));
    let legacy = message.function_call.iter().map(|function| (None, Some(function)));
    for (number, (call_id, function)) in calls.chain(legacy).enumerate() {
        let Some(function) = function else { return Err("a tool call without a function".to_owned()) };
        match input_of(function) {
            Ok(input) => {
                let id = call_id.map_or_else(|| format!("toolu_{id}_{number}"), str::to_owned);
                blocks.push(Block::ToolUse { id, name: function.name.or_empty(), input });
            }
            // The token limit cut the call off; the stop reason says so, and half a call is worth nothing.
            Err(_) if is_cut => {}
            Err(why) => return Err(format!("the arguments of a tool call are no JSON object: {why}")),
        }
    }
    Ok(blocks)
}

fn input_of(function: &Function<'_>) -> Result<Box<RawValue>, String> {
    let arguments = function.arguments();
    let text = if arguments.trim().is_empty() { "{}" } else { arguments.trim() };
    let input: Box<RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if text.starts_with('{') { Ok(input) } else { Err("it is another value".to_owned()) }
}
