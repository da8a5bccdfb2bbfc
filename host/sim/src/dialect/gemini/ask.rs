//! Reads a generateContent request, in both spellings that the real API accepts.

use serde_json::{Value, json};

use crate::ask::{Ask, Reasoning, Said, Shape, Tool, ToolChoice, count, strings};
use crate::trouble::Trouble;

pub(in crate::dialect) fn read(model: &str, body: &Value) -> Result<Ask, Trouble> {
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
    let contents = contents.ok_or_else(|| {
        Trouble::bad("* GenerateContentRequest.contents: contents is not specified", "contents")
    })?;
    let mut conversation =
        vec![Said::System(text_of(either(body, "systemInstruction", "system_instruction")))];
    for content in contents {
        conversation.push(said(content)?);
    }
    let mut ask = Ask::new(model, conversation);
    let tools = body["tools"].as_array().into_iter().flatten();
    let functions =
        tools.filter_map(|tool| either(tool, "functionDeclarations", "function_declarations").as_array());
    ask.tools = functions.flatten().filter_map(tool).collect();
    let calling =
        either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
    let allowed = strings(either(calling, "allowedFunctionNames", "allowed_function_names"));
    ask.tool_choice = match (calling["mode"].as_str(), allowed.into_iter().next()) {
        (Some("NONE"), _) => ToolChoice::None,
        (Some("ANY"), Some(name)) => ToolChoice::Named(name),
        _ => ToolChoice::Auto,
    };
    let config = either(body, "generationConfig", "generation_config");
    let schema = [
        either(config, "responseSchema", "response_schema"),
        either(config, "responseJsonSchema", "response_json_schema"),
    ];
    ask.shape = match schema.into_iter().find(|schema| !schema.is_null()) {
        Some(schema) => Shape::Schema(schema.clone()),
        None if *either(config, "responseMimeType", "response_mime_type") == "application/json" => {
            Shape::Object
        }
        None => Shape::Text,
    };
    let thinking = either(config, "thinkingConfig", "thinking_config");
    ask.reasoning = match (thinking, either(thinking, "includeThoughts", "include_thoughts") == true) {
        (_, true) => Reasoning::Shown,
        (Value::Object(_), false) if *either(thinking, "thinkingBudget", "thinking_budget") != 0 => {
            Reasoning::Hidden
        }
        _ => Reasoning::Off,
    };
    ask.choices = match either(config, "candidateCount", "candidate_count") {
        Value::Null => 1,
        n => count(n).filter(|n| (1..=8).contains(n)).ok_or_else(|| {
            Trouble::bad(
                "candidateCount must be in the range from 1 (inclusive) to 9 (exclusive)",
                "candidateCount",
            )
        })?,
    };
    ask.stops = strings(either(config, "stopSequences", "stop_sequences"));
    ask.max_tokens = count(either(config, "maxOutputTokens", "max_output_tokens"));
    Ok(ask)
}

pub(in crate::dialect) fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    value.get(camel).or_else(|| value.get(snake)).unwrap_or(&Value::Null)
}

fn said(content: &Value) -> Result<Said, Trouble> {
    let parts = || content["parts"].as_array().into_iter().flatten();
    let results: Vec<String> = parts()
        .map(|part| either(part, "functionResponse", "function_response"))
        .filter(|result| !result.is_null())
        .map(|result| result["response"].to_string())
        .collect();
    let calls = parts().any(|part| !either(part, "functionCall", "function_call").is_null());
    Ok(match content["role"].as_str() {
        _ if !results.is_empty() => Said::ToolResult(results.join("\n")),
        None | Some("user") => Said::User(text_of(content)),
        Some("model") if calls => Said::Called,
        Some("model") => Said::Assistant(text_of(content)),
        Some(_) => return Err(Trouble::bad("Please use a valid role: user, model.", "contents")),
    })
}

/// The text of a content: its parts, thoughts left out.
pub(in crate::dialect) fn text_of(content: &Value) -> String {
    let parts = content["parts"].as_array().into_iter().flatten();
    let text = |part: &Value| part["text"].as_str().filter(|_| part["thought"] != true).map(str::to_owned);
    parts.filter_map(text).collect::<Vec<_>>().join("\n")
}

fn tool(function: &Value) -> Option<Tool> {
    let schema =
        [&function["parameters"], either(function, "parametersJsonSchema", "parameters_json_schema")];
    let schema = schema.into_iter().find(|schema| !schema.is_null()).cloned();
    let schema = schema.unwrap_or_else(|| json!({"type": "object"}));
    Some(Tool { name: function["name"].as_str()?.to_owned(), schema })
}
