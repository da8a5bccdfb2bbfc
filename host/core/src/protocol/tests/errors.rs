use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::json;

use super::json as parse;
use crate::protocol::{
    KEEP_ALIVE, ModelEntry, ModelListForm, answer_id, error_body, error_event, models_list, terminator,
};
use crate::reply::ClientError;
use crate::request::Protocol::{Chat, Embeddings, Messages};
use crate::request::RequestId;

#[test]
fn each_protocol_gets_its_own_words() {
    let words: BTreeMap<u16, (&str, &str)> = BTreeMap::from([
        (400, ("invalid_request_error", "invalid_request_error")),
        (401, ("authentication_error", "authentication_error")),
        (402, ("invalid_request_error", "billing_error")),
        (403, ("permission_error", "permission_error")),
        (404, ("invalid_request_error", "not_found_error")),
        (413, ("invalid_request_error", "request_too_large")),
        (422, ("invalid_request_error", "invalid_request_error")),
        (429, ("rate_limit_error", "rate_limit_error")),
        (500, ("server_error", "api_error")),
        (502, ("server_error", "api_error")),
        (503, ("server_error", "overloaded_error")),
        (504, ("server_error", "timeout_error")),
        (529, ("server_error", "overloaded_error")),
    ]);
    for (status, (chat, messages)) in words {
        let error = ClientError::new(status, "some_code", "say \"why\"").with_param("model");
        let expect =
            json!({"error": {"message": "say \"why\"", "type": chat, "param": "model", "code": "some_code"}});
        assert_eq!(parse(&error_body(Chat, &error, "req_1")), expect);
        assert_eq!(parse(&error_body(Embeddings, &error, "req_1")), expect);
        let expect = json!({"type": "error", "request_id": "req_1", "error": {
            "type": messages, "message": "say \"why\"", "code": "some_code", "param": "model"}});
        assert_eq!(parse(&error_body(Messages, &error, "req_1")), expect);
    }
    let quota = ClientError::new(429, "quota_exhausted", "x");
    assert_eq!(parse(&error_body(Chat, &quota, ""))["error"]["type"], "insufficient_quota");
    assert_eq!(parse(&error_body(Chat, &quota, ""))["error"]["param"], json!(null));
}

#[test]
fn error_events() {
    let error = ClientError::new(502, "stream_interrupted", "x");
    let chat = error_event(Chat, &error);
    assert!(chat.starts_with(b"data: {\"error\":{") && chat.ends_with(b"}}\n\n"), "{chat:?}");
    let messages = error_event(Messages, &error);
    assert!(
        messages.starts_with(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"")
    );
}

#[test]
fn constants_are_whole_events() {
    assert_eq!(terminator(Chat), b"data: [DONE]\n\n");
    assert!(terminator(Messages).starts_with(b"event: message_stop\n"));
    assert!(KEEP_ALIVE.starts_with(b":") && KEEP_ALIVE.ends_with(b"\n\n"));
    assert_eq!(answer_id(Chat, RequestId(1)), "chatcmpl-0000000000000001");
    assert_eq!(answer_id(Messages, RequestId(1)), "msg_0000000000000001");
}

#[test]
fn model_lists() {
    let entries = [
        ModelEntry { id: "fast", created_s: 0, owned_by: "seawall" },
        ModelEntry { id: "p/m", created_s: 1_735_689_599, owned_by: "p" },
    ];
    let mut headers = HeaderMap::new();
    let list = |headers: &HeaderMap| parse(&models_list(&entries, ModelListForm::of(headers)));
    assert_eq!(
        list(&headers),
        json!({"object": "list", "data": [
            {"id": "fast", "object": "model", "created": 0, "owned_by": "seawall"},
            {"id": "p/m", "object": "model", "created": 1_735_689_599, "owned_by": "p"},
        ]})
    );
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(
        list(&headers),
        json!({"has_more": false, "first_id": "fast", "last_id": "p/m", "data": [
            {"type": "model", "id": "fast", "display_name": "fast", "created_at": "1970-01-01T00:00:00Z"},
            {"type": "model", "id": "p/m", "display_name": "p/m", "created_at": "2024-12-31T23:59:59Z"},
        ]})
    );
    let leap = [ModelEntry { id: "x", created_s: 1_709_210_096, owned_by: "p" }];
    let list = parse(&models_list(&leap, ModelListForm::Anthropic));
    assert_eq!(list["data"][0]["created_at"], "2024-02-29T12:34:56Z");
    let none = parse(&models_list(&[], ModelListForm::Anthropic));
    assert_eq!(none, json!({"data": [], "has_more": false, "first_id": null, "last_id": null}));
}
