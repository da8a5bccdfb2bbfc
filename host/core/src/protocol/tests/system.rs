//! Another system prompt in a request.

use serde_json::{Value, json};

use super::request;
use crate::protocol::with_system;
use crate::request::Protocol::{self, Chat, Embeddings, Messages};

/// What is sent when the prompt becomes `prompt`, and what the prompt was.
fn changed(protocol: Protocol, body: &Value, prompt: &str) -> (Value, String) {
    let (_, body) = request(protocol, &body.to_string()).expect("a request");
    let mut was = None;
    let written = with_system(&body, |own| {
        was = Some(own.to_owned());
        Ok(prompt.to_owned())
    });
    let written = written.expect("no failure").expect("a body");
    (serde_json::from_slice(written.bytes()).expect("JSON"), was.expect("asked"))
}

fn turn(role: &str, content: impl Into<Value>) -> Value {
    json!({ "role": role, "content": content.into() })
}

#[test]
fn instructions_at_the_beginning_of_a_chat_become_one_turn() {
    let ask = || turn("user", "hi");
    let parts = json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]);
    let late = turn("system", "late");
    for (turns, was, now) in [
        (vec![ask()], "", vec![turn("system", "new"), ask()]),
        (vec![turn("system", "be kind"), ask()], "be kind", vec![turn("system", "new"), ask()]),
        (
            vec![turn("developer", "a"), turn("system", "b"), ask()],
            "a\n\nb",
            vec![turn("developer", "new"), ask()],
        ),
        (vec![turn("system", parts), ask()], "one\n\ntwo", vec![turn("system", "new"), ask()]),
        (vec![ask(), late.clone()], "", vec![turn("system", "new"), ask(), late]),
    ] {
        let body = json!({ "model": "m", "messages": turns, "z": 1.50 });
        let (sent, own) = changed(Chat, &body, "new");
        assert_eq!((&sent["messages"], own.as_str()), (&json!(now), was));
        assert_eq!(sent["z"], body["z"]);
    }
    let (sent, _) = changed(Chat, &json!({ "model": "m", "messages": [turn("system", "x"), ask()] }), "");
    assert_eq!(sent["messages"], json!([ask()]), "no prompt, no turn");
}

#[test]
fn the_prompt_of_messages_is_a_member_and_keeps_its_mark() {
    let body = |system: Value| {
        let mut body = json!({ "model": "m", "max_tokens": 9, "messages": [turn("user", "hi")] });
        if !system.is_null() {
            body["system"] = system;
        }
        body
    };
    let mark = json!({ "type": "ephemeral" });
    let block = |text: &str| json!({ "type": "text", "text": text });
    let marked = |text: &str| json!({ "type": "text", "text": text, "cache_control": mark });
    for (system, was, now) in [
        (Value::Null, "", json!("new")),
        (json!("be kind"), "be kind", json!("new")),
        (json!([block("a"), block("b")]), "a\n\nb", json!("new")),
        (json!([block("a"), marked("b")]), "a\n\nb", json!([marked("new")])),
    ] {
        let (sent, own) = changed(Messages, &body(system), "new");
        assert_eq!((&sent["system"], own.as_str()), (&now, was));
        assert_eq!(sent["messages"], json!([turn("user", "hi")]));
    }
    assert_eq!(changed(Messages, &body(json!("x")), "").0, body(Value::Null));
}

#[test]
fn what_has_no_prompt_is_left_alone() {
    let (_, body) = request(Embeddings, r#"{"model":"m","input":"x"}"#).expect("a request");
    assert!(matches!(with_system(&body, |_| Ok("new".to_owned())), Ok(None)));
    let (_, body) =
        request(Chat, r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#).expect("a request");
    assert_eq!(with_system(&body, |_| Err("no".to_owned())).err().as_deref(), Some("no"));
}
