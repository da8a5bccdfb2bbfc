use serde_json::{Value, json};

use super::{json as parse, request};
use crate::protocol::messages_to_chat;
use crate::request::Protocol::{Chat, Messages};

/// The translation of a request with these members beside model and messages, and what it lost.
fn translate(request_json: &Value) -> (Value, Vec<&'static str>) {
    let (_, body) = request(Messages, &request_json.to_string()).unwrap();
    let translated = messages_to_chat(&body).unwrap();
    assert_eq!(translated.body.protocol(), Chat);
    (parse(translated.body.bytes()), translated.lost)
}

fn with(extra: Value) -> Value {
    let mut whole = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    whole.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    whole
}

fn members(extra: Value, expect: Value, lost: &[&str]) {
    let (out, out_lost) = translate(&with(extra.clone()));
    assert_eq!(out, with(expect), "{extra}");
    assert_eq!(out_lost, lost, "{extra}");
}

fn turns(messages: Value, expect: Value, lost: &[&str]) {
    let (out, out_lost) = translate(&json!({"model": "m", "messages": messages}));
    assert_eq!(out["messages"], expect, "{messages}");
    assert_eq!(out_lost, lost, "{messages}");
}

#[test]
fn parameters() {
    members(json!({}), json!({}), &[]);
    members(
        json!({"max_tokens": 10, "temperature": 0.50, "top_p": 1, "stop_sequences": ["a"], "metadata": {"user_id": "u"}}),
        json!({"max_tokens": 10, "temperature": 0.50, "top_p": 1, "stop": ["a"], "user": "u"}),
        &[],
    );
    members(json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": true}}), &[]);
    members(json!({"stream": false, "stop_sequences": [], "system": null}), json!({}), &[]);
    members(
        json!({"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 1024}, "service_tier": "auto", "x": 1}),
        json!({}),
        &["top_k", "thinking", "service_tier", "other"],
    );
}

#[test]
fn tools() {
    let schema = json!({"type": "object", "properties": {}});
    let tool = json!({"name": "f", "description": "d", "input_schema": schema});
    let function =
        json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}});
    let check = |choice: Value, expect: Value| {
        let mut whole = json!({ "tools": [function] });
        whole.as_object_mut().unwrap().extend(expect.as_object().unwrap().clone());
        members(json!({"tools": [tool], "tool_choice": choice}), whole, &[]);
    };
    check(Value::Null, json!({}));
    check(json!({"type": "auto"}), json!({"tool_choice": "auto"}));
    check(json!({"type": "any"}), json!({"tool_choice": "required"}));
    check(json!({"type": "none"}), json!({"tool_choice": "none"}));
    check(
        json!({"type": "tool", "name": "f"}),
        json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
    );
    check(
        json!({"type": "auto", "disable_parallel_tool_use": true}),
        json!({"tool_choice": "auto", "parallel_tool_calls": false}),
    );
    members(json!({"tool_choice": {"type": "auto"}}), json!({}), &[]);
    members(
        json!({"tools": [{"type": "web_search_20250305", "name": "web_search"},
            {"type": "custom", "name": "g", "cache_control": {"type": "ephemeral"}}]}),
        json!({"tools": [{"type": "function", "function": {"name": "g"}}]}),
        &["server_tools", "cache_control"],
    );
}

#[test]
fn output_schemas() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let expect = json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "output", "schema": {"type": "object"}}}});
    members(json!({ "output_format": format }), expect.clone(), &[]);
    members(json!({"output_config": {"format": format}}), expect, &[]);
}

#[test]
fn system_prompts() {
    let check = |system: Value, expect: Value, lost: &[&str]| {
        let (out, out_lost) = translate(&with(json!({ "system": system })));
        assert_eq!((&out["messages"][0], out_lost.as_slice()), (&expect, lost));
    };
    check(json!("be kind"), json!({"role": "system", "content": "be kind"}), &[]);
    check(
        json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}]),
        json!({"role": "system", "content": "a\n\nb"}),
        &["cache_control"],
    );
    check(json!(""), json!({"role": "user", "content": "hi"}), &[]);
}

#[test]
fn user_turns() {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let check = |content, expect, lost: &[&str]| turns(user(content), user(expect), lost);
    check(json!("a\n\"b\""), json!("a\n\"b\""), &[]);
    check(json!([{"type": "text", "text": "a"}]), json!("a"), &[]);
    check(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), json!("a\n\nb"), &[]);
    check(
        json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, {"type": "text", "text": "look"}]),
        json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}}, {"type": "text", "text": "look"}]),
        &[],
    );
    check(
        json!([{"type": "document", "source": {"type": "base64", "data": "QUJD"}},
            {"type": "document", "source": {"type": "text", "data": "notes"}, "citations": {"enabled": true}},
            {"type": "image", "source": {"type": "file", "file_id": "f"}}, {"type": "search_result"},
            {"type": "text", "text": "q"}]),
        json!("notes\n\nq"),
        &["documents", "citations", "files", "search_results"],
    );
}

