use seawall_plugin::prelude::*;
use seawall_plugin_kit::{completion_of, events_of};

use super::{reply, target};
use crate::Gemini;

fn decode(chunks: &[Value]) -> Vec<StreamEvent> {
    let mut decoder = Gemini::decoder("chat", &target("m"));
    let wire =
        |chunk: &Value| WireEvent { headers: Vec::new(), event: None, data: chunk.to_string().into_bytes() };
    let mut out = decoder.feed(chunks.iter().map(wire).collect());
    out.extend(decoder.finish());
    out
}

fn parts(parts: Value) -> Value {
    json!({ "candidates": [{ "content": { "parts": parts, "role": "model" }, "index": 0 }] })
}

fn ended(word: Value) -> Value {
    json!({ "candidates": [{ "finishReason": word, "index": 0 }] })
}

fn parsed(body: &Value) -> Value {
    let answer = Gemini::parse_response("chat", &target("m"), &reply(body)).expect("an answer");
    completion_of(&events_of(answer)).expect("a completion")
}

fn failed(body: &Value) -> ProviderError {
    let answer = Gemini::parse_response("chat", &target("m"), &reply(body));
    answer.and_then(|answer| completion_of(&events_of(answer))).expect_err("a failure")
}

#[test]
fn a_whole_reply() {
    let answer = parsed(&json!({
        "candidates": [
            { "content": { "parts": [
                { "text": "hm", "thought": true, "thoughtSignature": "T=" },
                { "text": "He" }, { "text": "llo", "thoughtSignature": "ignored" },
                { "executableCode": { "code": "1" } }, { "codeExecutionResult": { "output": "1" } },
                { "functionCall": { "name": "f", "args": { "b": 1 } }, "thoughtSignature": "S=" },
                { "functionCall": { "name": "g", "id": "own" } },
            ] }, "finishReason": "STOP", "index": 0 },
            { "content": { "parts": [{ "text": "Other" }] }, "finishReason": "MAX_TOKENS", "index": 1 },
        ],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6, "cachedContentTokenCount": 3 },
        "modelVersion": "gemini", "responseId": "a-b_C",
    }));
    assert_eq!(
        answer,
        json!({
            "id": "a-b_C", "model": "gemini",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": "Hello",
                        "reasoning_content": "hm", "reasoning_opaque": "gemini:T=;",
                        "tool_calls": [
                            { "id": "call_abC_0_0", "type": "function", "function": { "name": "f", "arguments": "{\"b\":1}" },
                                "extra_content": { "google": { "thought_signature": "S=" } } },
                            { "id": "own", "type": "function", "function": { "name": "g", "arguments": "{}" } },
                        ],
                    },
                    "finish_reason": "tool_calls", "native_finish_reason": "STOP",
                },
                {
                    "index": 1,
                    "message": { "role": "assistant", "content": "Other" },
                    "finish_reason": "length", "native_finish_reason": "MAX_TOKENS",
                },
            ],
            "usage": { "prompt_tokens": 10, "completion_tokens": 10, "cached_tokens": 3, "reasoning_tokens": 6 },
        })
    );
}

#[test]
fn ends_come_as_words_and_as_numbers() {
    for (word, reason) in [
        (json!("STOP"), FinishReason::Stop),
        (json!(1), FinishReason::Stop),
        (json!("MAX_TOKENS"), FinishReason::Length),
        (json!(2), FinishReason::Length),
        (json!("SAFETY"), FinishReason::ContentFilter),
        (json!(3), FinishReason::ContentFilter),
        (json!("RECITATION"), FinishReason::ContentFilter),
        (json!("PROHIBITED_CONTENT"), FinishReason::ContentFilter),
        (json!("LANGUAGE"), FinishReason::Other),
        (json!(99), FinishReason::Other),
        (json!("BRAND_NEW"), FinishReason::Other),
    ] {
        let events = decode(&[ended(word.clone())]);
        let [StreamEvent { what: Event::Finish(finish), .. }] = &events[..] else {
            panic!("{word}: {events:?}")
        };
        assert_eq!(finish.reason, reason, "{word}");
    }
    assert_eq!(decode(&[ended(json!("FINISH_REASON_UNSPECIFIED")), ended(json!(0))]), []);
}

#[test]
fn a_call_that_cannot_be_used_is_a_failure() {
    for word in [json!("MALFORMED_FUNCTION_CALL"), json!(10), json!("UNEXPECTED_TOOL_CALL")] {
        assert_eq!(failed(&ended(word.clone())).class, ErrorClass::ToolCallInvalid, "{word}");
        let events = decode(&[ended(word), ended(json!("STOP"))]);
        assert!(matches!(&events[..], [StreamEvent { what: Event::Failed(_), .. }]), "{events:?}");
    }
}

