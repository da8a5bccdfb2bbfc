use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;
use seawall_translate::Json;

use super::target;
use crate::Gemini;
use crate::request::translate;

const TWO: &str = "gemini-2.5-flash";
const THREE: &str = "gemini-3-flash-preview";

fn try_translate(model: &str, body: &Value) -> Result<Value, ProviderError> {
    let (body, target) = (body.to_string(), target(model));
    let chat = Json::parse(body.as_bytes()).expect("JSON");
    let request = translate(&chat, &target)?;
    Ok(serde_json::from_slice(&request.to_bytes()).expect("JSON"))
}

fn translated(model: &str, body: &Value) -> Value {
    try_translate(model, body).expect("a request")
}

fn asking(more: Value) -> Value {
    let mut body = json!({ "model": "alias", "messages": [{ "role": "user", "content": "Hi" }] });
    body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    body
}

fn check_messages(messages: Value, system: Value, contents: Value) {
    let request = translated(TWO, &json!({ "messages": messages }));
    assert_eq!(request.pointer("/systemInstruction/parts").cloned().unwrap_or_default(), system);
    assert_eq!(request["contents"], contents);
}

/// The members that `more` brings into the request.
fn check(model: &str, more: Value, expect: Value) {
    let mut request = translated(model, &asking(more.clone()));
    request.as_object_mut().expect("object").remove("contents");
    assert_eq!(request, expect, "{model}: {more}");
}

fn check_config(model: &str, more: Value, config: Value) {
    let request = translated(model, &asking(more.clone()));
    assert_eq!(request.get("generationConfig").cloned().unwrap_or(json!({})), config, "{model}: {more}");
}

fn call(id: &str, more: Value) -> Value {
    let mut call =
        json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } });
    call.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    call
}

#[test]
fn the_smallest_request() {
    assert_eq!(
        translated(TWO, &asking(json!({}))),
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] })
    );
}

#[test]
fn instructions_stand_apart_and_roles_alternate() {
    check_messages(
        json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "One" },
            { "role": "user", "content": [{ "type": "text", "text": "Two" }] },
            { "role": "assistant", "content": "Yes" },
            { "role": "developer", "content": "Be kind." },
            { "role": "user", "content": "Three" },
        ]),
        json!([{ "text": "Be brief." }, { "text": "Be kind." }]),
        json!([
            { "role": "user", "parts": [{ "text": "One" }, { "text": "Two" }] },
            { "role": "model", "parts": [{ "text": "Yes" }] },
            { "role": "user", "parts": [{ "text": "Three" }] },
        ]),
    );
    check_messages(
        json!([{ "role": "system", "content": "Say hello." }]),
        Value::Null,
        json!([{ "role": "user", "parts": [{ "text": "Say hello." }] }]),
    );
    check_messages(
        json!([{ "role": "assistant", "content": "Hello" }]),
        Value::Null,
        json!([
            { "role": "user", "parts": [{ "text": "(start)" }] },
            { "role": "model", "parts": [{ "text": "Hello" }] },
        ]),
    );
}

#[test]
fn media() {
    let check = |part: Value, expect: Value| {
        check_messages(
            json!([{ "role": "user", "content": [part] }]),
            Value::Null,
            json!([{ "role": "user", "parts": [expect] }]),
        );
    };
    check(
        json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,@blob:5f:0@" } }),
        json!({ "inlineData": { "mimeType": "image/png", "data": "@blob:5f:0@" } }),
    );
    check(
        json!({ "type": "image_url", "image_url": { "url": "https://example.org/a.JPG?x=1" } }),
        json!({ "fileData": { "mimeType": "image/jpeg", "fileUri": "https://example.org/a.JPG?x=1" } }),
    );
    check(
        json!({ "type": "video_url", "video_url": { "url": "https://example.org/watch?v=1" } }),
        json!({ "fileData": { "fileUri": "https://example.org/watch?v=1" } }),
    );
    check(
        json!({ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } }),
        json!({ "inlineData": { "mimeType": "audio/wav", "data": "AAAA" } }),
    );
    check(
        json!({ "type": "file", "file": { "file_data": "data:application/pdf;base64,JVBE" } }),
        json!({ "inlineData": { "mimeType": "application/pdf", "data": "JVBE" } }),
    );
}