#[test]
fn assistant_turns() {
    let user = || json!({"role": "user", "content": "q"});
    let check = |content: Value, expect: Value, lost: &[&str]| {
        turns(json!([user(), {"role": "assistant", "content": content}]), json!([user(), expect]), lost);
    };
    check(json!("a"), json!({"role": "assistant", "content": "a"}), &[]);
    check(
        json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "a"}, {"type": "tool_use", "id": "1", "name": "f", "input": {"x": [1, "y"]}},
            {"type": "tool_use", "id": "2", "name": "g", "input": {}}]),
        json!({"role": "assistant", "content": "a", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":[1,\"y\"]}"}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}),
        &["thinking"],
    );
    check(
        json!([{"type": "tool_use", "id": "1", "name": "f", "input": {}}]),
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
        &[],
    );
}

#[test]
fn tool_results() {
    let result = |content: Value| json!({"type": "tool_result", "tool_use_id": "1", "content": content});
    let tool = |content: &str| json!({"role": "tool", "content": content, "tool_call_id": "1"});
    let check = |blocks: Value, expect: Value, lost: &[&str]| {
        turns(json!([{"role": "user", "content": blocks}]), expect, lost);
    };
    check(json!([result(json!("ok"))]), json!([tool("ok")]), &[]);
    check(json!([{"type": "tool_result", "tool_use_id": "1"}]), json!([tool("")]), &[]);
    let mut failed = result(json!([{"type": "text", "text": "no"}]));
    failed["is_error"] = json!(true);
    check(json!([failed]), json!([tool("Error: no")]), &[]);
    let picture = json!({"type": "image", "source": {"type": "url", "url": "u"}});
    check(
        json!([{"type": "text", "text": "and?"}, result(json!([{"type": "text", "text": "see"}, picture]))]),
        json!([tool("see"), {"role": "user", "content": [
            {"type": "text", "text": "and?"}, {"type": "image_url", "image_url": {"url": "u"}}]}]),
        &[],
    );
}

#[test]
fn numbers_and_inputs_keep_their_own_writing() {
    let json = r#"{"model":"m","temperature":1.0,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{ "n": 1.10, "big": 12345678901234567890123 }}]}]}"#;
    let (_, body) = request(Messages, json).unwrap();
    let out = messages_to_chat(&body).unwrap().body;
    assert_eq!(out.member("temperature"), Some("1.0"));
    let arguments = parse(out.bytes())["messages"][0]["tool_calls"][0]["function"]["arguments"].clone();
    assert_eq!(arguments, json!("{ \"n\": 1.10, \"big\": 12345678901234567890123 }"));
}

#[test]
fn bad_requests_name_the_place() {
    let check = |json: Value, param: &str| {
        let (_, body) = request(Messages, &json.to_string()).unwrap();
        let error = messages_to_chat(&body).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{json}: {}", error.message);
        assert!(!error.message.contains("line 1"), "{}", error.message);
    };
    let with_message =
        |message: Value| json!({"model": "m", "messages": [{"role": "user", "content": "a"}, message]});
    check(with_message(json!(5)), "messages.1");
    check(with_message(json!({"role": "user"})), "messages.1.content");
    check(with_message(json!({"role": "user", "content": 5})), "messages.1.content");
    check(with_message(json!({"role": "robot", "content": "x"})), "messages.1.role");
    check(
        with_message(json!({"role": "user", "content": [{"type": "text", "text": "a"}, 7]})),
        "messages.1.content.1",
    );
    check(with_message(json!({"role": "user", "content": [{}]})), "messages.1.content.0.type");
    check(
        with_message(json!({"role": "user", "content": [{"type": "tool_result"}]})),
        "messages.1.content.0.tool_use_id",
    );
    check(
        with_message(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "1"}]})),
        "messages.1.content.0.name",
    );
    check(with(json!({"tool_choice": {"type": "maybe"}})), "tool_choice.type");
    check(with(json!({"tool_choice": {"type": "tool"}})), "tool_choice.name");
    check(with(json!({"tools": [{"description": "x"}]})), "tools.0.name");
    check(with(json!({"stop_sequences": "x"})), "stop_sequences");
    check(with(json!({"system": 5})), "system");
}
