use serde_json::{Value, json};

use crate::client::{End, Got, get, post, send};
use crate::{DIALECTS, question, sim, text_at};

#[tokio::test]
async fn every_dialect_counts_plain_and_streamed() {
    let sim = sim();
    for dialect in DIALECTS {
        let (plain, streamed) = text_at(dialect);
        let (path, body) = question(dialect, "a", "count-12", "go", false);
        let got = post(sim.addr(), &path, &body).await;
        assert_eq!((got.status, got.end), (200, End::Whole));
        assert_eq!(got.json().pointer(plain), Some(&json!("1 2 3 4 5 6 7 8 9 10 11 12")), "{dialect}");
        let (path, body) = question(dialect, "a", "count-12", "go", true);
        let got = post(sim.addr(), &path, &body).await;
        assert_eq!((got.status, got.end), (200, End::Whole));
        assert!(got.header("content-type").unwrap().starts_with("text/event-stream"));
        assert_eq!(got.joined(streamed), "1 2 3 4 5 6 7 8 9 10 11 12", "{dialect}");
        assert!(got.chunks > 12, "one chunk per event, not {}", got.chunks);
    }
}

#[tokio::test]
async fn streams_end_as_their_provider_ends_them() {
    let sim = sim();
    for (dialect, finish, word, tail) in [
        ("openai", "/choices/0/finish_reason", "stop", "data: [DONE]\n\n"),
        ("groq", "/choices/0/finish_reason", "stop", "data: [DONE]\n\n"),
        (
            "anthropic",
            "/delta/stop_reason",
            "end_turn",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        ("gemini", "/candidates/0/finishReason", "STOP", "}\r\n\r\n"),
    ] {
        let (path, body) = question(dialect, "a", "count-3", "go", true);
        let got = post(sim.addr(), &path, &body).await;
        assert_eq!(got.joined(finish), word, "{dialect}");
        assert!(got.body.ends_with(tail), "{}", got.body);
    }
}

#[tokio::test]
async fn usage_follows_each_dialects_rules() {
    let sim = sim();
    let user = "x".repeat(40);
    for (dialect, plain, streamed) in [
        ("openai", "/usage", None),
        ("groq", "/usage", Some("/x_groq/usage")),
        ("anthropic", "/usage", Some("/usage")),
        ("gemini", "/usageMetadata", Some("/usageMetadata")),
    ] {
        let counts = |usage: &Value| {
            let first = |names: [&str; 3]| names.iter().find_map(|name| usage[name].as_u64());
            let prompt = first(["prompt_tokens", "input_tokens", "promptTokenCount"]);
            (prompt, first(["completion_tokens", "output_tokens", "candidatesTokenCount"]))
        };
        let (path, body) = question(dialect, "a", "count-7", &user, false);
        let got = post(sim.addr(), &path, &body).await.json();
        assert_eq!(counts(got.pointer(plain).unwrap()), (Some(10), Some(7)), "{dialect}");
        let (path, body) = question(dialect, "a", "count-7", &user, true);
        let got = post(sim.addr(), &path, &body).await;
        let last =
            streamed.and_then(|at| got.events().iter().rev().find_map(|event| event.pointer(at).cloned()));
        assert_eq!(last.as_ref().map(counts), streamed.map(|_| (Some(10), Some(7))), "{dialect}");
        assert!(dialect != "openai" || !got.body.contains("usage"), "not asked for");
    }
    let (path, mut body) = question("openai", "a", "count-7", &user, true);
    body["stream_options"] = json!({"include_usage": true});
    let events = post(sim.addr(), &path, &body).await.events();
    let last = &events[events.len() - 2];
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(7)));
    assert_eq!(events[0]["usage"], Value::Null);
}

#[tokio::test]
async fn tools_are_called_in_every_dialect() {
    let sim = sim();
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let expect = json!({"city": "city", "days": 1});
    let tools = |dialect: &str| {
        let of = |name: &str| match dialect {
            "anthropic" => json!({"name": name, "input_schema": schema}),
            "gemini" => json!({"name": name, "parameters": schema}),
            _ => json!({"type": "function", "function": {"name": name, "parameters": schema}}),
        };
        let both = json!([of("weather"), of("time")]);
        if dialect == "gemini" { json!([{ "functionDeclarations": both }]) } else { both }
    };
    for dialect in DIALECTS {
        for stream in [false, true] {
            let (path, mut body) = question(dialect, "a", "any", "weather and time, both", stream);
            body["tools"] = tools(dialect);
            let got = post(sim.addr(), &path, &body).await;
            let calls =
                if stream { streamed_calls(dialect, &got) } else { plain_calls(dialect, &got.json()) };
            let expect = vec![("weather".to_owned(), expect.clone()), ("time".to_owned(), expect.clone())];
            assert_eq!(calls, expect, "{dialect} {stream}");
        }
    }
}

