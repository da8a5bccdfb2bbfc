use seawall_plugin::prelude::*;
use seawall_translate::Json;

use super::target;
use crate::request::translate;

const OLD: &str = "claude-3-5-sonnet-20241022";
const MID: &str = "claude-sonnet-4-5";
const NEW: &str = "claude-sonnet-5";

fn translated(model: &str, body: &Value) -> Value {
    let (body, target) = (body.to_string(), target(model));
    let chat = Json::parse(body.as_bytes()).expect("JSON");
    let request = translate(&chat, &target).expect("a request");
    serde_json::from_slice(&request.to_bytes()).expect("JSON")
}

fn refused(model: &str, body: &Value) -> ProviderError {
    let (body, target) = (body.to_string(), target(model));
    let chat = Json::parse(body.as_bytes()).expect("JSON");
    translate(&chat, &target).expect_err("a refusal")
}

/// A user's question with further members.
fn asking(more: Value) -> Value {
    let mut body = json!({ "model": "alias", "messages": [{ "role": "user", "content": "Hi" }] });
    body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    body
}

fn check_messages(messages: Value, system: Value, turns: Value) {
    let request = translated(MID, &json!({ "messages": messages }));
    assert_eq!(request.get("system").cloned().unwrap_or_default(), system);
    assert_eq!(request["messages"], turns);
}

/// The members that `more` brings into the request.
fn check(model: &str, more: Value, expect: Value) {
    let plain = translated(model, &asking(json!({})));
    let mut request = translated(model, &asking(more.clone()));
    let request = request.as_object_mut().expect("object");
    request.retain(|name, value| plain.get(name) != Some(value));
    assert_eq!(Value::Object(request.clone()), expect, "{model}: {more}");
}

#[test]
fn the_smallest_request() {
    assert_eq!(
        translated(MID, &asking(json!({}))),
        json!({
            "model": MID,
            "max_tokens": 64000,
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hi" }] }],
        })
    );
}

#[test]
fn instructions_stand_apart_and_roles_alternate() {
    check_messages(
        json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "One" },
            { "role": "user", "content": [{ "type": "text", "text": "Two", "cache_control": { "type": "ephemeral" } }] },
            { "role": "assistant", "content": "Yes" },
            { "role": "developer", "content": "Be kind." },
            { "role": "user", "content": "Three" },
        ]),
        json!([{ "type": "text", "text": "Be brief." }, { "type": "text", "text": "Be kind." }]),
        json!([
            { "role": "user", "content": [
                { "type": "text", "text": "One" },
                { "type": "text", "text": "Two", "cache_control": { "type": "ephemeral" } },
            ] },
            { "role": "assistant", "content": [{ "type": "text", "text": "Yes" }] },
            { "role": "user", "content": [{ "type": "text", "text": "Three" }] },
        ]),
    );
}

#[test]
fn a_conversation_begins_with_a_user() {
    let words = |text: &str| json!([{ "type": "text", "text": text }]);
    check_messages(
        json!([{ "role": "system", "content": "Say hello." }]),
        Value::Null,
        json!([{ "role": "user", "content": words("Say hello.") }]),
    );
    check_messages(
        json!([{ "role": "assistant", "content": "Hello" }, { "role": "user", "content": "Hi" }]),
        Value::Null,
        json!([
            { "role": "user", "content": words("(start)") },
            { "role": "assistant", "content": words("Hello") },
            { "role": "user", "content": words("Hi") },
        ]),
    );
}

#[test]
fn empty_words_are_left_out() {
    check_messages(
        json!([
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": "" },
            { "role": "user", "content": [{ "type": "text", "text": "  \n" }, { "type": "text", "text": "there" }] },
        ]),
        Value::Null,
        json!([{ "role": "user", "content": [
            { "type": "text", "text": "Hi" }, { "type": "text", "text": "there" },
        ] }]),
    );
}

