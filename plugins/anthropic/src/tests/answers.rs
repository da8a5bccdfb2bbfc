use seawall_plugin::prelude::*;
use seawall_plugin_kit::{completion_of, events_of};

use super::target;
use crate::Anthropic;

fn reply(body: &str) -> Reply {
    Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

fn parsed(body: &Value) -> Value {
    let answer =
        Anthropic::parse_response("chat", &target("m"), &reply(&body.to_string())).expect("an answer");
    completion_of(&events_of(answer)).expect("a completion")
}

#[test]
fn a_whole_message() {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [
            { "type": "thinking", "thinking": "hm", "signature": "S" },
            { "type": "redacted_thinking", "data": "Z" },
            { "type": "text", "text": "Hello", "citations": null },
            { "type": "tool_use", "id": "t1", "name": "f", "input": { "b": 1 } },
            { "type": "tool_use", "id": "t2", "name": "g", "input": {} },
            { "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": "x" } },
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": { "input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2 },
    });
    assert_eq!(
        parsed(&message),
        json!({
            "id": "msg_1", "model": "claude",
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": "Hello",
                    "reasoning_content": "hm",
                    "reasoning_opaque": "anthropic:2:S;anthropic:r:Z;",
                    "tool_calls": [
                        { "id": "t1", "type": "function", "function": { "name": "f", "arguments": "{\"b\":1}" } },
                        { "id": "t2", "type": "function", "function": { "name": "g", "arguments": "{}" } },
                    ],
                },
                "finish_reason": "tool_calls",
                "native_finish_reason": "tool_use",
            }],
            "usage": { "prompt_tokens": 5, "completion_tokens": 4, "cached_tokens": 2, "reasoning_tokens": null },
        })
    );
}

#[test]
fn a_forced_answer_is_text() {
    let answer = parsed(&json!({
        "content": [{ "type": "tool_use", "id": "t", "name": "seawall_json_answer", "input": { "a": 2, "z": 1 } }],
        "stop_reason": "tool_use",
    }));
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"a\":2,\"z\":1}");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["model"], Value::Null, "the host names the target's");
}

#[test]
fn a_refusal_says_why() {
    let answer = parsed(&json!({
        "content": [], "stop_reason": "refusal", "stop_details": { "type": "refusal", "explanation": "no" },
    }));
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["refusal"]),
        (&json!("content_filter"), &json!("no"))
    );
}

#[test]
fn what_is_no_answer() {
    for (body, class) in [
        ("<html>", ErrorClass::Malformed),
        ("{}", ErrorClass::Malformed),
        ("[]", ErrorClass::Malformed),
        ("{\"content\":[]}", ErrorClass::Malformed),
        ("{\"content\":[{\"type\":\"text\",\"text\":\"cut\"}],\"stop_reason\":null}", ErrorClass::Malformed),
        ("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", ErrorClass::Overloaded),
        ("{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}", ErrorClass::ServerError),
    ] {
        let answer = Anthropic::parse_response("chat", &target("m"), &reply(body));
        let error = answer.and_then(|answer| completion_of(&events_of(answer))).expect_err(body);
        assert_eq!(error.class, class, "{body}");
    }
}
