//! What a client reads at the gateway's front, by code that shares nothing with adapters or protocol modules.

use std::collections::BTreeMap;

use serde_json::Value;

/// One answer as a client understands it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// HTTP status.
    pub status: u16,
    /// Text of the first choice.
    pub text: String,
    /// Reasoning of the first choice.
    pub reasoning: String,
    /// Tool calls: name and parsed arguments, in order.
    pub tool_calls: Vec<(String, Value)>,
    /// OpenAI's word, whatever the protocol.
    pub finish: Option<String>,
    /// Tokens in and out.
    pub usage: Option<(u64, u64)>,
    /// An error body or an error event.
    pub error: Option<Value>,
    /// A stream's own terminator came.
    pub terminated: bool,
}

/// Reads an OpenAI chat answer, plain or streamed.
pub fn chat(status: u16, stream: bool, body: &str) -> Reading {
    let mut reading = Reading { status, ..Reading::default() };
    if !stream || status >= 400 {
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        reading.error = body.get("error").filter(|error| !error.is_null()).cloned();
        let choice = &body["choices"][0];
        let message = &choice["message"];
        reading.text = string(&message["content"]);
        reading.reasoning = reasoning(message);
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            reading.tool_calls.push((string(&function["name"]), arguments(&string(&function["arguments"]))));
        }
        reading.finish = choice["finish_reason"].as_str().map(str::to_owned);
        reading.usage = chat_usage(&body["usage"]);
        return reading;
    }
    let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for (_, data) in events(body) {
        if data.trim() == "[DONE]" {
            reading.terminated = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(&data).expect("every chunk is JSON");
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            reading.error = Some(error.clone());
        }
        reading.usage = chat_usage(&chunk["usage"]).or(reading.usage);
        for choice in chunk["choices"].as_array().into_iter().flatten().filter(|choice| choice["index"] == 0)
        {
            let delta = &choice["delta"];
            reading.text.push_str(&string(&delta["content"]));
            reading.reasoning.push_str(&reasoning(delta));
            reading.finish = choice["finish_reason"].as_str().map(str::to_owned).or(reading.finish);
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let slot = calls.entry(call["index"].as_u64().unwrap_or_default()).or_default();
                slot.0.push_str(&string(&call["function"]["name"]));
                slot.1.push_str(&string(&call["function"]["arguments"]));
            }
        }
    }
    reading.tool_calls = calls.into_values().map(|(name, json)| (name, arguments(&json))).collect();
    reading
}

/// Reads an Anthropic messages answer, plain or streamed.
pub fn messages(status: u16, stream: bool, body: &str) -> Reading {
    let mut reading = Reading { status, ..Reading::default() };
    let mut blocks: BTreeMap<u64, (Value, String)> = BTreeMap::new();
    let mut usage = (0, 0);
    if !stream || status >= 400 {
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        reading.error = body.get("error").cloned();
        for (index, block) in (0..).zip(body["content"].as_array().into_iter().flatten()) {
            blocks.insert(index, (block.clone(), String::new()));
        }
        reading.finish = body["stop_reason"].as_str().map(finish_word);
        add_usage(&mut usage, &body["usage"]);
    } else {
        for (_, data) in events(body) {
            let event: Value = serde_json::from_str(&data).expect("every event is JSON");
            let index = event["index"].as_u64().unwrap_or_default();
            match event["type"].as_str().unwrap_or_default() {
                "message_start" => add_usage(&mut usage, &event["message"]["usage"]),
                "content_block_start" => {
                    blocks.insert(index, (event["content_block"].clone(), String::new()));
                }
                "content_block_delta" => {
                    let delta = &event["delta"];
                    let slot = blocks.entry(index).or_default();
                    for member in ["text", "thinking", "partial_json"] {
                        slot.1.push_str(&string(&delta[member]));
                    }
                }
                "message_delta" => {
                    reading.finish = event["delta"]["stop_reason"].as_str().map(finish_word);
                    add_usage(&mut usage, &event["usage"]);
                }
                "message_stop" => reading.terminated = true,
                "error" => reading.error = Some(event["error"].clone()),
                _ => {}
            }
        }
    }
    for (block, streamed) in blocks.into_values() {
        match block["type"].as_str().unwrap_or_default() {
            "text" => reading.text.push_str(&(string(&block["text"]) + &streamed)),
            "thinking" => reading.reasoning.push_str(&(string(&block["thinking"]) + &streamed)),
            "tool_use" => {
                let input = if streamed.is_empty() { block["input"].clone() } else { arguments(&streamed) };
                reading.tool_calls.push((string(&block["name"]), input));
            }
            _ => {}
        }
    }
    reading.usage = (usage != (0, 0)).then_some(usage);
    reading
}

/// Splits an SSE body into (event name, data).
pub fn events(body: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut name, mut data) = (String::new(), Vec::new());
    for line in body.lines().chain([""]) {
        if line.is_empty() {
            if !data.is_empty() {
                found.push((std::mem::take(&mut name), data.join("\n")));
                data.clear();
            }
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        } else if let Some(value) = line.strip_prefix("event:") {
            value.trim().clone_into(&mut name);
        }
    }
    found
}

/// A provider's word for the end, in OpenAI's words.
pub fn finish_word(native: &str) -> String {
    match native {
        "end_turn" | "stop_sequence" | "STOP" | "stop" | "pause_turn" => "stop",
        "max_tokens" | "MAX_TOKENS" | "length" | "model_length" | "model_context_window_exceeded" => "length",
        "tool_use" | "tool_calls" | "function_call" => "tool_calls",
        "refusal" | "content_filter" | "SAFETY" | "RECITATION" | "PROHIBITED_CONTENT" | "BLOCKLIST"
        | "SPII" => "content_filter",
        other => other,
    }
    .to_owned()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn reasoning(message: &Value) -> String {
    let first = string(&message["reasoning_content"]);
    if first.is_empty() { string(&message["reasoning"]) } else { first }
}

/// A call without arguments may say so with an empty text.
fn arguments(json: &str) -> Value {
    let json = if json.is_empty() { "{}" } else { json };
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}

fn chat_usage(usage: &Value) -> Option<(u64, u64)> {
    Some((usage["prompt_tokens"].as_u64()?, usage["completion_tokens"].as_u64().unwrap_or_default()))
}

/// Anthropic counts cached tokens apart; what the model read is the sum.
fn add_usage(total: &mut (u64, u64), usage: &Value) {
    let number = |member: &str| usage[member].as_u64();
    if let Some(fresh) = number("input_tokens") {
        let cached = number("cache_read_input_tokens").unwrap_or_default();
        total.0 = fresh + cached + number("cache_creation_input_tokens").unwrap_or_default();
    }
    total.1 = number("output_tokens").unwrap_or(total.1);
}