fn plain_calls(dialect: &str, body: &Value) -> Vec<(String, Value)> {
    let name = |value: &Value| value.as_str().unwrap().to_owned();
    let array = |pointer: &str| body.pointer(pointer).and_then(Value::as_array).unwrap().clone();
    match dialect {
        "anthropic" => {
            array("/content").iter().map(|block| (name(&block["name"]), block["input"].clone())).collect()
        }
        "gemini" => array("/candidates/0/content/parts")
            .iter()
            .map(|part| (name(&part["functionCall"]["name"]), part["functionCall"]["args"].clone()))
            .collect(),
        _ => array("/choices/0/message/tool_calls")
            .iter()
            .map(|call| {
                let arguments = call["function"]["arguments"].as_str().unwrap();
                (name(&call["function"]["name"]), serde_json::from_str(arguments).unwrap())
            })
            .collect(),
    }
}

fn streamed_calls(dialect: &str, got: &Got) -> Vec<(String, Value)> {
    let events = got.events();
    if dialect == "gemini" {
        let calls =
            events.iter().filter_map(|event| event.pointer("/candidates/0/content/parts/0/functionCall"));
        return calls.map(|call| (call["name"].as_str().unwrap().to_owned(), call["args"].clone())).collect();
    }
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in &events {
        let start = event
            .pointer("/choices/0/delta/tool_calls/0/function/name")
            .or(event.pointer("/content_block/name"));
        if let Some(name) = start.and_then(Value::as_str) {
            calls.push((name.to_owned(), String::new()));
        }
        let piece = event
            .pointer("/choices/0/delta/tool_calls/0/function/arguments")
            .or(event.pointer("/delta/partial_json"));
        if let Some(piece) = piece.and_then(Value::as_str) {
            calls.last_mut().unwrap().1.push_str(piece);
        }
    }
    assert!(calls.iter().all(|(_, arguments)| arguments.len() > 8), "arguments come in pieces");
    calls.into_iter().map(|(name, arguments)| (name, serde_json::from_str(&arguments).unwrap())).collect()
}