#[test]
fn calls_and_their_results() {
    let answer = |id: &str, content: Value| json!({ "role": "tool", "tool_call_id": id, "content": content });
    let response = |id: &str, response: Value| json!({ "functionResponse": { "id": id, "name": "f", "response": response } });
    let function = |id: &str| json!({ "functionCall": { "id": id, "name": "f", "args": { "a": 1 } } });
    check_messages(
        json!([
            { "role": "user", "content": "Do" },
            { "role": "assistant", "content": "ok", "tool_calls": [call("1", json!({})), call("2", json!({})), call("3", json!({}))] },
            answer("1", json!("plain")),
            answer("2", json!("{\"k\":[1]}")),
            answer("3", json!([
                { "type": "text", "text": "[1]" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } },
            ])),
        ]),
        Value::Null,
        json!([
            { "role": "user", "parts": [{ "text": "Do" }] },
            { "role": "model", "parts": [{ "text": "ok" }, function("1"), function("2"), function("3")] },
            { "role": "user", "parts": [
                response("1", json!({ "result": "plain" })),
                response("2", json!({ "k": [1] })),
                response("3", json!({ "result": "[1]" })),
                { "inlineData": { "mimeType": "image/png", "data": "AA" } },
            ] },
        ]),
    );
    let lost = json!({ "messages": [answer("9", json!("x"))] });
    assert_eq!(try_translate(TWO, &lost).expect_err("a refusal").class, ErrorClass::BadRequest);
}

#[test]
fn signatures_come_back_where_they_were() {
    let signature = |text: &str| json!({ "extra_content": { "google": { "thought_signature": text } } });
    let parts = |model: &str, message: Value| {
        let mut message = message;
        message["role"] = json!("assistant");
        let request =
            translated(model, &json!({ "messages": [{ "role": "user", "content": "x" }, message] }));
        request["contents"][1]["parts"].clone()
    };
    let signed =
        parts(THREE, json!({ "tool_calls": [call("1", signature("Sig+/=")), call("2", json!({}))] }));
    assert_eq!(signed[0]["thoughtSignature"], "Sig+/=");
    assert_eq!(signed[1].get("thoughtSignature"), None);
    let foreign = parts(THREE, json!({ "tool_calls": [call("1", json!({})), call("2", json!({}))] }));
    assert_eq!(foreign[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(foreign[1].get("thoughtSignature"), None);
    let old = parts(TWO, json!({ "tool_calls": [call("1", json!({}))] }));
    assert_eq!(old[0].get("thoughtSignature"), None);
    assert_eq!(
        parts(THREE, json!({ "content": "y", "reasoning_content": "hm", "reasoning_opaque": "gemini:S=;" })),
        json!([{ "text": "hm", "thought": true, "thoughtSignature": "S=" }, { "text": "y" }])
    );
    assert_eq!(
        parts(
            THREE,
            json!({ "content": "y", "reasoning_content": "hm", "reasoning_opaque": "anthropic:2:S=;" })
        ),
        json!([{ "text": "y" }])
    );
}

#[test]
fn tools_and_their_choice() {
    let tools = json!([
        { "type": "function", "function": { "name": "f", "description": "d", "strict": true, "parameters": {
            "$schema": "x", "type": "object", "additionalProperties": false,
            "properties": { "strict": { "const": 5 }, "k": { "anyOf": [{ "type": "string", "examples": ["e"] }] } },
        } } },
        { "type": "function", "function": { "name": "g", "parameters": {} } },
        { "type": "google_search" },
    ]);
    let declared = json!([
        { "functionDeclarations": [
            { "name": "f", "description": "d", "parametersJsonSchema": {
                "type": "object", "additionalProperties": false,
                "properties": { "strict": { "enum": [5] }, "k": { "anyOf": [{ "type": "string" }] } },
            } },
            { "name": "g", "description": "" },
        ] },
        { "googleSearch": {} },
    ]);
    check(TWO, json!({ "tools": tools }), json!({ "tools": declared }));
    let choice = |choice: Value| {
        translated(TWO, &asking(json!({ "tools": tools, "tool_choice": choice })))["toolConfig"].clone()
    };
    let mode = |calling: Value| json!({ "functionCallingConfig": calling });
    assert_eq!(choice(json!("auto")), Value::Null);
    assert_eq!(choice(json!("none")), mode(json!({ "mode": "NONE" })));
    assert_eq!(choice(json!("required")), mode(json!({ "mode": "ANY" })));
    let named = json!({ "type": "function", "function": { "name": "g" } });
    assert_eq!(choice(named), mode(json!({ "mode": "ANY", "allowedFunctionNames": ["g"] })));
}

#[test]
fn knobs() {
    check_config(
        TWO,
        json!({
            "temperature": 1.5, "top_p": 0.5, "top_k": 3, "max_tokens": 7, "stop": "END", "n": 2, "seed": 5,
            "presence_penalty": 0.5, "frequency_penalty": 0, "user": "u", "parallel_tool_calls": false,
        }),
        json!({
            "temperature": 1.5, "topP": 0.5, "topK": 3, "maxOutputTokens": 7, "stopSequences": ["END"],
            "candidateCount": 2, "seed": 5, "presencePenalty": 0.5,
        }),
    );
    check_config(TWO, json!({ "seed": -1 }), json!({ "seed": 1 }));
    check_config(TWO, json!({ "seed": 9_007_199_254_740_991_u64 }), json!({ "seed": 0x7fff_ffff }));
    check_config(
        TWO,
        json!({ "response_format": { "type": "json_object" } }),
        json!({ "responseMimeType": "application/json" }),
    );
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": ["string", "null"] } }, "$schema": "x" });
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema, "strict": true } });
    check_config(
        TWO,
        json!({ "response_format": format }),
        json!({
            "responseMimeType": "application/json",
            "responseJsonSchema": { "type": "object", "properties": { "a": { "type": ["string", "null"] } } },
        }),
    );
}

