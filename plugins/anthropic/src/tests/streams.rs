use seawall_plugin::prelude::*;

use super::target;
use crate::Anthropic;

fn decode(kind: &str, events: &[Value]) -> Vec<Event> {
    let mut decoder = Anthropic::decoder(kind, &target("m"));
    let wire = events.iter().map(|event| WireEvent {
        headers: Vec::new(),
        event: event["type"].as_str().map(str::to_owned),
        data: event.to_string().into_bytes(),
    });
    let mut out = decoder.feed(wire.collect());
    out.extend(decoder.finish());
    out.into_iter().map(|event| event.what).collect()
}

fn open(index: u64, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn piece(index: u64, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

fn close(index: u64) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn ended(reason: &str) -> Value {
    json!({ "type": "message_delta", "delta": { "stop_reason": reason } })
}

fn call(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Event {
    let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
    Event::ToolCall(ToolDelta { index, id, name, arguments: arguments.to_owned(), opaque: None })
}

fn finish(reason: FinishReason, native: &str) -> Event {
    Event::Finish(Finish { reason, native: Some(native.to_owned()), stop_sequence: None })
}

#[test]
fn pings_unknown_events_and_unknown_blocks_are_nothing() {
    let events = [
        json!({ "type": "ping" }),
        json!({ "type": "brand_new" }),
        open(0, json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} })),
        piece(0, json!({ "type": "input_json_delta", "partial_json": "{\"q\":1}" })),
        close(0),
        open(1, json!({ "type": "web_search_tool_result", "tool_use_id": "s", "content": [] })),
        close(1),
        open(2, json!({ "type": "text", "text": "" })),
        piece(2, json!({ "type": "citations_delta", "citation": {} })),
        piece(9, json!({ "type": "text_delta", "text": "of no block" })),
        close(9),
        json!({}),
        json!([]),
    ];
    assert_eq!(decode("chat", &events), []);
}

#[test]
fn an_event_that_cannot_be_parsed_is_skipped() {
    let mut decoder = Anthropic::decoder("chat", &target("m"));
    let broken = WireEvent { headers: Vec::new(), event: None, data: b"{\"type\":\"mess".to_vec() };
    assert_eq!(decoder.feed(vec![broken]), []);
    let failed = WireEvent { headers: Vec::new(), event: Some("error".to_owned()), data: b"oops".to_vec() };
    assert!(matches!(&decoder.feed(vec![failed])[..], [StreamEvent { what: Event::Failed(_), .. }]));
}

#[test]
fn calls_get_their_own_numbers_and_always_have_arguments() {
    let uses = |id: &str, input: Value| json!({ "type": "tool_use", "id": id, "name": "f", "input": input });
    let events = [
        open(0, json!({ "type": "text", "text": "Let me" })),
        close(0),
        open(1, uses("a", json!({}))),
        piece(1, json!({ "type": "input_json_delta", "partial_json": "" })),
        piece(1, json!({ "type": "input_json_delta", "partial_json": "{\"x\":" })),
        piece(1, json!({ "type": "input_json_delta", "partial_json": "1}" })),
        close(1),
        open(2, uses("b", json!({}))),
        close(2),
        open(3, uses("c", json!({ "z": 1 }))),
        close(3),
        ended("tool_use"),
        json!({ "type": "message_stop" }),
    ];
    assert_eq!(
        decode("chat", &events),
        [
            Event::Text("Let me".to_owned()),
            call(0, Some("a"), Some("f"), ""),
            call(0, None, None, "{\"x\":"),
            call(0, None, None, "1}"),
            call(1, Some("b"), Some("f"), ""),
            call(1, None, None, "{}"),
            call(2, Some("c"), Some("f"), ""),
            call(2, None, None, "{\"z\":1}"),
            finish(FinishReason::ToolCalls, "tool_use"),
            Event::Done,
        ]
    );
}

