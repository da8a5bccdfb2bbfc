//! Anthropic's messages and token counts.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    EmbedAsk, Event, Role, Target, Turn, Wire, at, headers_from, named_sse, no_such_path, plain_text,
};
use crate::answer::{Choice, Finish};
use crate::ask::{Ask, Framing, Reasoning, Said, Shape, Tool, ToolChoice, count, strings};
use crate::seed::letters;
use crate::trouble::{Code, Trouble};

#[derive(Debug)]
pub(super) struct Anthropic;

impl Wire for Anthropic {
    fn ask(&self, _target: Target<'_>, headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        if !headers.contains_key("anthropic-version") {
            return Err(Trouble::bad("anthropic-version: header is required", "anthropic-version"));
        }
        check_limit(body)?;
        read(body)
    }

    fn counted(&self, _target: Target<'_>, body: &Value) -> Result<Value, Trouble> {
        Ok(json!({"input_tokens": read(body)?.prompt_tokens}))
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        let first = turn.answer.choices.first();
        let mut message = message(turn, first.map(content).unwrap_or_default());
        if let (Some(choice), Some(message)) = (first, message.as_object_mut()) {
            message.insert("stop_reason".to_owned(), json!(stop_reason(choice)));
            message.insert("stop_sequence".to_owned(), stop_sequence(choice));
            message.insert("usage".to_owned(), usage(turn, turn.answer.usage.completion));
        }
        message
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let start = json!({"type": "message_start", "message": message(turn, Vec::new())});
        let mut events = vec![named_sse("message_start", &start, Role::Frame)];
        if let Some(choice) = turn.answer.choices.first() {
            blocks(choice, turn.salt, &mut events);
            let end = json!({
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason(choice), "stop_sequence": stop_sequence(choice)},
                "usage": {"input_tokens": turn.answer.usage.prompt, "cache_creation_input_tokens": 0,
                          "cache_read_input_tokens": 0, "output_tokens": turn.answer.usage.completion},
            });
            events.push(named_sse("message_delta", &end, Role::Finish));
        }
        events.push(named_sse("message_stop", &json!({"type": "message_stop"}), Role::Terminator));
        events
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        let (status, error) = error(trouble);
        (
            trouble.status.unwrap_or(status),
            json!({"type": "error", "error": error, "request_id": "req_011CSimulated"}),
        )
    }

    fn error_event(&self, trouble: &Trouble, _framing: Framing, _first: bool) -> Bytes {
        named_sse("error", &json!({"type": "error", "error": error(trouble).1}), Role::Frame).bytes
    }

    fn malformed(&self, _framing: Framing) -> Bytes {
        Bytes::from_static(b"event: content_block_delta\ndata: {\"type\": \"content_block_delta\", \n\n")
    }

    fn heartbeat(&self, _framing: Framing) -> &'static str {
        "event: ping\ndata: {\"type\": \"ping\"}\n\n"
    }

    fn headers(&self, salt: u64) -> HeaderMap {
        headers_from(&[
            ("request-id", &format!("req_011C{}", letters(salt, 20))),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
            ("anthropic-ratelimit-tokens-limit", "480000"),
            ("anthropic-ratelimit-tokens-remaining", "479000"),
            ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
        ])
    }

    fn embed_ask(&self, _target: Target<'_>, _batch: bool, _body: &Value) -> Result<EmbedAsk, Trouble> {
        Err(no_such_path())
    }

    fn embedded(&self, _ask: &EmbedAsk, _vectors: Vec<Vec<f32>>) -> Value {
        Value::Null
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        let describe = |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"});
        match one {
            Some(id) => describe(id),
            None => {
                json!({"data": names.iter().map(|id| describe(id)).collect::<Vec<_>>(), "has_more": false,
                           "first_id": names.first(), "last_id": names.last()})
            }
        }
    }
}

