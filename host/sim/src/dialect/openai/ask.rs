//! Reads a chat completions request.

use serde_json::Value;

use crate::ask::{Ask, Framing, Reasoning, Said, Shape, Tool, ToolChoice, count, strings};
use crate::dialect::{at, model_of, plain_text};
use crate::trouble::Trouble;

pub(in crate::dialect) fn read(body: &Value) -> Result<Ask, Trouble> {
    let model = model_of(body)?;
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages =
        messages.ok_or_else(|| Trouble::bad("'messages' must be a non-empty array", "messages"))?;
    let conversation = messages.iter().map(said).collect::<Result<_, _>>()?;
    let mut ask = Ask::new(model, conversation);
    ask.stream = (body["stream"] == true).then_some(Framing::Sse);
    ask.include_usage = at(body, "/stream_options/include_usage") == true;
    ask.tools = body["tools"].as_array().into_iter().flatten().filter_map(tool).collect();
    ask.tool_choice = match &body["tool_choice"] {
        Value::String(word) if word == "none" => ToolChoice::None,
        choice => at(choice, "/function/name")
            .as_str()
            .map_or(ToolChoice::Auto, |name| ToolChoice::Named(name.to_owned())),
    };
    ask.parallel = body["parallel_tool_calls"] != false;
    ask.shape = match at(body, "/response_format/type").as_str() {
        Some("json_object") => Shape::Object,
        Some("json_schema") => Shape::Schema(at(body, "/response_format/json_schema/schema").clone()),
        _ => Shape::Text,
    };
    if body["reasoning_effort"].as_str().is_some_and(|effort| !["none", "minimal"].contains(&effort)) {
        ask.reasoning = Reasoning::Hidden;
    }
    ask.choices = match &body["n"] {
        Value::Null => 1,
        n => count(n)
            .filter(|n| (1..=Ask::MOST_CHOICES).contains(n))
            .ok_or_else(|| Trouble::bad("Invalid 'n'.", "n"))?,
    };
    ask.stops = strings(&body["stop"]);
    ask.max_tokens = count(&body["max_completion_tokens"]).or_else(|| count(&body["max_tokens"]));
    Ok(ask)
}

fn said(message: &Value) -> Result<Said, Trouble> {
    let text = plain_text(&message["content"]);
    Ok(match message["role"].as_str() {
        Some("system" | "developer") => Said::System(text),
        Some("user") => Said::User(text),
        Some("assistant") if message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty()) => {
            Said::Called
        }
        Some("assistant") => Said::Assistant(text),
        Some("tool" | "function") => Said::ToolResult(text),
        _ => return Err(Trouble::bad("Invalid value for 'messages[].role'.", "messages")),
    })
}

fn tool(tool: &Value) -> Option<Tool> {
    let function = &tool["function"];
    Some(Tool { name: function["name"].as_str()?.to_owned(), schema: function["parameters"].clone() })
}
