use bytes::BytesMut;
use serde_json::{Value, json};

use super::{context, decode, first, json as parse, wire, write};
use crate::event::Event::{self, RawChoice, Reasoning, Text, ToolCall};
use crate::event::{Finish, FinishReason, StreamEvent, ToolDelta, Usage};
use crate::protocol::{Writer, WriterContext};
use crate::reply::ClientError;
use crate::request::Protocol::{self, Chat, Messages};

fn text(text: &str) -> StreamEvent {
    first(Text(text.to_owned()))
}

fn thought(text: &str, opaque: Option<&str>) -> StreamEvent {
    first(Reasoning { text: text.to_owned(), opaque: opaque.map(str::to_owned) })
}

fn call(index: u32, name: &str) -> StreamEvent {
    let (id, name) = (Some(format!("id{index}")), Some(name.to_owned()));
    first(ToolCall(ToolDelta { index, id, name, ..ToolDelta::default() }))
}

fn arguments(index: u32, arguments: &str) -> StreamEvent {
    first(ToolCall(ToolDelta { index, arguments: arguments.to_owned(), ..ToolDelta::default() }))
}

fn finish(reason: FinishReason) -> StreamEvent {
    first(Event::Finish(Finish { reason, native: None, stop_sequence: None }))
}

fn usage() -> StreamEvent {
    let usage = Usage { input_tokens: 10, output_tokens: 4, cache_read_tokens: Some(6), ..Usage::default() };
    first(Event::Usage(usage))
}

/// The data of all events but the end marker.
fn data(stream: &str) -> Vec<Value> {
    wire(stream.as_bytes())
        .iter()
        .filter(|event| event.data != "[DONE]")
        .map(|event| parse(&event.data))
        .collect()
}

/// The choices of a chat stream, checked to sit in well-formed chunks.
fn choices(events: &[StreamEvent]) -> Vec<Value> {
    let stream = write(Chat, events);
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
    let chunks = data(&stream).into_iter().map(|chunk| {
        assert_eq!((&chunk["id"], &chunk["object"]), (&json!("id-1"), &json!("chat.completion.chunk")));
        assert_eq!((&chunk["created"], &chunk["model"]), (&json!(5), &json!("m")));
        match chunk["choices"].as_array().unwrap().as_slice() {
            [] => json!({ "usage": chunk["usage"] }),
            [choice] => choice.clone(),
            more => panic!("{more:?}"),
        }
    });
    chunks.collect()
}

fn choice(delta: Value) -> Value {
    json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null})
}

fn role() -> Value {
    choice(json!({"role": "assistant", "content": ""}))
}

fn ended(reason: &str) -> Value {
    json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason})
}

#[test]
fn a_chat_stream() {
    let events = [text("a\"\n"), text(""), thought("r", Some("s")), usage(), finish(FinishReason::Stop)];
    let counts = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 6}, "completion_tokens_details": {"reasoning_tokens": 0}});
    let expect = vec![
        role(),
        choice(json!({"content": "a\"\n"})),
        choice(json!({"reasoning_content": "r", "reasoning_opaque": "s"})),
        ended("stop"),
        json!({ "usage": counts }),
    ];
    assert_eq!(choices(&events), expect);
}

#[test]
fn a_chat_stream_of_tools() {
    let mut signed = arguments(0, "{}");
    if let ToolCall(delta) = &mut signed.what {
        delta.opaque = Some("s".to_owned());
    }
    let expect = vec![
        role(),
        choice(
            json!({"tool_calls": [{"index": 0, "id": "id0", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        ),
        choice(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "s"}}}]})),
        ended("tool_calls"),
    ];
    assert_eq!(choices(&[call(0, "f"), signed, finish(FinishReason::ToolCalls)]), expect);
}