#[test]
fn a_refused_prompt_is_a_failure_although_the_status_is_200() {
    for (feedback, code) in [
        (json!({ "blockReason": "PROHIBITED_CONTENT" }), "PROHIBITED_CONTENT"),
        (json!({ "blockReason": 1 }), "SAFETY"),
    ] {
        let body = json!({ "promptFeedback": feedback, "usageMetadata": { "promptTokenCount": 1 } });
        let failure = failed(&body);
        assert_eq!((failure.class, failure.code.as_deref()), (ErrorClass::ContentFilter, Some(code)));
    }
    let harmless =
        json!({ "promptFeedback": { "safetyRatings": [] }, "candidates": [{ "finishReason": "STOP" }] });
    assert_eq!(parsed(&harmless)["choices"][0]["finish_reason"], "stop");
}

#[test]
fn what_is_no_answer() {
    for body in
        [json!({}), json!([]), json!(5), json!({ "candidates": [] }), parts(json!([{ "text": "cut" }]))]
    {
        assert_eq!(failed(&body).class, ErrorClass::Malformed, "{body}");
    }
    let error = json!([{ "error": { "code": 503, "status": "UNAVAILABLE", "message": "boom" } }]);
    assert_eq!(failed(&error).class, ErrorClass::Overloaded);
}

#[test]
fn pieces_of_two_candidates() {
    let piece =
        |index: u32, text: &str| json!({ "content": { "parts": [{ "text": text }] }, "index": index });
    let events = decode(&[
        json!({ "candidates": [piece(0, "a"), piece(1, "b")], "responseId": "r" }),
        json!({ "candidates": [{ "index": 1, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 1 } }),
        json!({ "candidates": [{ "index": 0, "finishReason": "MAX_TOKENS" }] }),
        json!({ "usageMetadata": { "promptTokenCount": 1, "candidatesTokenCount": 2 } }),
    ]);
    let told: Vec<String> = events
        .iter()
        .map(|event| match &event.what {
            Event::Start(_) => "start".to_owned(),
            Event::Text(text) => format!("{}{text}", event.choice),
            Event::Usage(usage) => format!("usage {}", usage.output_tokens),
            Event::Finish(finish) => format!("{}{:?}", event.choice, finish.reason),
            other => panic!("{other:?}"),
        })
        .collect();
    let finish = |choice: u32, reason: FinishReason| format!("{choice}{reason:?}");
    assert_eq!(
        told,
        [
            "start",
            "0a",
            "1b",
            "usage 0",
            &finish(1, FinishReason::Stop),
            &finish(0, FinishReason::Length),
            "usage 2"
        ]
    );
}

#[test]
fn an_error_ends_a_stream() {
    let error = json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } });
    let events = decode(&[parts(json!([{ "text": "a" }])), error, ended(json!("STOP"))]);
    let [_, StreamEvent { what: Event::Failed(failure), .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(failure.class, ErrorClass::Overloaded);
}

#[test]
fn a_cut_stream_still_tells_its_counts_and_no_end() {
    let events = decode(&[json!({ "candidates": [{ "content": { "parts": [{ "text": "a" }] } }],
        "usageMetadata": { "promptTokenCount": 5, "candidatesTokenCount": 1 } })]);
    assert!(
        matches!(
            &events[..],
            [StreamEvent { what: Event::Text(_), .. }, StreamEvent { what: Event::Usage(_), .. }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_stream_may_come_as_one_list() {
    let list =
        json!([parts(json!([{ "text": "a" }])), parts(json!([{ "text": "b" }])), ended(json!("STOP"))]);
    assert_eq!(decode(std::slice::from_ref(&list)).len(), 3);
    assert_eq!(parsed(&list)["choices"][0]["message"]["content"], "ab");
}

#[test]
fn strange_events_are_nothing() {
    for data in [
        "",
        "x",
        "{\"candidates\":[{\"cont",
        "{\"candidates\":[5]}",
        "{\"candidates\":[{\"content\":{\"parts\":[5,{}]}}]}",
    ] {
        let mut decoder = Gemini::decoder("chat", &target("m"));
        let event = WireEvent { headers: Vec::new(), event: None, data: data.as_bytes().to_vec() };
        assert_eq!(decoder.feed(vec![event]), [], "{data}");
    }
}
