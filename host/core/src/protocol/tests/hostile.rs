//! Nothing that anybody sends makes any of this panic.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use proptest::prelude::*;

use super::{context, wire};
use crate::event::WireEvent;
use crate::protocol::{
    Reader, Writer, chat_answer_to_messages, inspect_answer, messages_to_chat, read_request, rename_model,
};
use crate::request::Protocol::{self, Chat, Embeddings, Messages};

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Chat, Messages, Embeddings])
}

/// JSON out of the words that the readers look for, in places where they do not expect them.
fn confusing_json() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "model",
        "messages",
        "content",
        "role",
        "type",
        "text",
        "thinking",
        "signature",
        "choices",
        "delta",
        "index",
        "tool_calls",
        "function",
        "arguments",
        "name",
        "id",
        "usage",
        "prompt_tokens",
        "finish_reason",
        "error",
        "stop",
        "message",
        "system",
        "tools",
        "tool_use",
        "tool_result",
        "image",
        "source",
        "input",
        "content_block_delta",
        "content_block_start",
        "message_start",
        "message_delta",
        "text_delta",
        "input_json_delta",
        "partial_json",
        "content_block",
        "stream",
        "assistant",
        "user",
        "",
        "\\u0000",
        "\\ud800",
        "é",
    ]);
    let quoted = word.prop_map(|word| format!("\"{word}\"")).boxed();
    let leaf = prop_oneof![
        3 => quoted.clone(),
        1 => prop::sample::select(vec!["null", "true", "0", "-1", "1e400", "18446744073709551616", "[]", "{}"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let member = (quoted.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            3 => prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => confusing_json().prop_map(String::into_bytes),
        1 => any::<Vec<u8>>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn requests(protocol in any_protocol(), bytes in anything()) {
        if let Ok((_, body)) = read_request(protocol, Bytes::from(bytes), HeaderMap::new(), 1) {
            let _ = messages_to_chat(&body);
        }
    }

    #[test]
    fn message_requests(content in confusing_json(), system in confusing_json(), tools in confusing_json()) {
        let json = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":{content}}},{{"role":"assistant","content":{content}}}],"system":{system},"tools":[{tools}]}}"#
        );
        if let Ok((_, body)) = read_request(Messages, Bytes::from(json), HeaderMap::new(), 1)
            && let Ok(translated) = messages_to_chat(&body)
        {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(translated.body.bytes()).is_ok());
        }
    }

    #[test]
    fn answers(protocol in any_protocol(), bytes in anything()) {
        let _ = inspect_answer(protocol, &bytes);
        let _ = rename_model(&bytes, "m");
        if let Ok(message) = chat_answer_to_messages(&bytes, "m") {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&message).is_ok());
        }
    }

    #[test]
    fn streams(protocol in any_protocol(), to in any_protocol(), pieces in prop::collection::vec(anything(), 0..8)) {
        let mut peeking = Reader::new(protocol);
        let mut decoding = Reader::new(protocol);
        let mut writer = Writer::new(to, context());
        let mut out = BytesMut::new();
        for data in pieces {
            let event = WireEvent { data: data.into(), ..WireEvent::default() };
            let mut events = Vec::new();
            prop_assert_eq!(decoding.decode(&event, &mut events), peeking.peek(&event));
            for event in &events {
                writer.write(event, &mut out);
            }
        }
        writer.finish(&mut out);
        for event in wire(&out) {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&event.data).is_ok();
            prop_assert!(is_json || event.data == "[DONE]", "{:?}", event.data);
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let nested = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{deep}}}]}}"#);
    for protocol in [Chat, Messages] {
        let read = read_request(protocol, Bytes::from(nested.clone()), HeaderMap::new(), 1);
        if let Ok((_, body)) = read {
            let _ = messages_to_chat(&body);
        }
        let _ = inspect_answer(protocol, deep.as_bytes());
        let event = WireEvent { data: Bytes::from(nested.clone()), ..WireEvent::default() };
        Reader::new(protocol).peek(&event);
        let event = WireEvent {
            data: Bytes::from(format!(r#"{{"choices":[{{"delta":{{"content":{deep}}}}}]}}"#)),
            ..WireEvent::default()
        };
        Reader::new(protocol).peek(&event);
    }
}