#[test]
fn every_choice_has_its_own_preamble() {
    let second = StreamEvent { choice: 1, what: Text("b".to_owned()) };
    let end = StreamEvent { choice: 1, ..finish(FinishReason::Length) };
    let out = choices(&[text("a"), second, finish(FinishReason::Stop), end]);
    let shown: Vec<(u64, Value)> = out
        .iter()
        .map(|choice| (choice["index"].as_u64().unwrap(), choice["delta"]["role"].clone()))
        .collect();
    let assistant = json!("assistant");
    let none = Value::Null;
    let expect = [
        (0, assistant.clone()),
        (0, none.clone()),
        (1, assistant),
        (1, none.clone()),
        (0, none.clone()),
        (1, none),
    ];
    assert_eq!(shown, expect);
}

#[test]
fn raw_members_join_their_choice() {
    let raw = r#"{"logprobs":{"content":[]},"index":9,"finish_reason":"stop","annotations":[1]}"#;
    let out = choices(&[
        first(RawChoice(raw.to_owned())),
        first(RawChoice("rubbish".to_owned())),
        finish(FinishReason::Stop),
    ]);
    let expect = json!({"index": 0, "delta": {}, "finish_reason": null, "logprobs": {"content": []}, "annotations": [1]});
    assert_eq!(out, [role(), expect, ended("stop")]);
}

/// What a provider says when it refuses came as a raw member of the delta, and was lost in streams.
#[test]
fn a_refusal_in_a_stream_reaches_the_client() {
    let raw = r#"{"delta":{"refusal":"no","role":"user","content":"smuggled"},"index":9}"#;
    let out = choices(&[first(RawChoice(raw.to_owned())), finish(FinishReason::ContentFilter)]);
    let expect = json!({"index": 0, "delta": {"refusal": "no"}, "finish_reason": null});
    assert_eq!(out, [role(), expect, ended("content_filter")]);
}

#[test]
fn the_upstream_names_the_answer_unless_pinned() {
    let start = first(Event::Start { id: Some("up".to_owned()), model: Some("up-model".to_owned()) });
    for (pin_model, model) in [(false, "up-model"), (true, "m")] {
        for protocol in [Chat, Messages] {
            let mut writer = Writer::new(protocol, WriterContext { pin_model, ..context() });
            let mut out = BytesMut::new();
            writer.write(&start, &mut out);
            assert!(out.is_empty(), "the preamble waits for content");
            writer.write(&text("x"), &mut out);
            let stream = String::from_utf8(out.to_vec()).unwrap();
            let first = data(&stream).remove(0);
            let named = if protocol == Chat { first } else { first["message"].clone() };
            assert_eq!((&named["id"], &named["model"]), (&json!("up"), &json!(model)));
        }
    }
}

#[test]
fn usage_is_told_to_chat_clients_only_when_asked() {
    let mut writer = Writer::new(Chat, WriterContext { include_usage: false, ..context() });
    let mut out = BytesMut::new();
    for event in [text("x"), usage(), finish(FinishReason::Stop)] {
        writer.write(&event, &mut out);
    }
    writer.finish(&mut out);
    assert!(!String::from_utf8_lossy(&out).contains("usage"));
}

#[test]
fn nothing_looks_whole_that_is_not() {
    for protocol in [Chat, Messages] {
        let check = |stream: &str| {
            assert!(stream.contains("stream_interrupted"), "{stream}");
            for word in ["[DONE]", "message_stop", "stop_reason\":\"", "finish_reason\":\""] {
                assert!(!stream.contains(word), "{word} in {stream}");
            }
        };
        check(&write(protocol, &[text("x")]));
        check(&write(protocol, &[]));

        let mut writer = Writer::new(protocol, context());
        let mut out = BytesMut::new();
        writer.write(&text("x"), &mut out);
        out.extend_from_slice(&writer.error(&ClientError::new(502, "stream_interrupted", "cut")));
        let len = out.len();
        writer.write(&text("y"), &mut out);
        writer.write(&finish(FinishReason::Stop), &mut out);
        writer.finish(&mut out);
        assert_eq!(out.len(), len, "an error is the last word");
        check(&String::from_utf8_lossy(&out));
    }
}