fn read(body: &Value) -> Result<Ask, Trouble> {
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
fn check_limit(body: &Value) -> Result<(), Trouble> {
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

/// The message as it stands at its start: no stop reason, one output token.
fn message(turn: Turn<'_>, content: Vec<Value>) -> Value {
    json!({
        "id": format!("msg_01{}", letters(turn.salt, 22)),
        "type": "message",
        "role": "assistant",
        "model": turn.ask.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(turn, 1),
    })
}

fn usage(turn: Turn<'_>, output: usize) -> Value {
    json!({"input_tokens": turn.answer.usage.prompt, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
           "output_tokens": output, "service_tier": "standard"})
}

fn content(choice: &Choice) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !choice.reasoning.is_empty() {
        blocks
            .push(json!({"type": "thinking", "thinking": choice.reasoning.concat(), "signature": SIGNATURE}));
    }
    if !choice.text.is_empty() {
        blocks.push(json!({"type": "text", "text": choice.text.concat()}));
    }
    let call = |call: &crate::answer::Call| json!({"type": "tool_use", "id": format!("toolu_01{}", call.id), "name": call.name, "input": call.arguments});
    blocks.extend(choice.calls.iter().map(call));
    blocks
}

const SIGNATURE: &str = "EqQBCkgIBhABGAIqQHNpbXVsYXRlZCBzaWduYXR1cmU=";

fn blocks(choice: &Choice, salt: u64, events: &mut Vec<Event>) {
    let mut writer = Blocks { index: 0, events };
    if !choice.reasoning.is_empty() {
        writer.open(json!({"type": "thinking", "thinking": "", "signature": ""}));
        for piece in &choice.reasoning {
            writer.delta(json!({"type": "thinking_delta", "thinking": piece}), Role::Content);
        }
        writer.delta(json!({"type": "signature_delta", "signature": SIGNATURE}), Role::Frame);
        writer.close();
    }
    if !choice.text.is_empty() {
        writer.open(json!({"type": "text", "text": ""}));
        if salt.is_multiple_of(2) {
            writer.ping();
        }
        for piece in &choice.text {
            writer.delta(json!({"type": "text_delta", "text": piece}), Role::Content);
        }
        writer.close();
    }
    for call in &choice.calls {
        writer.open(
            json!({"type": "tool_use", "id": format!("toolu_01{}", call.id), "name": call.name, "input": {}}),
        );
        writer.delta(json!({"type": "input_json_delta", "partial_json": ""}), Role::Frame);
        for piece in call.pieces() {
            writer.delta(json!({"type": "input_json_delta", "partial_json": piece}), Role::Content);
        }
        writer.close();
    }
}

/// Writes content blocks one after the other and keeps their index.
struct Blocks<'a> {
    index: usize,
    events: &'a mut Vec<Event>,
}

impl Blocks<'_> {
    fn open(&mut self, block: Value) {
        self.push(
            "content_block_start",
            json!({"type": "content_block_start", "index": self.index, "content_block": block}),
            Role::Frame,
        );
    }

    fn delta(&mut self, delta: Value, role: Role) {
        self.push(
            "content_block_delta",
            json!({"type": "content_block_delta", "index": self.index, "delta": delta}),
            role,
        );
    }

    fn ping(&mut self) {
        self.push("ping", json!({"type": "ping"}), Role::Frame);
    }

    fn close(&mut self) {
        self.push(
            "content_block_stop",
            json!({"type": "content_block_stop", "index": self.index}),
            Role::Frame,
        );
        self.index += 1;
    }

    fn push(&mut self, name: &str, value: Value, role: Role) {
        self.events.push(named_sse(name, &value, role));
    }
}

fn stop_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered => "refusal",
    }
}

fn stop_sequence(choice: &Choice) -> Value {
    match &choice.finish {
        Finish::StopSequence(stop) => json!(stop),
        _ => Value::Null,
    }
}

fn error(trouble: &Trouble) -> (u16, Value) {
    const INVALID: &str = "invalid_request_error";
    let (status, kind, usual) = match &trouble.code {
        Code::BadRequest | Code::ToolFailed => (400, INVALID, "The request is not valid."),
        Code::ContextLength => (400, INVALID, "prompt is too long: 205000 tokens > 200000 maximum"),
        Code::ContentPolicy => (400, INVALID, "Output blocked by content filtering policy"),
        Code::Unsupported => (400, INVALID, "This model does not support this parameter."),
        Code::Auth => (401, "authentication_error", "invalid x-api-key"),
        Code::Billing => (402, "billing_error", "Your credit balance is too low to access the API."),
        Code::Permission => {
            (403, "permission_error", "Your API key does not have permission to use the specified resource.")
        }
        Code::ModelNotFound => (404, "not_found_error", "model: not found"),
        Code::TooLarge => (413, "request_too_large", "Request exceeds the maximum size"),
        Code::RateLimit => {
            (429, "rate_limit_error", "This request would exceed your organization's rate limit.")
        }
        Code::Quota => (429, "rate_limit_error", "You have reached your specified API usage limits."),
        Code::Server | Code::BadGateway => {
            (trouble.code.usual_status(), "api_error", "Internal server error")
        }
        Code::Overloaded | Code::Capacity => (529, "overloaded_error", "Overloaded"),
        Code::Timeout => (504, "timeout_error", "The request timed out"),
        Code::Other(word) => {
            return (
                500,
                json!({"type": word, "message": trouble.message_or("The simulated provider is unhappy.")}),
            );
        }
    };
    let mut error = json!({"type": kind, "message": trouble.message_or(usual)});
    if let (Code::Quota, Some(error)) = (&trouble.code, error.as_object_mut()) {
        error.insert("details".to_owned(), json!({"error_code": "enforced_spend_limit_reached"}));
    }
    (status, error)
}