#[test]
fn calls_and_their_results() {
    let call = |id: &str, arguments: Value| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": arguments } });
    let uses = |id: &str, input: Value| json!({ "type": "tool_use", "id": id, "name": "f", "input": input });
    check_messages(
        json!([
            { "role": "user", "content": "Do" },
            { "role": "assistant", "content": null, "tool_calls": [
                call("toolu_1", json!("{\"z\":1,\"a\":[true]}")),
                call("functions.f:1", json!("")),
                call("c", json!("not json")),
                call("d", json!("[1]")),
            ] },
            { "role": "tool", "tool_call_id": "toolu_1", "content": "one" },
            { "role": "user", "content": "and" },
            { "role": "tool", "tool_call_id": "functions.f:1", "content": [{ "type": "text", "text": "two" }] },
            { "role": "tool", "tool_call_id": "c", "content": "" },
        ]),
        Value::Null,
        json!([
            { "role": "user", "content": [{ "type": "text", "text": "Do" }] },
            { "role": "assistant", "content": [
                uses("toolu_1", json!({ "z": 1, "a": [true] })),
                uses("functions_f_1", json!({})),
                uses("c", json!({ "invalid_json": "not json" })),
                uses("d", json!({ "value": [1] })),
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": [{ "type": "text", "text": "one" }] },
                { "type": "tool_result", "tool_use_id": "functions_f_1", "content": [{ "type": "text", "text": "two" }] },
                { "type": "tool_result", "tool_use_id": "c" },
                { "type": "text", "text": "and" },
            ] },
        ]),
    );
}

#[test]
fn arguments_keep_the_order_of_their_members() {
    let chat = br#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"i","type":"function",
        "function":{"name":"f","arguments":"{\"z\":1,\"a\":{\"y\":2,\"b\":3}}"}}]},{"role":"tool","tool_call_id":"i","content":"r"}]}"#;
    let request = translate(&Json::parse(chat).expect("JSON"), &target(MID)).expect("a request").to_string();
    assert!(request.contains(r#""input":{"z":1,"a":{"y":2,"b":3}}"#), "{request}");
}

#[test]
fn tools_of_the_past_stay_defined() {
    let request = translated(
        MID,
        &json!({ "messages": [
            { "role": "user", "content": "x" },
            { "role": "assistant", "tool_calls": [{ "id": "i", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "i", "content": "r" },
        ] }),
    );
    assert_eq!(request["tools"], json!([{ "name": "f", "input_schema": { "type": "object" } }]));
    assert_eq!(request["tool_choice"], json!({ "type": "none" }));
}

#[test]
fn media() {
    let media = |part: Value| json!([{ "role": "user", "content": [part] }]);
    let check = |part: Value, block: Value| {
        check_messages(media(part), Value::Null, json!([{ "role": "user", "content": [block] }]));
    };
    check(
        json!({ "type": "image_url", "image_url": { "url": "data:image/jpg;base64,@blob:5f:0@" } }),
        json!({ "type": "image", "source": { "type": "base64", "media_type": "image/jpeg", "data": "@blob:5f:0@" } }),
    );
    check(
        json!({ "type": "image_url", "image_url": { "url": "https://example.org/a.png", "detail": "high" } }),
        json!({ "type": "image", "source": { "type": "url", "url": "https://example.org/a.png" } }),
    );
    check(
        json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE" } }),
        json!({ "type": "document", "title": "a.pdf",
            "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBE" } }),
    );
    for part in [
        json!({ "type": "image_url", "image_url": { "url": "data:image/tiff;base64,AAAA" } }),
        json!({ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } }),
        json!({ "type": "file", "file": { "file_id": "file-1" } }),
        json!({ "type": "hologram" }),
    ] {
        let error = refused(MID, &json!({ "messages": media(part.clone()) }));
        assert_eq!(error.class, ErrorClass::UnsupportedParameter, "{part}");
    }
}

#[test]
fn reasoning_comes_back_signed_and_strangers_signatures_do_not() {
    let check = |message: Value, thoughts: Value| {
        let mut message = message;
        message["role"] = json!("assistant");
        message["content"] = json!("y");
        let mut blocks = thoughts.as_array().expect("blocks").clone();
        blocks.push(json!({ "type": "text", "text": "y" }));
        let request = translated(
            MID,
            &json!({ "messages": [
            { "role": "user", "content": "x" }, message, { "role": "user", "content": "z" },
        ] }),
        );
        assert_eq!(request["messages"][1]["content"], Value::Array(blocks));
    };
    let signed =
        |text: &str, signature: &str| json!({ "type": "thinking", "thinking": text, "signature": signature });
    let redacted = json!({ "type": "redacted_thinking", "data": "Zz" });
    check(
        json!({ "reasoning_content": "hmähso", "reasoning_opaque": "anthropic:4:Ep==;anthropic:r:Zz;anthropic:3:S;" }),
        json!([signed("hmä", "Ep=="), redacted, signed("hso", "S")]),
    );
    check(
        json!({ "reasoning_content": "", "reasoning_opaque": "anthropic:0:Ep==;" }),
        json!([signed("", "Ep==")]),
    );
    for state in
        ["anthropic:3:S;", "anthropic:2:S;", "anthropic:9:S;", "anthropic:x:S;", "gemini:S;", "S", ""]
    {
        check(json!({ "reasoning_content": "hmäh", "reasoning_opaque": state }), json!([]));
    }
    check(
        json!({ "thinking_blocks": [
            signed("hm", "Ep=="), redacted, signed("other", "gemini:AB;"), { "type": "thinking", "thinking": "unsigned" },
        ] }),
        json!([signed("hm", "Ep=="), redacted]),
    );
}

#[test]
fn a_beginning_is_continued_only_by_models_that_do() {
    let body = json!({ "messages": [
        { "role": "user", "content": "Count" }, { "role": "assistant", "content": "1 2 " },
    ] });
    let request = translated(MID, &body);
    assert_eq!(
        request["messages"][1],
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "1 2" }] })
    );
    let error = refused("claude-opus-4-6", &body);
    assert_eq!((error.class, error.param.as_deref()), (ErrorClass::UnsupportedParameter, Some("messages")));
}