/// Reads a messages stream by the rules that official clients follow, and gives the finished message.
fn message(events: &[StreamEvent]) -> Value {
    let stream = write(Messages, events);
    let mut message = Value::Null;
    let mut open: Option<(u64, String)> = None;
    let mut stopped = false;
    for event in wire(stream.as_bytes()) {
        let data = parse(&event.data);
        let kind = data["type"].as_str().unwrap();
        assert_eq!(event.event.as_deref(), Some(kind));
        assert!(!stopped, "{kind} after the end");
        let index = data["index"].as_u64();
        match kind {
            "message_start" => {
                assert!(message.is_null());
                message = data["message"].clone();
                assert!(
                    message["usage"]["input_tokens"].is_u64() && message["usage"]["output_tokens"].is_u64()
                );
                assert_eq!(message["content"], json!([]));
                assert_eq!(message["stop_reason"], Value::Null);
            }
            "content_block_start" => {
                assert!(open.is_none(), "a block inside a block");
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(index, Some(blocks.len() as u64));
                blocks.push(data["content_block"].clone());
                open = Some((index.unwrap(), String::new()));
            }
            "content_block_delta" => {
                let (at, json) = open.as_mut().unwrap();
                assert_eq!(index, Some(*at));
                let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                let delta = &data["delta"];
                let append = |block: &mut Value, name: &str| {
                    let whole = format!("{}{}", block[name].as_str().unwrap(), delta[name].as_str().unwrap());
                    block[name] = whole.into();
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append(block, "text"),
                    "thinking_delta" => append(block, "thinking"),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => json.push_str(delta["partial_json"].as_str().unwrap()),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                let (at, json) = open.take().unwrap();
                assert_eq!(index, Some(at));
                if !json.is_empty() {
                    let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                    block["input"] = parse(json.as_bytes());
                }
            }
            "message_delta" => {
                assert!(open.is_none());
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                message["stop_sequence"] = data["delta"]["stop_sequence"].clone();
                message["usage"] = data["usage"].clone();
            }
            "message_stop" => stopped = true,
            other => panic!("{other}"),
        }
    }
    assert!(stopped);
    message
}

#[test]
fn a_message_stream() {
    let stopped =
        Finish { reason: FinishReason::StopSequence, native: None, stop_sequence: Some("END".to_owned()) };
    let events = [
        thought("r1", None),
        thought("r2", Some("sig")),
        thought("", Some("hidden")),
        text("a"),
        text("b"),
        usage(),
        first(Event::Finish(stopped)),
    ];
    let expect = json!({
        "id": "id-1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "r1r2", "signature": "sig"},
            {"type": "redacted_thinking", "data": "hidden"},
            {"type": "text", "text": "ab"},
        ],
        "stop_reason": "stop_sequence", "stop_sequence": "END",
        "usage": {"input_tokens": 4, "output_tokens": 4, "cache_read_input_tokens": 6},
    });
    assert_eq!(message(&events), expect);
}

#[test]
fn another_providers_state_is_no_signature() {
    let events =
        [thought("r", Some("other:S=;")), thought("", Some("other:T=;")), finish(FinishReason::Stop)];
    let expect = json!([{"type": "thinking", "thinking": "r", "signature": ""}]);
    assert_eq!(message(&events)["content"], expect);
}

fn used(number: u32, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": format!("id{number}"), "name": name, "input": input})
}

