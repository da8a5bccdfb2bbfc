//! Plain answers of servers that bend the format.

use serde_json::{Value, json};

use crate::adapter::{Answer, Failure, Reply};
use crate::chat::Classify;
use crate::error::ProviderError;

/// Reads a plain 2xx reply that is already (nearly) a `chat.completion` or an embeddings list; `classify` reads a
/// failure that it holds.
///
/// # Errors
/// The failure that the reply holds, or `malformed` when it is neither.
pub fn parse_response(kind: &str, reply: &Reply, classify: Classify) -> Result<Answer, ProviderError> {
    let mut parsed: Value = serde_json::from_slice(&reply.body)
        .map_err(|e| ProviderError::malformed(format!("the reply is not JSON: {e}")))?;
    let main = if kind == "embeddings" { "data" } else { "choices" };
    if !parsed.get(main).is_some_and(Value::is_array) {
        if ["error", "message", "detail"].iter().any(|name| parsed.get(name).is_some_and(|v| !v.is_null())) {
            return Err(classify(&failure(reply, reply.body.clone())));
        }
        return Err(ProviderError::malformed(format!("the reply has no `{main}`")));
    }
    if let Some(error) = parsed.pointer("/choices/0/error").filter(|error| !error.is_null()) {
        let data = json!({ "error": error }).to_string().into_bytes();
        return Err(classify(&failure(reply, data)));
    }
    let changed = kind == "chat" && normalise(&mut parsed);
    let body = if changed { parsed.to_string().into_bytes() } else { reply.body.clone() };
    Ok(Answer::Body(body))
}

fn failure(reply: &Reply, data: Vec<u8>) -> Failure {
    Failure { status: Some(reply.status), headers: reply.headers.clone(), data, in_stream: false }
}

/// Turns typed content blocks into plain text and `reasoning_content`, and calls with object arguments into text ones;
/// everything else stays. Says whether anything was changed, so that a faithful answer can keep its own bytes.
pub fn normalise(completion: &mut Value) -> bool {
    let mut changed = false;
    let choices = completion.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) else { continue };
        if let Some(Value::Array(blocks)) = message.get("content") {
            let (text, reasoning) = flatten(blocks);
            message.insert("content".to_owned(), json!(text));
            if !reasoning.is_empty() && !message.contains_key("reasoning_content") {
                message.insert("reasoning_content".to_owned(), json!(reasoning));
            }
            changed = true;
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            if let Some(arguments) = call.pointer_mut("/function/arguments")
                && arguments.is_object()
            {
                *arguments = json!(arguments.to_string());
                changed = true;
            }
        }
    }
    changed
}

/// Splits typed content blocks into text and thinking.
pub fn flatten(blocks: &[Value]) -> (String, String) {
    let (mut text, mut thinking) = (String::new(), String::new());
    for block in blocks {
        match block {
            Value::String(piece) => text.push_str(piece),
            Value::Object(members) => match members.get("thinking") {
                Some(Value::Array(inner)) => thinking.push_str(&flatten(inner).0),
                Some(Value::String(inner)) => thinking.push_str(inner),
                _ => text.push_str(members.get("text").and_then(Value::as_str).unwrap_or_default()),
            },
            _ => {}
        }
    }
    (text, thinking)
}
