use serde_json::{Value, json};

use super::*;
use crate::adapter::{
    Answer, AnswerShape, Decoder, Event, FailShape, Failure, FinishReason, Reply, Shape, StreamEvent, Usage,
    WireEvent,
};
use crate::error::ErrorClass;

fn decode(events: &[&str]) -> Vec<StreamEvent> {
    let wire = |data: &&str| WireEvent { headers: Vec::new(), event: None, data: data.as_bytes().to_vec() };
    let mut decoder = ChunkDecoder::default();
    let mut out = decoder.feed(events.iter().map(wire).collect());
    out.extend(decoder.finish());
    out
}

/// The events of a rendered stream.
fn frames(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    text.split("\n\n").filter_map(|block| block.strip_prefix("data: ").map(str::to_owned)).collect()
}

#[test]
fn every_rendered_failure_is_understood_again() {
    use ErrorClass as C;
    let classes = [
        C::RateLimited,
        C::QuotaExhausted,
        C::Overloaded,
        C::ServerError,
        C::Timeout,
        C::Auth,
        C::ModelNotFound,
        C::ContextLength,
        C::ContentFilter,
        C::BadRequest,
        C::UnsupportedParameter,
        C::ToolCallInvalid,
    ];
    for class in classes {
        let shape = FailShape { class, retry_after: Some("3".to_owned()), in_stream: false };
        let reply = render(&Shape::Failure(shape)).unwrap();
        assert!(reply.status >= 400);
        let failure = Failure {
            status: Some(reply.status),
            headers: reply.headers,
            data: reply.body,
            in_stream: false,
        };
        let seen = classify(&failure);
        assert_eq!((seen.class, seen.retry_after_ms), (class, Some(3000)));
    }
}

#[test]
fn failures_rendered_into_a_stream_fail_it() {
    for class in [ErrorClass::RateLimited, ErrorClass::Overloaded, ErrorClass::ServerError] {
        let shape = FailShape { class, retry_after: None, in_stream: true };
        let reply = render(&Shape::Failure(shape)).unwrap();
        assert_eq!(reply.status, 200);
        let frames = frames(&reply.body);
        let events = decode(&frames.iter().map(String::as_str).collect::<Vec<_>>());
        let [StreamEvent { what: Event::Failed(error), .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(error.class, class);
    }
}

#[test]
fn a_rendered_answer_reads_as_its_text() {
    for text in ["one two  three", "", "ü"] {
        let shape = |streaming| {
            Shape::Answer(AnswerShape { text: text.to_owned(), finish: FinishReason::Length, streaming })
        };
        let plain: Value = serde_json::from_slice(&render(&shape(false)).unwrap().body).unwrap();
        assert_eq!(plain.pointer("/choices/0/message/content"), Some(&json!(text)));
        assert_eq!(plain.pointer("/choices/0/finish_reason"), Some(&json!("length")));
        let streamed = frames(&render(&shape(true)).unwrap().body);
        let events = decode(&streamed.iter().map(String::as_str).collect::<Vec<_>>());
        let told: String = events
            .iter()
            .filter_map(|e| if let Event::Text(t) = &e.what { Some(t.as_str()) } else { None })
            .collect();
        assert_eq!(told, text);
        assert!(
            events.iter().any(|e| matches!(&e.what, Event::Finish(f) if f.reason == FinishReason::Length))
        );
        assert_eq!(events.last().map(|e| &e.what), Some(&Event::Done));
    }
}

#[test]
fn a_decoder_survives_anything() {
    let hostile = [
        "",
        "null",
        "[]",
        "{}",
        "3",
        "{\"choices\":3}",
        "{\"choices\":[3,null,{\"delta\":5}]}",
        "{\"choices\":[{\"index\":99999999999,\"delta\":{\"tool_calls\":[{\"index\":-1},{},null,7]}}]}",
        "{\"choices\":[{\"delta\":{\"content\":{\"a\":1},\"tool_calls\":{}}}]}",
        "{\"usage\":{\"prompt_tokens\":18446744073709551615,\"completion_tokens\":1,\"total_tokens\":2}}",
        "not json",
        "{\"id\":",
    ];
    for data in hostile {
        let failed = decode(&[data]).iter().any(|e| matches!(e.what, Event::Failed(_) | Event::Finish(_)));
        assert!(!failed, "{data}");
    }
}

#[test]
fn no_number_of_calls_fills_memory() {
    let calls: Vec<String> = (0..1000)
        .map(|i| json!({"choices": [{"delta": {"tool_calls": [{"index": i, "id": i.to_string(), "function": {"name": "f"}}]}}]}).to_string())
        .collect();
    let events = decode(&calls.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(events.iter().filter(|e| matches!(e.what, Event::ToolCall(_))).count(), 256);
}

#[test]
fn parallel_calls_keep_their_places() {
    let events = decode(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"[]"}}]}}]}"#,
    ]);
    let calls: Vec<_> = events
        .into_iter()
        .filter_map(|e| {
            if let Event::ToolCall(d) = e.what { Some((d.index, d.id, d.name, d.arguments)) } else { None }
        })
        .collect();
    let text = |s: &str| Some(s.to_owned());
    let expected = [
        (0, text("a"), text("f"), String::new()),
        (1, text("b"), text("g"), String::new()),
        (0, None, None, "{}".to_owned()),
        (1, None, None, "[]".to_owned()),
    ];
    assert_eq!(calls, expected);
}