#[tokio::test]
async fn a_tool_result_is_answered_with_text() {
    let sim = sim();
    let body = json!({"model": "any", "tools": [{"type": "function", "function": {"name": "w"}}], "messages": [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "w", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"}]});
    let got = post(sim.addr(), "/a/v1/chat/completions", &body).await.json();
    let text = got["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("The tool said: sunny"), "{text}");
}

#[tokio::test]
async fn structured_answers_fit_the_schema() {
    let sim = sim();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (dialect, field, value) in [
        (
            "openai",
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
        ),
        (
            "groq",
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
        ),
        ("anthropic", "output_config", json!({"format": {"type": "json_schema", "schema": schema}})),
        (
            "gemini",
            "generationConfig",
            json!({"responseMimeType": "application/json", "responseSchema": schema}),
        ),
    ] {
        let (path, mut body) = question(dialect, "a", "any", "hello", false);
        body[field] = value;
        let got = post(sim.addr(), &path, &body).await.json();
        assert_eq!(got.pointer(text_at(dialect).0), Some(&json!("{\"n\":1}")), "{dialect}");
    }
}

#[tokio::test]
async fn reasoning_is_shown_where_it_is_asked_for() {
    let sim = sim();
    for (dialect, field, value, plain, streamed) in [
        (
            "groq",
            "reasoning_format",
            json!("parsed"),
            "/choices/0/message/reasoning",
            "/choices/0/delta/reasoning",
        ),
        (
            "anthropic",
            "thinking",
            json!({"type": "enabled", "budget_tokens": 1024}),
            "/content/0/thinking",
            "/delta/thinking",
        ),
        (
            "gemini",
            "generationConfig",
            json!({"thinkingConfig": {"includeThoughts": true}}),
            "/candidates/0/content/parts/0/text",
            "/candidates/0/content/parts/0/text",
        ),
    ] {
        for stream in [false, true] {
            let (path, mut body) = question(dialect, "a", "any", "hello", stream);
            body[field] = value.clone();
            let got = post(sim.addr(), &path, &body).await;
            let text = if stream {
                got.joined(streamed)
            } else {
                got.json().pointer(plain).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            assert!(text.starts_with("The user asks something."), "{dialect}: {text}");
        }
    }
    let (path, mut body) = question("openai", "a", "any", "hello", false);
    body["reasoning_effort"] = json!("low");
    let got = post(sim.addr(), &path, &body).await.json();
    assert!(got["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn alternatives_are_interleaved() {
    let sim = sim();
    let (path, mut body) = question("openai", "a", "count-3", "go", true);
    body["n"] = json!(2);
    let events = post(sim.addr(), &path, &body).await.events();
    for index in 0..2 {
        let of = |event: &&Value| event["choices"][0]["index"] == index;
        let text: String = events
            .iter()
            .filter(of)
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(text, "1 2 3");
    }
}

#[tokio::test]
async fn gemini_streams_one_array_without_alt_sse() {
    let sim = sim();
    let (_, body) = question("gemini", "a", "count-3", "go", true);
    let got = post(sim.addr(), "/a/v1beta/models/count-3:streamGenerateContent", &body).await;
    let chunks = got.json();
    let text: String = chunks
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|chunk| chunk.pointer(text_at("gemini").1)?.as_str())
        .collect();
    assert_eq!(text, "1 2 3");
}

#[tokio::test]
async fn embeddings_models_and_token_counts() {
    let sim = sim();
    for (path, body, pointer, expect) in [
        (
            "/a/v1/embeddings",
            json!({"model": "e", "input": ["x", "y"], "dimensions": 2}),
            "/data/1/index",
            json!(1),
        ),
        (
            "/a/v1/embeddings",
            json!({"model": "e", "input": "", "dimensions": 2}),
            "/data/0/embedding",
            json!([1.0, 0.0]),
        ),
        (
            "/a/v1/embeddings",
            json!({"model": "e", "input": "", "dimensions": 1, "encoding_format": "base64"}),
            "/data/0/embedding",
            json!("AACAPw=="),
        ),
        (
            "/a/v1beta/models/e:embedContent",
            json!({"content": {"parts": [{"text": ""}]}, "outputDimensionality": 1}),
            "/embedding/values",
            json!([1.0]),
        ),
        (
            "/a/v1beta/models/e:batchEmbedContents",
            json!({"requests": [{"content": {"parts": [{"text": ""}]}, "outputDimensionality": 1}]}),
            "/embeddings/0/values",
            json!([1.0]),
        ),
        (
            "/a/v1/messages/count_tokens",
            json!({"model": "m", "messages": [{"role": "user", "content": "12345678"}]}),
            "/input_tokens",
            json!(2),
        ),
    ] {
        let got = post(sim.addr(), path, &body).await;
        assert_eq!((got.status, got.json().pointer(pointer)), (200, Some(&expect)), "{path} {}", got.body);
    }
    assert_eq!(get(sim.addr(), "/a/v1/models").await.json()["object"], "list");
    assert_eq!(get(sim.addr(), "/a/v1beta/models/x").await.json()["name"], "models/x");
}

#[tokio::test]
async fn hostile_requests_get_an_error_in_the_dialect() {
    let sim = sim();
    let deep = "[".repeat(100_000);
    for dialect in DIALECTS {
        let (path, good) = question(dialect, "a", "any", "hi", false);
        let unknown = question(dialect, "a", "missing-1", "hi", false);
        let version = [("anthropic-version", "x")];
        for (path, body, status) in [
            (path.as_str(), "", 400),
            (path.as_str(), "{", 400),
            (path.as_str(), "[]", 400),
            (path.as_str(), "{\"model\":7}", 400),
            (
                path.as_str(),
                "{\"model\":\"x\",\"messages\":[null,7,{\"role\":{}}],\"contents\":[{\"role\":\"x\"}]}",
                400,
            ),
            (path.as_str(), deep.as_str(), 400),
            (path.as_str(), "\u{fffd}\0", 400),
            (unknown.0.as_str(), &unknown.1.to_string(), 404),
        ] {
            let got = send(sim.addr(), "POST", path, &version, body).await;
            let error = got.json();
            assert_eq!((got.status, error["error"].is_object()), (status, true), "{dialect} {error}");
        }
        assert_eq!(send(sim.addr(), "POST", &path, &version, &good.to_string()).await.status, 200);
    }
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/a/v1/chat/completions", 404),
        ("POST", "/a/v1/unknown", 404),
        ("POST", "/%2e%2e/v1/chat/completions", 507),
        ("POST", "/_x/v1/chat/completions", 507),
        ("POST", "/a/v1beta/models/:", 404),
    ] {
        assert_eq!(send(sim.addr(), method, path, &[], "{}").await.status, status, "{path}");
    }
}

#[tokio::test]
async fn bench_models_stream_a_hundred_events() {
    let sim = sim();
    for dialect in DIALECTS {
        for model in ["bench-burst", "bench-2000"] {
            let (path, body) = question(dialect, "a", model, "go", true);
            let first = post(sim.addr(), &path, &body).await;
            let again = post(sim.addr(), &path, &body).await;
            assert_eq!(first.body, again.body);
            let texts = first
                .events()
                .iter()
                .filter(|event| {
                    event
                        .pointer(text_at(dialect).1)
                        .and_then(Value::as_str)
                        .is_some_and(|text| !text.is_empty())
                })
                .count();
            assert_eq!(texts, 100, "{dialect} {model}");
        }
        let (path, body) = question(dialect, "a", "bench-2000", "go", false);
        let got = post(sim.addr(), &path, &body).await.json();
        assert_eq!(got.pointer(text_at(dialect).0).and_then(Value::as_str).map(str::len), Some(2000));
    }
}
