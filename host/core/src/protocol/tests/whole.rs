//! Whole answers that an adapter tells as events.

use serde_json::{Value, json};

use crate::class::{Class, Failure};
use crate::event::{Event, Finish, FinishReason, StreamEvent, ToolDelta, Usage};
use crate::protocol::{AnswerFacts, Inspected, WriterContext, inspect_answer, write_chat_answer};
use crate::request::Protocol;

fn context() -> WriterContext {
    WriterContext {
        id: "ours".to_owned(),
        model: "asked".to_owned(),
        pin_model: false,
        created_s: 77,
        include_usage: true,
    }
}

fn of(choice: u32) -> impl Fn(Event) -> StreamEvent {
    move |what| StreamEvent { choice, what }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn reasoning(text: &str, opaque: Option<&str>) -> Event {
    Event::Reasoning { text: text.to_owned(), opaque: opaque.map(str::to_owned) }
}

fn call(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str, opaque: Option<&str>) -> Event {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (id, name, opaque) = (owned(id), owned(name), owned(opaque));
    Event::ToolCall(ToolDelta { index, id, name, arguments: arguments.to_owned(), opaque })
}

fn finish(reason: FinishReason, native: &str) -> Event {
    Event::Finish(Finish { reason, native: Some(native.to_owned()), stop_sequence: None })
}

/// What is written, and that what decides is the same as what a reader of the written answer finds.
fn written(events: Vec<StreamEvent>) -> Value {
    let (body, facts) = write_chat_answer(events, &context()).expect("an answer");
    let Inspected::Answer(found) = inspect_answer(Protocol::Chat, &body) else {
        panic!("no answer: {body:?}")
    };
    let counts =
        |facts: &AnswerFacts| facts.usage.as_ref().map(|usage| (usage.input_tokens, usage.output_tokens));
    assert_eq!((found.empty, found.finish, counts(&found)), (facts.empty, facts.finish, counts(&facts)));
    serde_json::from_slice(&body).expect("JSON")
}

#[test]
fn everything_an_answer_can_hold() {
    let (first, second) = (of(0), of(1));
    let usage = Usage {
        input_tokens: 5,
        output_tokens: 4,
        cache_read_tokens: Some(2),
        reasoning_tokens: Some(1),
        ..Usage::default()
    };
    let answer = written(vec![
        first(Event::Start { id: Some("a".to_owned()), model: Some("m".to_owned()) }),
        first(reasoning("h", Some("s1;"))),
        first(reasoning("m", None)),
        first(reasoning("", Some("s2;"))),
        first(text("Hel\"")),
        second(text("Other")),
        first(text("lo")),
        first(call(0, Some("c1"), Some("f"), "{\"b\":", None)),
        first(call(1, Some("c2"), Some("g"), "{}", Some("T="))),
        first(call(0, None, None, "1}", Some("S="))),
        second(finish(FinishReason::Length, "MAX")),
        first(Event::Usage(Usage { input_tokens: 1, ..Usage::default() })),
        first(finish(FinishReason::ToolCalls, "tool_use")),
        first(Event::Usage(usage)),
        first(Event::Done),
    ]);
    let called = |id: &str, name: &str, arguments: &str, state: &str| {
        json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments },
            "extra_content": { "google": { "thought_signature": state } } })
    };
    assert_eq!(
        answer,
        json!({
            "id": "a", "object": "chat.completion", "created": 77, "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": "Hel\"lo", "refusal": null,
                        "reasoning_content": "hm", "reasoning_opaque": "s1;s2;",
                        "tool_calls": [called("c1", "f", "{\"b\":1}", "S="), called("c2", "g", "{}", "T=")],
                    },
                    "logprobs": null, "finish_reason": "tool_calls", "native_finish_reason": "tool_use",
                },
                {
                    "index": 1,
                    "message": { "role": "assistant", "content": "Other", "refusal": null },
                    "logprobs": null, "finish_reason": "length", "native_finish_reason": "MAX",
                },
            ],
            "usage": { "prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9,
                "prompt_tokens_details": { "cached_tokens": 2 },
                "completion_tokens_details": { "reasoning_tokens": 1 } },
        })
    );
}

#[test]
fn what_the_events_leave_out() {
    let choice = of(0);
    let answer = written(vec![
        choice(call(0, Some("c"), Some("f"), "{}", None)),
        choice(Event::Finish(Finish {
            reason: FinishReason::StopSequence,
            native: None,
            stop_sequence: Some("END".to_owned()),
        })),
    ]);
    assert_eq!((&answer["id"], &answer["model"]), (&json!("ours"), &json!("asked")));
    assert_eq!(answer["usage"], Value::Null);
    let only = &answer["choices"][0];
    assert_eq!(only["message"]["content"], Value::Null, "silent, for it calls");
    assert_eq!((&only["finish_reason"], &only["stop_reason"]), (&json!("stop"), &json!("END")));
}

#[test]
fn members_without_an_event() {
    let choice = of(0);
    let raw = |json: Value| Event::RawChoice(json.to_string());
    let answer = written(vec![
        choice(text("x")),
        choice(raw(json!({ "logprobs": { "content": [1] }, "index": 9, "finish_reason": "odd", "z": 1 }))),
        choice(raw(
            json!({ "delta": { "refusal": "no", "content": "smuggled", "annotations": [] }, "z": 2 }),
        )),
        choice(Event::RawChoice("[1]".to_owned())),
        choice(finish(FinishReason::ContentFilter, "refusal")),
    ]);
    assert_eq!(
        answer["choices"],
        json!([{
            "index": 0,
            "message": { "role": "assistant", "content": "x", "refusal": "no", "annotations": [] },
            "logprobs": { "content": [1] }, "z": 2,
            "finish_reason": "content_filter", "native_finish_reason": "refusal",
        }])
    );
}

#[test]
fn an_answer_with_nothing_in_it_is_empty() {
    let facts =
        |events: Vec<StreamEvent>| write_chat_answer(events, &context()).map(|(_, facts)| facts.empty);
    let choice = of(0);
    let end = || choice(finish(FinishReason::Stop, "stop"));
    assert_eq!(facts(vec![end()]), Ok(true));
    assert_eq!(facts(vec![choice(text("")), end()]), Ok(true));
    assert_eq!(facts(vec![choice(text("x")), end()]), Ok(false));
    assert_eq!(facts(vec![choice(reasoning("x", None)), end()]), Ok(false));
    assert_eq!(facts(vec![choice(call(0, None, None, "", None)), end()]), Ok(false));
}

#[test]
fn what_is_no_answer() {
    let choice = of(0);
    let class =
        |events: Vec<StreamEvent>| write_chat_answer(events, &context()).expect_err("a failure").class;
    assert_eq!(class(vec![]), Class::Malformed);
    assert_eq!(class(vec![choice(text("cut"))]), Class::Malformed);
    let failed = Failure::new(Class::Overloaded, "busy");
    assert_eq!(class(vec![choice(text("x")), choice(Event::Failed(failed))]), Class::Overloaded);
}
