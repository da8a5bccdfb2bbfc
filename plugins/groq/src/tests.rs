use seawall_plugin::adapter::FailShape;
use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{Corpus, Reading, check_exchange, check_splits, decode, frames, sent, target};

use crate::Groq;

fn classify(status: u16, body: Value) -> ProviderError {
    let failure = Failure {
        status: Some(status),
        headers: vec![headers::header("Retry-After", "7")],
        data: body.to_string().into_bytes(),
        in_stream: false,
    };
    Groq::classify(&target("m", false, "{}"), &failure)
}

#[test]
fn failures_mean_what_groq_documents() {
    let error =
        |code: &str| json!({"error": {"message": "x", "type": "invalid_request_error", "code": code}});
    let kind = |kind: &str| json!({"error": {"message": "x", "type": kind}});
    let failed = json!({"error": {"message": "x", "code": "tool_use_failed", "failed_generation": "<fn"}});
    let cases = [
        (498, json!({"error": {"message": "x"}}), ErrorClass::Overloaded),
        (498, error("capacity_exceeded"), ErrorClass::Overloaded),
        (429, error("rate_limit_exceeded"), ErrorClass::RateLimited),
        (413, error("rate_limit_exceeded"), ErrorClass::ContextLength),
        (400, failed, ErrorClass::ToolCallInvalid),
        (400, error("json_validate_failed"), ErrorClass::ToolCallInvalid),
        (401, error("invalid_api_key"), ErrorClass::Auth),
        (404, error("model_not_found"), ErrorClass::ModelNotFound),
        (400, error("model_decommissioned"), ErrorClass::ModelNotFound),
        (424, json!({}), ErrorClass::ServerError),
        (503, json!({}), ErrorClass::Overloaded),
        (503, kind("internal_server_error"), ErrorClass::Overloaded),
        (529, kind("internal_server_error"), ErrorClass::Overloaded),
        (503, kind("timeout"), ErrorClass::Timeout),
        (500, kind("internal_server_error"), ErrorClass::ServerError),
    ];
    for (status, body, expected) in cases {
        let seen = classify(status, body.clone());
        assert_eq!((seen.class, seen.retry_after_ms), (expected, Some(7000)), "{status} {body}");
    }
}

#[test]
fn members_that_groq_refuses_are_removed() {
    let target = target("llama-3.3-70b-versatile", false, r#"{"service_tier": "flex"}"#);
    let body = json!({"logprobs": true, "store": false, "messages": [], "temperature": 1});
    let expected = json!({
        "model": "llama-3.3-70b-versatile",
        "messages": [],
        "temperature": 1,
        "service_tier": "flex",
    });
    assert_eq!(sent::<Groq>("chat", body, &target), expected);
    let request = Groq::build_request(&LocalBody::new("chat", &json!({})), &target).unwrap();
    assert_eq!(request.reply, ReplyFormat::Watched);
}

#[test]
fn embeddings_keep_their_body() {
    let target = target("e", false, r#"{"service_tier": "flex"}"#);
    let seen = sent::<Groq>("embeddings", json!({"input": "hi", "user": "u"}), &target);
    assert_eq!(seen, json!({"model": "e", "input": "hi", "user": "u"}));
}

#[test]
fn what_it_renders_it_also_understands() {
    for class in
        [ErrorClass::Overloaded, ErrorClass::RateLimited, ErrorClass::ToolCallInvalid, ErrorClass::Auth]
    {
        for in_stream in [false, true] {
            let shape = Shape::Failure(FailShape { class, retry_after: Some("2".to_owned()), in_stream });
            let reply = Groq::render(&shape).unwrap();
            let seen = if in_stream {
                let events = decode::<Groq>(&target("m", true, "{}"), &frames(&reply.body));
                Reading::from_events(&events).failed.unwrap()
            } else {
                let failure = Failure {
                    status: Some(reply.status),
                    headers: reply.headers,
                    data: reply.body,
                    in_stream: false,
                };
                Groq::classify(&target("m", false, "{}"), &failure)
            };
            assert_eq!(seen.class, class, "in stream: {in_stream}");
        }
    }
}

#[test]
fn recorded_replies_read_as_the_providers_own_client_reads_them() {
    let Some(corpus) = Corpus::load() else { return };
    let mut misses = Vec::new();
    for exchange in corpus.select("openai-chat", |provider| provider == "groq") {
        let checks = [check_exchange::<Groq>(exchange, "{}"), check_splits::<Groq>(exchange, "{}")];
        misses
            .extend(checks.into_iter().filter_map(Result::err).map(|why| format!("{}: {why}", exchange.id)));
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

#[test]
fn usage_in_groqs_own_member_counts() {
    let chunk = br#"data: {"id":"c","choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":4}}}"#;
    let reading = Reading::from_events(&decode::<Groq>(&target("m", true, "{}"), &frames(chunk)));
    assert_eq!(reading.usage, Some((3, 4)));
}