#[test]
fn several_choices_stay_apart() {
    let events = decode(&[
        r#"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#,
    ]);
    let of = |choice| {
        events.iter().filter(move |e| e.choice == choice).map(|e| e.what.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(0), [Event::Text("a".to_owned())]);
    assert_eq!(of(1).first(), Some(&Event::Text("b".to_owned())));
    assert!(matches!(of(1).last(), Some(Event::Finish(f)) if f.reason == FinishReason::Length));
}

#[test]
fn usage_in_every_dialect() {
    let read = |usage: Value| {
        read_usage(&usage).map(|u| (u.input_tokens, u.output_tokens, u.cache_read_tokens, u.reasoning_tokens))
    };
    let cases = [
        (json!({"prompt_tokens": 3, "completion_tokens": 4}), Some((3, 4, None, None))),
        (json!({"prompt_tokens": 3, "total_tokens": 3}), Some((3, 0, None, None))),
        (json!({"total_tokens": 5}), Some((5, 0, None, None))),
        (
            json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 2}}),
            Some((9, 4, Some(8), Some(2))),
        ),
        (
            json!({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 5}}),
            Some((9, 6, None, Some(5))),
        ),
        (
            json!({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}),
            Some((9, 1, Some(4), None)),
        ),
        (json!({}), None),
        (json!(null), None),
    ];
    for (usage, expected) in cases {
        assert_eq!(read(usage.clone()), expected, "{usage}");
    }
    let usage = Usage {
        input_tokens: 5,
        output_tokens: 7,
        cache_read_tokens: Some(1),
        cache_write_tokens: Some(2),
        reasoning_tokens: Some(3),
        native: None,
    };
    let again = read_usage(&write_usage(&usage)).unwrap();
    assert_eq!(Usage { native: None, ..again }, usage);
}

#[test]
fn typed_blocks_become_text() {
    let body = json!({"choices": [{"message": {"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
        {"type": "reference", "reference_ids": [1]},
    ]}}], "citations": ["kept"]});
    let reply = Reply { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() };
    let Ok(Answer::Body(body)) = parse_response("chat", &reply, classify) else { panic!("no body") };
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["choices"][0]["message"], json!({"content": "yes", "reasoning_content": "hm"}));
    assert_eq!(answer["citations"], json!(["kept"]));
}

#[test]
fn a_faithful_answer_keeps_its_bytes() {
    let body = br#"{ "usage": {"prompt_tokens":1},"choices":[{"message":{"content":"hi"}}], "z":1.10 }"#;
    let reply = Reply { status: 200, headers: Vec::new(), body: body.to_vec() };
    assert!(matches!(parse_response("chat", &reply, classify), Ok(Answer::Body(kept)) if kept == body));
}

#[test]
fn a_refusal_is_told_and_a_stop_sequence_named() {
    let events = decode(&[
        r#"{"choices":[{"delta":{"refusal":"I cannot."}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop","stop_reason":"END"}]}"#,
    ]);
    assert_eq!(events.first().map(|e| e.what.clone()), Some(Event::Text("I cannot.".to_owned())));
    let Some(Event::Finish(finish)) = events.last().map(|e| e.what.clone()) else { panic!("{events:?}") };
    assert_eq!((finish.reason, finish.stop_sequence.as_deref()), (FinishReason::StopSequence, Some("END")));
}

#[test]
fn an_id_that_changes_within_a_call_does_not_split_it() {
    let events = decode(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"arguments":"}"}}]}}]}"#,
    ]);
    let indices: Vec<_> = events
        .iter()
        .filter_map(|e| if let Event::ToolCall(d) = &e.what { Some(d.index) } else { None })
        .collect();
    assert_eq!(indices, [0, 0]);
}
