use serde_json::{Value, json};

use super::json as parse;
use crate::event::FinishReason::{self, ContentFilter, Length, Paused, Stop, StopSequence, ToolCalls};
use crate::protocol::{self, AnswerFacts, Inspected, chat_answer_to_messages, inspect_answer, rename_model};
use crate::request::Protocol::{self, Chat, Embeddings, Messages};

fn answer(protocol: Protocol, body: &Value) -> (bool, Option<FinishReason>, Option<(u64, u64)>) {
    match inspect_answer(protocol, body.to_string().as_bytes()) {
        Inspected::Answer(AnswerFacts { empty, usage, finish }) => {
            (empty, finish, usage.map(|usage| (usage.input_tokens, usage.output_tokens)))
        }
        other => panic!("{other:?} for {body}"),
    }
}

fn chat(message: Value, finish: &str) -> Value {
    json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish }] })
}

#[test]
fn chat_answers() {
    let check = |message, finish, expect| {
        let body = chat(message, finish);
        assert_eq!(answer(Chat, &body), expect, "{body}");
    };
    check(json!({"content": "x"}), "stop", (false, Some(Stop), None));
    check(json!({"content": ""}), "stop", (true, Some(Stop), None));
    check(json!({"content": null, "tool_calls": []}), "length", (true, Some(Length), None));
    check(
        json!({"content": null, "tool_calls": [{"id": "1"}]}),
        "tool_calls",
        (false, Some(ToolCalls), None),
    );
    check(json!({"content": "", "reasoning_content": "hm"}), "stop", (false, Some(Stop), None));
    check(json!({"content": "", "refusal": "no"}), "content_filter", (false, Some(ContentFilter), None));
    check(json!({"content": [{"type": "text", "text": "x"}]}), "stop", (false, Some(Stop), None));
    let mut body = chat(json!({"content": "x"}), "stop");
    body["usage"] =
        json!({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}});
    body["error"] = Value::Null;
    assert_eq!(answer(Chat, &body), (false, Some(Stop), Some((3, 4))));
}

#[test]
fn messages_answers() {
    let check = |content: Value, stop: &str, expect| {
        let body = json!({"type": "message", "content": content, "stop_reason": stop});
        assert_eq!(answer(Messages, &body), expect, "{body}");
    };
    check(json!([{"type": "text", "text": "x"}]), "end_turn", (false, Some(Stop), None));
    check(json!([]), "end_turn", (true, Some(Stop), None));
    check(json!([{"type": "text", "text": ""}]), "max_tokens", (true, Some(Length), None));
    check(json!([{"type": "tool_use"}]), "tool_use", (false, Some(ToolCalls), None));
    check(json!([{"type": "thinking", "thinking": ""}]), "pause_turn", (false, Some(Paused), None));
    check(json!([]), "refusal", (true, Some(ContentFilter), None));
    check(json!([{"type": "text", "text": "x"}]), "stop_sequence", (false, Some(StopSequence), None));
    let usage = json!({"input_tokens": 1, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 100, "output_tokens": 5});
    let body = json!({"type": "message", "content": [], "usage": usage});
    assert_eq!(answer(Messages, &body), (true, None, Some((111, 5))));
}