#[test]
fn sampling() {
    check(OLD, json!({ "temperature": 1.7, "top_p": 0.5 }), json!({ "temperature": 1.0, "top_p": 0.5 }));
    check(MID, json!({ "temperature": 0, "top_p": 0.5 }), json!({ "temperature": 0.0 }));
    check(MID, json!({ "top_p": 0.5 }), json!({ "top_p": 0.5 }));
    check(NEW, json!({ "temperature": 0.2, "top_p": 0.5 }), json!({}));
    check(
        MID,
        json!({ "presence_penalty": 1, "seed": 4, "logit_bias": {}, "n": 1, "logprobs": false }),
        json!({}),
    );
}

#[test]
fn caps_stops_and_users() {
    check(MID, json!({ "max_tokens": 5 }), json!({ "max_tokens": 5 }));
    check(MID, json!({ "max_completion_tokens": 1_000_000 }), json!({}));
    check(OLD, json!({ "max_tokens": 100_000 }), json!({}));
    check("someone-elses", json!({ "max_tokens": 100_000 }), json!({ "max_tokens": 100_000 }));
    check(MID, json!({ "stop": "END" }), json!({ "stop_sequences": ["END"] }));
    check(MID, json!({ "stop": ["a", "b"] }), json!({ "stop_sequences": ["a", "b"] }));
    check(MID, json!({ "user": "u-17" }), json!({ "metadata": { "user_id": "u-17" } }));
    check(MID, json!({ "user": "a@example.org" }), json!({}));
    check(MID, json!({ "user": "+1 555 0100" }), json!({}));
}

