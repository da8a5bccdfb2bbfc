//! Reads a messages request.

use serde_json::Value;

use crate::ask::{Ask, Framing, Reasoning, Said, Shape, Tool, ToolChoice, count, strings};
use crate::dialect::{at, plain_text};
use crate::trouble::Trouble;

pub(in crate::dialect) fn read(body: &Value) -> Result<Ask, Trouble> {
    let required = |field: &'static str| Trouble::bad(format!("{field}: Field required"), field);
    let model = body["model"].as_str().filter(|model| !model.is_empty()).ok_or_else(|| required("model"))?;
    let messages = body["messages"].as_array().ok_or_else(|| required("messages"))?;
    if messages.is_empty() {
        return Err(Trouble::bad("messages: at least one message is required", "messages"));
    }
    let mut conversation = vec![Said::System(plain_text(&body["system"]))];
    for message in messages {
        conversation.push(said(message)?);
    }
    let mut ask = Ask::new(model, conversation);
    if ask.prefix.as_ref().is_some_and(|prefix| prefix.ends_with(char::is_whitespace)) {
        return Err(Trouble::bad(
            "messages: final assistant content cannot end with trailing whitespace",
            "messages",
        ));
    }
    ask.stream = (body["stream"] == true).then_some(Framing::Sse);
    ask.tools = body["tools"].as_array().into_iter().flatten().filter_map(tool).collect();
    let choice = &body["tool_choice"];
    ask.tool_choice = match (choice["type"].as_str(), choice["name"].as_str()) {
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => ToolChoice::Auto,
    };
    ask.parallel = choice["disable_parallel_tool_use"] != true;
    let format = if body["output_format"].is_object() {
        &body["output_format"]
    } else {
        at(body, "/output_config/format")
    };
    if format["type"] == "json_schema" {
        ask.shape = Shape::Schema(format["schema"].clone());
    }
    if ["enabled", "adaptive"].iter().any(|kind| at(body, "/thinking/type") == *kind) {
        ask.reasoning = Reasoning::Shown;
    }
    ask.stops = strings(&body["stop_sequences"]);
    ask.max_tokens = count(&body["max_tokens"]);
    Ok(ask)
}

/// `max_tokens` is required for messages, not for counting tokens.
pub(in crate::dialect) fn check_limit(body: &Value) -> Result<(), Trouble> {
    match count(&body["max_tokens"]) {
        Some(1..) => Ok(()),
        Some(0) => Err(Trouble::bad("max_tokens: must be greater than or equal to 1", "max_tokens")),
        None => Err(Trouble::bad("max_tokens: Field required", "max_tokens")),
    }
}

fn said(message: &Value) -> Result<Said, Trouble> {
    let content = &message["content"];
    let of_type = |kind: &str| {
        content
            .as_array()
            .into_iter()
            .flatten()
            .filter(move |block| block["type"] == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    let results = of_type("tool_result");
    Ok(match message["role"].as_str() {
        Some("user") if !results.is_empty() => {
            let texts: Vec<String> = results.iter().map(|result| plain_text(&result["content"])).collect();
            Said::ToolResult(texts.join("\n"))
        }
        Some("user") => Said::User(plain_text(content)),
        Some("assistant") if !of_type("tool_use").is_empty() => Said::Called,
        Some("assistant") => Said::Assistant(match content {
            Value::Array(_) => plain_text(&Value::Array(of_type("text"))),
            other => plain_text(other),
        }),
        _ => {
            return Err(Trouble::bad(
                "messages: Unexpected role. Allowed roles are \"user\" or \"assistant\".",
                "messages",
            ));
        }
    })
}

/// A tool of the caller's own; server-side tools have no schema and are not played.
fn tool(tool: &Value) -> Option<Tool> {
    let schema = tool.get("input_schema")?.clone();
    Some(Tool { name: tool["name"].as_str()?.to_owned(), schema })
}