#[test]
fn embeddings_answers() {
    let body = json!({"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    assert_eq!(answer(Embeddings, &body), (false, None, Some((3, 0))));
    assert_eq!(answer(Embeddings, &json!({"data": []})), (true, None, None));
}

#[test]
fn errors_and_rubbish_under_a_good_status() {
    for protocol in [Chat, Messages, Embeddings] {
        let check = |body: &str, is_error: bool| {
            let inspected = inspect_answer(protocol, body.as_bytes());
            match inspected {
                Inspected::Error => assert!(is_error, "{body}"),
                Inspected::Malformed(_) => assert!(!is_error, "{body}"),
                Inspected::Answer(_) => panic!("{body} passes as an answer"),
            }
        };
        check(r#"{"error":{"message":"x"}}"#, true);
        check(r#"{"error":"x"}"#, true);
        check("{}", false);
        check("[]", false);
        check("", false);
        check("null", false);
        check("{\"choices\":[{", false);
        check(" <!DOCTYPE html><html></html>", false);
    }
    let chat = |body: &str| inspect_answer(Chat, body.as_bytes());
    assert_eq!(chat(r#"{"object":"error","message":"x"}"#), Inspected::Error);
    assert!(matches!(chat(r#"{"choices":[]}"#), Inspected::Malformed(_)));
    assert!(matches!(chat(r#"{"choices":[{"delta":{}}]}"#), Inspected::Malformed(_)));
    assert_eq!(inspect_answer(Messages, br#"{"type":"error","x":1}"#), Inspected::Error);
}

fn translated(body: &Value) -> Value {
    parse(&chat_answer_to_messages(body.to_string().as_bytes(), "fallback").unwrap())
}

#[test]
fn a_chat_answer_becomes_a_message() {
    let mut body = chat(json!({"role": "assistant", "content": "Hi"}), "stop");
    body["id"] = json!("chatcmpl-1");
    body["model"] = json!("gpt");
    body["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2}});
    let expect = json!({
        "id": "chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt",
        "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 4, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3},
    });
    assert_eq!(translated(&body), expect);
}

#[test]
fn content_of_every_kind() {
    let check = |message: Value, finish: &str, content: Value, stop: &str| {
        let out = translated(&chat(message, finish));
        assert_eq!((&out["content"], &out["stop_reason"]), (&content, &json!(stop)));
    };
    let call = |arguments: Value| {
        json!({"tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}]})
    };
    let used = |input: Value| json!([{"type": "tool_use", "id": "c1", "name": "f", "input": input}]);
    check(call(json!("{\"a\": 1.50}")), "tool_calls", used(json!({"a": 1.5})), "tool_use");
    check(call(json!("")), "stop", used(json!({})), "tool_use");
    check(call(json!({"a": 1})), "tool_calls", used(json!({"a": 1})), "tool_use");
    check(call(json!("{\"a\": \"cut")), "length", json!([]), "max_tokens");
    check(
        json!({"content": "x", "reasoning": "r"}),
        "stop",
        json!([
        {"type": "thinking", "thinking": "r", "signature": ""}, {"type": "text", "text": "x"}]),
        "end_turn",
    );
    check(
        json!({"content": null, "reasoning_content": "r", "reasoning_opaque": "other:s;"}),
        "stop",
        json!([{"type": "thinking", "thinking": "r", "signature": ""}]),
        "end_turn",
    );
    check(json!({"content": null, "reasoning_opaque": "other:s;"}), "stop", json!([]), "end_turn");
    check(
        json!({"content": "x", "reasoning_content": "r", "reasoning_opaque": "s"}),
        "length",
        json!([
        {"type": "thinking", "thinking": "r", "signature": "s"}, {"type": "text", "text": "x"}]),
        "max_tokens",
    );
    check(
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "x"}]}),
        "stop",
        json!([{"type": "thinking", "thinking": "r", "signature": ""}, {"type": "text", "text": "x"}]),
        "end_turn",
    );
    check(
        json!({"content": null, "refusal": "no"}),
        "content_filter",
        json!([{"type": "text", "text": "no"}]),
        "refusal",
    );
    check(
        json!({"function_call": {"name": "f", "arguments": "{}"}}),
        "function_call",
        json!([{"type": "tool_use", "id": "toolu__0", "name": "f", "input": {}}]),
        "tool_use",
    );
}

#[test]
fn a_stop_sequence_is_named_where_the_server_names_it() {
    let body =
        json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}]});
    let out = translated(&body);
    assert_eq!((&out["stop_reason"], &out["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
    assert_eq!(out["model"], "fallback");
}

#[test]
fn unusable_answers_are_errors() {
    let refused = |body: &str| chat_answer_to_messages(body.as_bytes(), "m").unwrap_err();
    assert!(refused("{}").contains("choices"));
    assert!(!refused("<html>").is_empty());
    let bad = chat(
        json!({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{oops"}}]}),
        "tool_calls",
    );
    assert!(refused(&bad.to_string()).contains("arguments"));
    let list = chat(
        json!({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[1]"}}]}),
        "tool_calls",
    );
    assert!(refused(&list.to_string()).contains("arguments"));
}

#[test]
fn renaming_touches_only_the_model() {
    let renamed = rename_model(br#"{ "id":"x", "model" : "a\/b","n":1.0 }"#, "al\"ias").unwrap();
    assert_eq!(renamed, r#"{ "id":"x", "model" : "al\"ias","n":1.0 }"#);
    assert!(rename_model(b"[]", "m").is_err());
    assert!(rename_model(b"\xff", "m").is_err());
}

/// The time of making replaces the adapter's, wherever it stands, and nothing that only looks like it.
#[test]
fn translated_answers_are_dated() {
    let table = [
        (r#"{"id":"a","created":0,"choices":[]}"#, r#"{"id":"a","created":77,"choices":[]}"#),
        (r#"{"created":12}"#, r#"{"created":77}"#),
        (r#"{"created": 0}"#, r#"{"created": 77}"#),
        (r#"{"created":-1}"#, r#"{"created":77}"#),
        (r#"{"created":null,"id":"a"}"#, r#"{"created":77,"id":"a"}"#),
        (r#"{"created":1,"created":2}"#, r#"{"created":77}"#),
        (r#"{"id":"\"created\":5,","created":0}"#, r#"{"id":"\"created\":5,","created":77}"#),
        (r#"{"x":{"created":3},"created":0}"#, r#"{"x":{"created":3},"created":77}"#),
        (r#"{"x":[{"created":3}]}"#, r#"{"x":[{"created":3}],"created":77}"#),
        (r#"{"id":"a"}"#, r#"{"id":"a","created":77}"#),
    ];
    for (answer, dated) in table {
        assert_eq!(protocol::stamp_created(answer.as_bytes(), 77).unwrap(), dated, "{answer}");
    }
}