#[test]
fn effort() {
    let budget = |tokens: u32| json!({ "thinkingConfig": { "thinkingBudget": tokens, "includeThoughts": tokens > 200 } });
    let level = |word: &str| json!({ "thinkingConfig": { "thinkingLevel": word, "includeThoughts": true } });
    for (model, effort, config) in [
        (TWO, "none", budget(0)),
        ("gemini-2.5-pro", "none", budget(128)),
        (TWO, "low", budget(1024)),
        (TWO, "high", budget(24_576)),
        ("gemini-2.0-flash", "high", json!({})),
        (THREE, "minimal", level("minimal")),
        (THREE, "medium", level("medium")),
        ("gemini-3-pro-preview", "medium", level("high")),
        ("gemini-3.8-flash", "minimal", level("low")),
        ("gemini-3.1-pro-preview", "xhigh", level("high")),
    ] {
        check_config(model, json!({ "reasoning_effort": effort }), config);
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    let object = json!({ "type": "json_object" });
    for (model, more, param) in [
        (THREE, json!({ "n": 2 }), "n"),
        (TWO, json!({ "logprobs": true }), "logprobs"),
        (TWO, json!({ "tools": tools, "response_format": object }), "response_format"),
        (TWO, json!({ "tools": [{ "type": "web_search_20250305", "name": "w" }] }), "tools"),
        (
            TWO,
            json!({ "messages": [{ "role": "user", "content": [{ "type": "file", "file": { "file_id": "f" } }] }] }),
            "messages[0].content[0]",
        ),
    ] {
        let error = try_translate(model, &asking(more.clone())).expect_err("a refusal");
        assert_eq!(
            (error.class, error.param.as_deref()),
            (ErrorClass::UnsupportedParameter, Some(param)),
            "{more}"
        );
    }
    assert!(try_translate(THREE, &asking(json!({ "tools": tools, "response_format": object }))).is_ok());
}

#[test]
fn paths() {
    let body = LocalBody::new("chat", &asking(json!({ "stream": true })));
    let path = |model: &str, streaming: bool| {
        let request =
            Gemini::build_request(&body, &Target { streaming, ..target(model) }).expect("a request");
        assert_eq!(request.reply, ReplyFormat::Custom(Framing::Auto));
        request.path_and_query
    };
    assert_eq!(path(TWO, false), "/models/gemini-2.5-flash:generateContent");
    assert_eq!(path(TWO, true), "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(path("tunedModels/mine", false), "/tunedModels/mine:generateContent");
    assert_eq!(path("a?b#c d", false), "/models/a%3Fb%23c%20d:generateContent");
    assert!(Gemini::build_request(&LocalBody::new("messages", &json!({})), &target(TWO)).is_err());
}

#[test]
fn models_are_known_by_their_beginning() {
    let check = |name: &str, input: Option<f64>, choices: bool| {
        let known = Gemini::model(name, "{}").expect("capabilities");
        assert_eq!((known.input_price_per_1m, known.choices), (input, choices), "{name}");
    };
    check("gemini-2.5-flash", Some(0.30), true);
    check("gemini-2.5-flash-lite-preview", Some(0.10), true);
    check("models/gemini-2.5-pro", Some(1.25), true);
    check("gemini-3.1-pro-preview", Some(2.0), false);
    check("gemini-9-ultra", None, false);
    assert!(!Gemini::model("gemini-embedding-001", "{}").expect("capabilities").streams);
}
