use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{
    Corpus, Reading, check_exchange, check_splits, decode, failure_of, frames, sent, target,
};

use crate::OpenAi;

#[test]
fn only_what_must_differ_differs() {
    let cases = [
        (
            "gpt-4o",
            false,
            json!({"model": "x", "max_tokens": 5}),
            json!({"model": "gpt-4o", "max_tokens": 5}),
        ),
        (
            "gpt-5-mini",
            false,
            json!({"max_tokens": 5, "seed": 1}),
            json!({"model": "gpt-5-mini", "max_completion_tokens": 5, "seed": 1}),
        ),
        (
            "o3",
            false,
            json!({"max_tokens": 5, "max_completion_tokens": 6}),
            json!({"model": "o3", "max_completion_tokens": 6}),
        ),
        (
            "gpt-4o",
            true,
            json!({"stream": true}),
            json!({"model": "gpt-4o", "stream": true, "stream_options": {"include_usage": true}}),
        ),
        (
            "gpt-4o",
            true,
            json!({"stream": true, "stream_options": {"include_usage": false, "include_obfuscation": false}}),
            json!({"model": "gpt-4o", "stream": true,
                "stream_options": {"include_usage": true, "include_obfuscation": false}}),
        ),
        (
            "gpt-4o",
            false,
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            json!({"model": "gpt-4o", "stream": false}),
        ),
    ];
    for (model, streaming, body, expected) in cases {
        let seen = sent::<OpenAi>("chat", body.clone(), &target(model, streaming, "{}"));
        assert_eq!(seen, expected, "{model} {body}");
    }
}

#[test]
fn a_status_of_no_capacity_outweighs_a_word_that_says_nothing() {
    let check = |status: u16, error: Value, expect: ErrorClass| {
        let data = json!({ "error": error }).to_string().into_bytes();
        let failure = Failure { status: Some(status), headers: Vec::new(), data, in_stream: false };
        assert_eq!(OpenAi::classify(&target("m", false, "{}"), &failure).class, expect, "{status} {error}");
    };
    let plain = || json!({"message": "x", "type": "server_error", "code": null});
    check(503, plain(), ErrorClass::Overloaded);
    check(529, plain(), ErrorClass::Overloaded);
    check(500, plain(), ErrorClass::ServerError);
    check(503, json!({"message": "x", "type": "server_error", "code": "timeout"}), ErrorClass::Timeout);
}

#[test]
fn replies_keep_their_bytes() {
    for (protocol, path) in [("chat", "/chat/completions"), ("embeddings", "/embeddings")] {
        let body = LocalBody::new(protocol, &json!({"model": "x"}));
        let request = OpenAi::build_request(&body, &target("m", false, "{}")).unwrap();
        assert_eq!((request.method.as_str(), request.path_and_query.as_str()), ("POST", path));
        assert_eq!(request.reply, ReplyFormat::Same);
    }
    let body = LocalBody::new("messages", &json!({}));
    let refused = OpenAi::build_request(&body, &target("m", false, "{}")).unwrap_err();
    assert_eq!(refused.class, ErrorClass::UnsupportedParameter);
}

#[test]
fn embeddings_keep_their_body() {
    let body = json!({"model": "x", "input": "hi", "dimensions": 3});
    let seen = sent::<OpenAi>("embeddings", body, &target("text-embedding-3-small", false, "{}"));
    assert_eq!(seen, json!({"model": "text-embedding-3-small", "input": "hi", "dimensions": 3}));
}

#[test]
fn the_account_goes_into_headers_and_nothing_else_is_a_setting() {
    let config = r#"{"organization": "org-1", "project": "proj_2"}"#;
    let body = LocalBody::new("chat", &json!({}));
    let request = OpenAi::build_request(&body, &target("gpt-4o", false, config)).unwrap();
    assert_eq!(headers::get(&request.headers, "OpenAI-Organization"), Some("org-1"));
    assert_eq!(headers::get(&request.headers, "OpenAI-Project"), Some("proj_2"));
    let problems = OpenAi::configure(r#"{"organisation": "x", "project": 3}"#).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["/project", "/organisation"]);
    assert_eq!(problems[1].fix.as_deref(), Some("did you mean `organization`?"));
}

#[test]
fn a_known_name_does_not_speak_for_later_versions() {
    let window = |name| OpenAi::model(name, "{}").unwrap().context_window;
    let cases = [
        ("gpt-4o-2024-08-06", Some(128_000)),
        ("gpt-4.1-nano", Some(1_047_576)),
        ("ft:gpt-4o-mini:acme::1", Some(128_000)),
        ("gpt-5.9", None),
        ("gpt-40", None),
        ("unheard-of", None),
    ];
    for (name, expected) in cases {
        assert_eq!(window(name), expected, "{name}");
    }
}

#[test]
fn recorded_replies_read_as_the_providers_own_client_reads_them() {
    let Some(corpus) = Corpus::load() else { return };
    let mut misses = Vec::new();
    for exchange in corpus.select("openai-chat", |provider| provider == "openai") {
        let checks = [check_exchange::<OpenAi>(exchange, "{}"), check_splits::<OpenAi>(exchange, "{}")];
        misses
            .extend(checks.into_iter().filter_map(Result::err).map(|why| format!("{}: {why}", exchange.id)));
    }
    // The client keeps a refusal in a member of its own; the contract's events know it as text. Clients of this adapter
    // get the provider's own bytes either way.
    let refusal =
        "openai-ef07de35459d: text: expected \"\", read \"I'm very sorry, but I can't assist with that.\"";
    assert_eq!(misses, [refusal]);
}

#[test]
fn a_quota_inside_a_200_is_a_quota() {
    if Corpus::load().is_none() {
        return;
    }
    let literal = Corpus::literal_errors("openai-responses");
    let [exchange] = literal.as_slice() else { panic!("{} literal errors", literal.len()) };
    let events = decode::<OpenAi>(&target("m", true, "{}"), &frames(&exchange.body));
    let failed = Reading::from_events(&events).failed.unwrap();
    assert_eq!((failed.class, failed.scope), (ErrorClass::QuotaExhausted, Scope::Credential));
}

#[test]
fn recorded_failures_have_the_class_that_a_reader_gives_them() {
    let Some(corpus) = Corpus::load() else { return };
    let expected = [
        ("openai-80aed6a0fe8f", ErrorClass::Auth, None),
        ("openai-6201b1c6cc7a", ErrorClass::UnsupportedParameter, Some("messages[0].role")),
        ("openai-de1ae295cf51", ErrorClass::BadRequest, Some("messages[3]")),
        ("openai-4a4abaea7eaa", ErrorClass::BadRequest, None),
        ("openai-fb705652a85b", ErrorClass::ModelNotFound, None),
    ];
    let mut recorded = corpus.select("openai-chat", |provider| provider == "openai");
    recorded.extend(corpus.select("openai-embeddings", |provider| provider == "openai"));
    for (id, class, param) in expected {
        let exchange = recorded.iter().find(|e| e.id == id).unwrap();
        let seen = OpenAi::classify(&target("m", false, "{}"), &failure_of(exchange));
        assert_eq!((seen.class, seen.param.as_deref()), (class, param), "{id}");
    }
}