#[test]
fn effort() {
    let budget = |tokens: u32| json!({ "thinking": { "type": "enabled", "budget_tokens": tokens } });
    check(MID, json!({ "reasoning_effort": "high" }), budget(16_384));
    check(MID, json!({ "reasoning": { "effort": "low" } }), budget(2_048));
    check(MID, json!({ "reasoning_effort": "none" }), json!({}));
    check(OLD, json!({ "reasoning_effort": "high" }), json!({}));
    check(MID, json!({ "reasoning_effort": "high", "max_tokens": 4000 }), {
        json!({ "max_tokens": 4000, "thinking": { "type": "enabled", "budget_tokens": 2000 } })
    });
    check(MID, json!({ "reasoning_effort": "high", "max_tokens": 500 }), json!({ "max_tokens": 500 }));
    check(MID, json!({ "reasoning_effort": "low", "temperature": 0.2 }), budget(2_048));
    let silent = json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "max" } });
    check("claude-opus-4-6", json!({ "reasoning_effort": "xhigh" }), silent);
    let adaptive = |effort: &str| {
        let thinking = json!({ "type": "adaptive", "display": "summarized" });
        json!({ "thinking": thinking, "output_config": { "effort": effort } })
    };
    check("claude-opus-4-8", json!({ "reasoning_effort": "xhigh" }), adaptive("xhigh"));
    check(
        "claude-opus-5",
        json!({ "reasoning_effort": "none" }),
        json!({ "thinking": { "type": "disabled" } }),
    );
    check("claude-opus-5-5", json!({ "reasoning_effort": "none" }), adaptive("low"));
    check("claude-fable-5-1", json!({ "reasoning_effort": "medium" }), adaptive("medium"));
    check(MID, json!({ "thinking": { "type": "enabled", "budget_tokens": 3000 } }), budget(3_000));
    check(MID, json!({ "thinking": { "type": "enabled" } }), json!({}));
    assert_eq!(refused(MID, &asking(json!({ "reasoning_effort": "huge" }))).class, ErrorClass::BadRequest);
}

#[test]
fn a_budget_is_left_out_where_the_api_would_refuse_it() {
    let conversation = |thoughts: Value| {
        json!({ "reasoning_effort": "low", "messages": [
            { "role": "user", "content": "x" },
            { "role": "assistant", "thinking_blocks": thoughts, "tool_calls": [
                { "id": "i", "type": "function", "function": { "name": "f", "arguments": "{}" } } ] },
            { "role": "tool", "tool_call_id": "i", "content": "r" },
        ] })
    };
    let unsigned = translated(MID, &conversation(json!([])));
    assert_eq!(unsigned.get("thinking"), None);
    let signed =
        translated(MID, &conversation(json!([{ "type": "thinking", "thinking": "t", "signature": "S" }])));
    assert_eq!(signed["thinking"]["type"], "enabled");
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    let forced = translated(
        MID,
        &asking(json!({ "reasoning_effort": "low", "tools": tools, "tool_choice": "required" })),
    );
    assert_eq!(forced.get("thinking"), None);
}

#[test]
fn tools_and_their_choice() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer", "minimum": 1 } }, "required": ["a"] });
    let tools = json!([
        { "type": "function", "function": { "name": "f", "description": "d", "parameters": schema, "strict": true } },
        { "type": "function", "function": { "name": "g" } },
        { "type": "web_search_20250305", "name": "web_search", "max_uses": 2 },
    ]);
    let request = translated(MID, &asking(json!({ "tools": tools })));
    assert_eq!(
        request["tools"],
        json!([
            { "name": "f", "description": "d", "strict": true, "input_schema": {
                "type": "object",
                "properties": { "a": { "type": "integer", "description": "minimum: 1" } },
                "required": ["a"],
                "additionalProperties": false,
            } },
            { "name": "g", "input_schema": { "type": "object" } },
            { "type": "web_search_20250305", "name": "web_search", "max_uses": 2 },
        ])
    );
    assert_eq!(request.get("tool_choice"), None);
    let old = translated(OLD, &asking(json!({ "tools": tools })));
    assert_eq!(old["tools"][0], json!({ "name": "f", "description": "d", "input_schema": schema }));

    let choice = |more: Value| {
        let mut body = asking(json!({ "tools": tools }));
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        translated(MID, &body)["tool_choice"].clone()
    };
    assert_eq!(choice(json!({ "tool_choice": "auto" })), json!({ "type": "auto" }));
    assert_eq!(choice(json!({ "tool_choice": "none" })), json!({ "type": "none" }));
    assert_eq!(choice(json!({ "tool_choice": "required" })), json!({ "type": "any" }));
    let named = json!({ "type": "function", "function": { "name": "g" } });
    assert_eq!(choice(json!({ "tool_choice": named })), json!({ "type": "tool", "name": "g" }));
    let single = json!({ "type": "auto", "disable_parallel_tool_use": true });
    assert_eq!(choice(json!({ "parallel_tool_calls": false })), single);
    let allowed = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [{ "type": "function", "name": "g" }] } });
    let narrowed = translated(MID, &asking(json!({ "tools": tools, "tool_choice": allowed })));
    assert_eq!(narrowed["tools"], json!([{ "name": "g", "input_schema": { "type": "object" } }]));

    let error = refused("claude-opus-5-5", &asking(json!({ "tools": tools, "tool_choice": "required" })));
    assert_eq!(error.param.as_deref(), Some("tool_choice"));
}

