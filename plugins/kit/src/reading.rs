//! What a client reads in an answer, in a form that can be compared.

use std::collections::BTreeMap;

use seawall_plugin::adapter::{Event, StreamEvent};
use seawall_plugin::error::ProviderError;
use serde_json::Value;

/// A tool call with its parsed arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Parsed; the text itself where it is not JSON.
    pub args: Value,
}

/// What a client reads in an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Of the first choice.
    pub text: String,
    /// Of the first choice.
    pub reasoning: String,
    /// In order.
    pub tool_calls: Vec<Call>,
    /// The provider's own word.
    pub finish: Option<String>,
    /// Input and output tokens.
    pub usage: Option<(u64, u64)>,
    /// The failure that ended it.
    pub failed: Option<ProviderError>,
}

impl Reading {
    /// The reading that lies beside the recordings.
    pub fn from_expected(line: &Value) -> Self {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let calls = line.pointer("/tool_calls").and_then(Value::as_array).into_iter().flatten();
        let count = |pointer: &str| line.pointer(pointer).and_then(Value::as_u64);
        Self {
            text: text("/text").unwrap_or_default(),
            reasoning: text("/reasoning").unwrap_or_default(),
            tool_calls: calls
                .map(|call| Call {
                    name: call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    args: call.get("args").cloned().unwrap_or_default(),
                })
                .collect(),
            finish: text("/finish"),
            usage: count("/usage/in").map(|input| (input, count("/usage/out").unwrap_or(0))),
            failed: None,
        }
    }

    /// What a client reads in decoded events.
    pub fn from_events(events: &[StreamEvent]) -> Self {
        let mut reading = Self::default();
        let mut calls: BTreeMap<u32, (String, String)> = BTreeMap::new();
        for event in events.iter().filter(|event| event.choice == 0) {
            match &event.what {
                Event::Text(text) => reading.text.push_str(text),
                Event::Reasoning(reasoning) => reading.reasoning.push_str(&reasoning.text),
                Event::ToolCall(delta) => {
                    let (name, arguments) = calls.entry(delta.index).or_default();
                    name.push_str(delta.name.as_deref().unwrap_or_default());
                    arguments.push_str(&delta.arguments);
                }
                Event::Usage(usage) => reading.usage = Some((usage.input_tokens, usage.output_tokens)),
                Event::Finish(finish) => reading.finish.clone_from(&finish.native),
                Event::Failed(error) => reading.failed = Some(error.clone()),
                Event::Start(_) | Event::RawChoice(_) | Event::Done => {}
            }
        }
        reading.tool_calls =
            calls.into_values().map(|(name, arguments)| Call { name, args: parsed(&arguments) }).collect();
        reading
    }

    /// What a client reads in a `chat.completion` object.
    pub fn from_completion(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = body.pointer("/choices/0/message").cloned().unwrap_or_default();
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        let count = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64);
        let reasoning = if text("reasoning_content").is_empty() { "reasoning" } else { "reasoning_content" };
        Self {
            text: text("content"),
            reasoning: text(reasoning),
            tool_calls: calls
                .map(|call| Call {
                    name: call
                        .pointer("/function/name")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    args: call
                        .pointer("/function/arguments")
                        .and_then(Value::as_str)
                        .map(parsed)
                        .unwrap_or_default(),
                })
                .collect(),
            finish: body.pointer("/choices/0/finish_reason").and_then(Value::as_str).map(str::to_owned),
            usage: count("/usage/prompt_tokens")
                .map(|input| (input, count("/usage/completion_tokens").unwrap_or(0))),
            failed: None,
        }
    }
}

fn parsed(arguments: &str) -> Value {
    if arguments.is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()))
}