#[test]
fn the_reserved_tools_input_is_the_answer() {
    let events = [
        open(0, json!({ "type": "tool_use", "id": "a", "name": "seawall_json_answer", "input": {} })),
        piece(0, json!({ "type": "input_json_delta", "partial_json": "{\"n\":1}" })),
        close(0),
        ended("tool_use"),
    ];
    assert_eq!(
        decode("chat", &events),
        [Event::Text("{\"n\":1}".to_owned()), finish(FinishReason::Stop, "tool_use")]
    );
    assert!(
        matches!(decode("messages", &events)[0], Event::ToolCall(_)),
        "nothing is translated in the own protocol"
    );
}

#[test]
fn reasoning_keeps_its_signature_apart() {
    let events = [
        open(0, json!({ "type": "thinking", "thinking": "", "signature": "" })),
        piece(0, json!({ "type": "thinking_delta", "thinking": "hm" })),
        piece(0, json!({ "type": "signature_delta", "signature": "Ep" })),
        piece(0, json!({ "type": "signature_delta", "signature": "==" })),
        close(0),
        open(1, json!({ "type": "redacted_thinking", "data": "Zz" })),
        close(1),
    ];
    let reasoning = |text: &str, opaque: Option<&str>| {
        Event::Reasoning(Reasoning { text: text.to_owned(), opaque: opaque.map(str::to_owned) })
    };
    assert_eq!(
        decode("chat", &events),
        [
            reasoning("hm", None),
            reasoning("", Some("anthropic:2:Ep==;")),
            reasoning("", Some("anthropic:r:Zz;")),
        ]
    );
}

#[test]
fn counts_are_cumulative_and_include_the_cache() {
    let events = [
        json!({ "type": "message_start", "message": { "id": "m", "model": "c", "usage": {
            "input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1 } } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
            "usage": { "output_tokens": 40, "input_tokens": null, "output_tokens_details": { "thinking_tokens": 7 } } }),
    ];
    let usages: Vec<Usage> = decode("chat", &events)
        .into_iter()
        .filter_map(|event| if let Event::Usage(usage) = event { Some(usage) } else { None })
        .collect();
    assert_eq!(usages.len(), 2);
    let last = usages.last().expect("usage");
    assert_eq!((last.input_tokens, last.output_tokens), (125, 40));
    assert_eq!((last.cache_read_tokens, last.cache_write_tokens), (Some(100), Some(20)));
    assert_eq!(last.reasoning_tokens, Some(7));
}

#[test]
fn ends() {
    for (native, reason) in [
        ("end_turn", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Paused),
        ("brand_new", FinishReason::Other),
    ] {
        assert_eq!(decode("chat", &[ended(native)]), [finish(reason, native)]);
    }
    let stopped = json!({ "type": "message_delta", "delta": { "stop_reason": "stop_sequence", "stop_sequence": "END" } });
    let Event::Finish(finish) = &decode("chat", &[stopped])[0] else { panic!("a finish") };
    assert_eq!((finish.reason, finish.stop_sequence.as_deref()), (FinishReason::StopSequence, Some("END")));
}

#[test]
fn nothing_follows_a_failure() {
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let events = decode("chat", &[error, ended("end_turn"), json!({ "type": "message_stop" })]);
    let [Event::Failed(failure)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((failure.class, failure.code.as_deref()), (ErrorClass::Overloaded, Some("overloaded_error")));
}

#[test]
fn a_message_inside_a_message_is_a_failure() {
    let start = json!({ "type": "message_start", "message": { "id": "m" } });
    let events = decode("chat", &[start.clone(), start]);
    let [Event::Start(_), Event::Failed(failure)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(failure.class, ErrorClass::Malformed);
}

#[test]
fn blocks_that_never_close_do_not_pile_up() {
    let events: Vec<Value> =
        (0..10_000).map(|i| open(i, json!({ "type": "thinking", "signature": "S" }))).collect();
    assert_eq!(decode("chat", &events), []);
}

#[test]
fn a_message_that_came_whole_is_an_answer_too() {
    let message = json!({ "type": "message", "id": "m", "model": "c", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "Hi" }] });
    let start = Event::Start(Start { id: Some("m".to_owned()), model: Some("c".to_owned()) });
    assert_eq!(
        decode("chat", &[message]),
        [start, Event::Text("Hi".to_owned()), finish(FinishReason::Stop, "end_turn"), Event::Done]
    );
}