#[test]
fn json_answers() {
    let schema = json!({
        "$schema": "x",
        "type": "object",
        "properties": { "n": { "type": "string", "maxLength": 3, "description": "name" }, "k": { "oneOf": [{ "type": "object" }] } },
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "pet", "schema": schema } });
    check(
        MID,
        json!({ "response_format": format }),
        json!({ "output_config": { "format": { "type": "json_schema", "schema": {
        "type": "object",
        "properties": {
            "n": { "type": "string", "description": "name (maxLength: 3)" },
            "k": { "anyOf": [{ "type": "object", "additionalProperties": false }] },
        },
        "additionalProperties": false,
    } } } }),
    );
    check(
        OLD,
        json!({ "response_format": format }),
        json!({
            "tools": [{
                "name": "seawall_json_answer",
                "description": "Gives the final answer. Its input is the answer.",
                "input_schema": schema,
            }],
            "tool_choice": { "type": "tool", "name": "seawall_json_answer" },
        }),
    );
    let object = translated(MID, &asking(json!({ "response_format": { "type": "json_object" } })));
    assert!(object["system"][0]["text"].as_str().expect("text").contains("JSON object"));
    check(MID, json!({ "response_format": { "type": "text" } }), json!({}));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (more, class, param) in [
        (json!({ "n": 2 }), ErrorClass::UnsupportedParameter, "n"),
        (json!({ "logprobs": true }), ErrorClass::UnsupportedParameter, "logprobs"),
        (json!({ "modalities": ["text", "audio"] }), ErrorClass::UnsupportedParameter, "modalities"),
        (json!({ "functions": [{}] }), ErrorClass::UnsupportedParameter, "functions"),
        (json!({ "stop": "\n" }), ErrorClass::UnsupportedParameter, "stop"),
        (json!({ "stop": 5 }), ErrorClass::BadRequest, "stop"),
        (json!({ "messages": 5 }), ErrorClass::BadRequest, "messages"),
        (json!({ "messages": [{ "role": "king" }] }), ErrorClass::BadRequest, "messages[0].role"),
        (
            json!({ "messages": [{ "role": "user", "content": 5 }] }),
            ErrorClass::BadRequest,
            "messages[0].content",
        ),
        (json!({ "messages": [{ "role": "tool" }] }), ErrorClass::BadRequest, "messages[0].tool_call_id"),
        (json!({ "tools": [{}] }), ErrorClass::BadRequest, "tools[0].type"),
        (json!({ "tools": [{ "type": "custom" }] }), ErrorClass::UnsupportedParameter, "tools[0]"),
        (json!({ "tool_choice": "maybe" }), ErrorClass::BadRequest, "tool_choice"),
        (
            json!({ "response_format": { "type": "json_schema" } }),
            ErrorClass::BadRequest,
            "response_format.json_schema.schema",
        ),
    ] {
        let error = refused(MID, &asking(more.clone()));
        assert_eq!((error.class, error.param.as_deref()), (class, Some(param)), "{more}");
    }
}
