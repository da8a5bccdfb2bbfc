use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;

use super::target;
use crate::Anthropic;

const NEW: &str = "claude-sonnet-5";

#[test]
fn messages_keep_their_bytes() {
    let body = LocalBody::new(
        "messages",
        &json!({ "model": "alias", "stream": true, "max_tokens": 1, "messages": [] }),
    )
    .with_header("Anthropic-Beta", "some-beta")
    .with_header("anthropic-version", "2024-01-01");
    let streaming = Target { streaming: true, ..target(NEW) };
    let request = Anthropic::build_request(&body, &streaming).expect("a request");
    assert_eq!(request.path_and_query, "/messages");
    assert_eq!(request.reply, ReplyFormat::Same);
    assert_eq!(request.body, BodyPlan::MergePatch(json!({ "model": NEW }).to_string()));
    assert_eq!(headers::get(&request.headers, "anthropic-beta"), Some("some-beta"));
    assert_eq!(headers::get(&request.headers, "anthropic-version"), Some("2024-01-01"));
    let plain = Anthropic::build_request(&body, &target(NEW)).expect("a request");
    assert_eq!(plain.body, BodyPlan::MergePatch(json!({ "model": NEW, "stream": false }).to_string()));
    assert!(Anthropic::build_request(&LocalBody::new("embeddings", &json!({})), &target(NEW)).is_err());
}

#[test]
fn chat_is_sent_whole() {
    let hi = json!([{ "role": "user", "content": "Hi" }]);
    let body = LocalBody::new("chat", &json!({ "model": "alias", "stream": true, "messages": hi }))
        .with_header("anthropic-beta", "some-beta")
        .with_header("anthropic-version", "2024-01-01");
    let request =
        Anthropic::build_request(&body, &Target { streaming: true, ..target(NEW) }).expect("a request");
    let BodyPlan::Full(bytes) = request.body else { panic!("a whole body") };
    let sent: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!((&sent["stream"], &sent["model"]), (&json!(true), &json!(NEW)));
    assert_eq!(request.reply, ReplyFormat::Custom(Framing::Sse));
    assert_eq!(headers::get(&request.headers, "anthropic-beta"), Some("some-beta"));
    // The version that the translation was written for, whatever the client says.
    assert_eq!(headers::get(&request.headers, "anthropic-version"), Some("2023-06-01"));
}

#[test]
fn models_are_known_by_family_and_version() {
    let check = |name: &str, window: Option<u32>, input: Option<f64>, prefix: bool| {
        let known = Anthropic::model(name, "{}").expect("capabilities");
        assert_eq!((known.context_window, known.input_price_per_1m), (window, input), "{name}");
        assert_eq!(known.continues_assistant_prefix, prefix, "{name}");
        assert!(!known.choices);
    };
    check("claude-3-haiku-20240307", Some(200_000), Some(0.25), true);
    check("claude-3-7-sonnet-latest", Some(200_000), Some(3.0), true);
    check("claude-sonnet-4-20250514", Some(200_000), Some(3.0), true);
    check("claude-opus-4-1-20250805", Some(200_000), Some(15.0), true);
    check("claude-haiku-4-5-20251001", Some(200_000), Some(1.0), true);
    check("claude-opus-4-6", Some(1_000_000), Some(5.0), false);
    check("claude-opus-5-5", Some(1_000_000), Some(4.0), false);
    check("claude-fable-5-2", Some(1_000_000), Some(8.0), false);
    check("claude-sonnet-9", Some(1_000_000), Some(2.0), false);
    check("deepseek-chat", None, None, false);
}

#[test]
fn the_instance() {
    let settings = Anthropic::configure("{}").expect("settings");
    assert_eq!(settings.auth, Auth::Header("x-api-key".to_owned()));
    assert_eq!(settings.accepts, ["chat", "messages"]);
    assert_eq!(Anthropic::configure("{\"basse\":1}").expect_err("a problem")[0].path, "/basse");
}