#[test]
fn parallel_tools_come_out_one_after_another() {
    let check = |events: &[StreamEvent], expect: Value| {
        let mut events = events.to_vec();
        events.push(finish(FinishReason::Stop));
        let message = message(&events);
        assert_eq!((&message["content"], &message["stop_reason"]), (&expect, &json!("tool_use")));
    };
    let (f, g) = (used(0, "f", json!({"a": 1})), used(1, "g", json!({"b": "}"})));
    let in_turn = [
        call(0, "f"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        call(1, "g"),
        arguments(1, "{\"b\":\"}\"}"),
    ];
    check(&in_turn, json!([f, g]));
    let interleaved = [
        call(0, "f"),
        call(1, "g"),
        arguments(0, "{\"a\""),
        arguments(1, "{\"b\":"),
        arguments(1, "\"}\"}"),
        arguments(0, ":1}"),
    ];
    check(&interleaved, json!([f, g]));
    check(&[call(0, "f"), call(1, "g")], json!([used(0, "f", json!({})), used(1, "g", json!({}))]));
    check(
        &[text("x"), call(0, "f"), text("y"), arguments(0, "{\"a\":1}"), text("z")],
        json!([{"type": "text", "text": "x"}, f, {"type": "text", "text": "yz"}]),
    );
    let unnamed = ToolDelta { index: 3, arguments: "{}".to_owned(), ..ToolDelta::default() };
    check(
        &[first(ToolCall(unnamed))],
        json!([{"type": "tool_use", "id": "toolu_id-1_0", "name": "", "input": {}}]),
    );
}

#[test]
fn a_tool_call_streams_while_it_is_alone() {
    let mut writer = Writer::new(Messages, context());
    let mut out = BytesMut::new();
    for event in [call(0, "f"), arguments(0, "{\"a\"")] {
        writer.write(&event, &mut out);
    }
    assert!(String::from_utf8_lossy(&out).contains("partial_json"));
}

#[test]
fn what_waits_behind_an_open_call_is_bounded() {
    let mut writer = Writer::new(Messages, context());
    let mut out = BytesMut::new();
    writer.write(&call(0, "f"), &mut out);
    writer.write(&arguments(0, "{"), &mut out);
    let before = out.len();
    for _ in 0..1000 {
        writer.write(&text(&"x".repeat(1000)), &mut out);
    }
    writer.finish(&mut out);
    assert!(out.len() < before + 1000);
    assert!(String::from_utf8_lossy(&out).contains("stream_interrupted"));
}

#[test]
fn an_empty_answer_is_a_whole_message() {
    let message = message(&[finish(FinishReason::Length)]);
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &json!("max_tokens")));
}

#[test]
fn other_choices_have_no_place_in_a_message() {
    let other = StreamEvent { choice: 1, what: Text("b".to_owned()) };
    let message = message(&[text("a"), other, finish(FinishReason::Stop)]);
    assert_eq!(message["content"], json!([{"type": "text", "text": "a"}]));
}

/// What is written can be read again, as the same events.
#[test]
fn written_streams_read_back() {
    let events = [
        thought("r", Some("s")),
        text("a\u{2028}\"b\n"),
        call(0, "f"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        finish(FinishReason::ToolCalls),
    ];
    let essence = |protocol: Protocol| {
        let stream = write(protocol, &events);
        let mut thinking = String::new();
        let mut said = String::new();
        let mut tools = String::new();
        let mut reason = None;
        for event in decode(protocol, stream.as_bytes()) {
            match event.what {
                Reasoning { text, opaque } => thinking.extend([text, opaque.unwrap_or_default()]),
                Text(text) => said.push_str(&text),
                ToolCall(delta) => tools.extend([delta.name.unwrap_or_default(), delta.arguments]),
                Event::Finish(finish) => reason = Some(finish.reason),
                _ => {}
            }
        }
        (thinking, said, tools, reason)
    };
    let expect = (
        "rs".to_owned(),
        "a\u{2028}\"b\n".to_owned(),
        "f{\"a\":1}".to_owned(),
        Some(FinishReason::ToolCalls),
    );
    assert_eq!(essence(Chat), expect);
    assert_eq!(essence(Messages), expect);
}
