use seawall_plugin::adapter::Header;
use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{Corpus, Reading, check_exchange, check_splits, decode, frames, sent, target};

use crate::Compatible;

#[test]
fn settings_shape_the_request() {
    let cases = [
        ("{}", json!({"n": 1}), json!({"model": "m", "n": 1})),
        (r#"{"drop": ["n", "seed"]}"#, json!({"n": 1}), json!({"model": "m"})),
        (
            r#"{"extra_body": {"top_k": 4, "n": 2}, "drop": ["n"]}"#,
            json!({"n": 1}),
            json!({"model": "m", "n": 2, "top_k": 4}),
        ),
        (
            r#"{"max_tokens_field": "max_completion_tokens"}"#,
            json!({"max_tokens": 9}),
            json!({"model": "m", "max_completion_tokens": 9}),
        ),
        (
            r#"{"max_tokens_field": "max_tokens"}"#,
            json!({"max_completion_tokens": 9}),
            json!({"model": "m", "max_tokens": 9}),
        ),
    ];
    for (config, body, expected) in cases {
        assert_eq!(sent::<Compatible>("chat", body, &target("m", false, config)), expected, "{config}");
    }
    let streamed = |config| sent::<Compatible>("chat", json!({"stream": true}), &target("m", true, config));
    assert_eq!(streamed("{}").get("stream_options"), Some(&json!({"include_usage": true})));
    assert_eq!(streamed(r#"{"stream_usage": false}"#).get("stream_options"), None);
}

#[test]
fn headers_and_query_are_those_of_the_settings() {
    let config =
        r#"{"query": {"api-version": "2024 10&x"}, "headers": {"x-title": "demo"}, "replies": "same"}"#;
    let body = LocalBody::new("chat", &json!({}));
    let request = Compatible::build_request(&body, &target("m", false, config)).unwrap();
    assert_eq!(request.path_and_query, "/chat/completions?api-version=2024%2010%26x");
    assert_eq!(headers::get(&request.headers, "X-Title"), Some("demo"));
    assert_eq!(request.reply, ReplyFormat::Same);
}

#[test]
fn replies_are_translated_where_it_is_needed_or_free() {
    let custom = ReplyFormat::Custom(Framing::Auto);
    let cases = [
        ("{}", "m", false, custom),
        ("{}", "m", true, ReplyFormat::Watched),
        ("{}", "magistral-medium-latest", true, custom),
        ("{}", "vendor/mistral-large", true, custom),
        (r#"{"replies": "translated"}"#, "m", true, custom),
        (r#"{"replies": "watched"}"#, "mistral-large", false, ReplyFormat::Watched),
        (r#"{"replies": "same"}"#, "mistral-large", true, ReplyFormat::Same),
    ];
    for (config, model, streaming, expected) in cases {
        let body = LocalBody::new("chat", &json!({"stream": streaming}));
        let request = Compatible::build_request(&body, &target(model, streaming, config)).unwrap();
        assert_eq!(request.reply, expected, "{config} {model} {streaming}");
    }
}

#[test]
fn every_auth_scheme_is_named_not_carried() {
    let auth = |config: &str| Compatible::configure(config).unwrap().auth;
    assert_eq!(auth("{}"), Auth::Bearer);
    assert_eq!(auth(r#"{"auth": "none"}"#), Auth::None);
    assert_eq!(auth(r#"{"auth": "header:api-key"}"#), Auth::Header("api-key".to_owned()));
    assert_eq!(auth(r#"{"auth": "query:key"}"#), Auth::Query("key".to_owned()));
}

#[test]
fn problems_stand_at_their_place_all_at_once() {
    let config = r#"{"auth": "basic", "replies": 1, "drop": ["n", "model"], "extra_body": {"stream": true},
        "headers": {"Authorization": "Bearer x", "a/b": 1}, "stream_usgae": false}"#;
    let problems = Compatible::configure(config).unwrap_err();
    let mut paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "/auth",
        "/drop/1",
        "/extra_body/stream",
        "/headers/Authorization",
        "/headers/a~1b",
        "/replies",
        "/stream_usgae",
    ];
    assert_eq!(paths, expected);
    let unknown = problems.iter().find(|p| p.path == "/stream_usgae").unwrap();
    assert_eq!(unknown.fix.as_deref(), Some("did you mean `stream_usage`?"));
    assert_eq!(Compatible::configure("[]").unwrap_err()[0].path, "");
}

fn classify(status: u16, headers: &[(&str, &str)], body: &str) -> ProviderError {
    let headers: Vec<Header> = headers.iter().map(|(n, v)| headers::header(*n, *v)).collect();
    let failure = Failure { status: Some(status), headers, data: body.as_bytes().to_vec(), in_stream: false };
    Compatible::classify(&target("m", false, "{}"), &failure)
}

#[test]
fn every_servers_failures_are_understood() {
    use ErrorClass as C;
    let cases = [
        // OpenRouter
        (429, r#"{"error":{"code":429,"message":"Provider returned error"}}"#, C::RateLimited),
        (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, C::QuotaExhausted),
        (403, r#"{"error":{"code":403,"message":"flagged","metadata":{"reasons":["x"]}}}"#, C::ContentFilter),
        (400, r#"{"error":{"code":400,"message":"Model no-such/m does not exist"}}"#, C::ModelNotFound),
        (200, r#"{"error":{"code":502,"message":"down"}}"#, C::ServerError),
        (503, r#"{"error":{"code":503,"message":"no provider"}}"#, C::Overloaded),
        (503, r#"{"error":{"code":503,"message":"x","type":"provider_unavailable"}}"#, C::Overloaded),
        (529, r#"{"error":{"code":529,"message":"x","type":"api_error"}}"#, C::Overloaded),
        (502, r#"{"error":{"code":502,"message":"x","type":"api_error"}}"#, C::ServerError),
        // vLLM, old and new
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096","type":"BadRequestError","code":400}"#,
            C::ContextLength,
        ),
        (
            400,
            r#"{"error":{"message":"too long","type":"BadRequestError","param":"input_tokens","code":400}}"#,
            C::ContextLength,
        ),
        (
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#,
            C::ModelNotFound,
        ),
        // Ollama
        (
            404,
            r#"{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error"}}"#,
            C::ModelNotFound,
        ),
        (
            503,
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
            C::Overloaded,
        ),
        (
            400,
            r#"{"error":{"message":"m does not support tools","type":"api_error"}}"#,
            C::UnsupportedParameter,
        ),
        // llama.cpp
        (
            501,
            r#"{"error":{"code":501,"message":"no embeddings","type":"not_supported_error"}}"#,
            C::UnsupportedParameter,
        ),
        (400, r#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error"}}"#, C::ContextLength),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            C::Overloaded,
        ),
        // Mistral
        (
            429,
            r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","code":"1300"}"#,
            C::RateLimited,
        ),
        (
            429,
            r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","code":"3505"}"#,
            C::Overloaded,
        ),
        (
            429,
            r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","code":null}"#,
            C::Overloaded,
        ),
        (422, r#"{"detail":[{"loc":["body","n"],"msg":"Input should be 1"}]}"#, C::BadRequest),
        (
            400,
            r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
            C::ModelNotFound,
        ),
        (401, r#"{"detail":"Invalid API Key"}"#, C::Auth),
        // Azure
        (
            429,
            r#"{"error":{"code":"429","message":"Requests have exceeded call rate limit"}}"#,
            C::RateLimited,
        ),
        (404, r#"{"error":{"code":"DeploymentNotFound","message":"x"}}"#, C::ModelNotFound),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            C::ContentFilter,
        ),
        (
            200,
            r#"{"error":{"code":null,"message":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            C::ContentFilter,
        ),
        // Cohere
        (400, r#"{"message":"too many tokens: total number of tokens is 9000"}"#, C::ContextLength),
        (498, r#"{"message":"invalid token"}"#, C::Auth),
        (498, r#"{"error":{"message":"x","code":"capacity_exceeded"}}"#, C::Overloaded),
        // xAI, DeepSeek, Perplexity, Moonshot
        (400, r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#, C::Auth),
        (
            402,
            r#"{"error":{"message":"Insufficient Balance","code":"invalid_request_error"}}"#,
            C::QuotaExhausted,
        ),
        (401, "<html><title>401</title></html>", C::Auth),
        (429, r#"{"error":{"message":"x","type":"exceeded_current_quota_error"}}"#, C::QuotaExhausted),
        (429, r#"{"error":{"message":"x","type":"engine_overloaded_error"}}"#, C::Overloaded),
        // OpenAI's own, from a mirror of it
        (
            429,
            r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            C::QuotaExhausted,
        ),
        (429, r#"{"error":{"message":"x","type":"requests","code":"slow_down"}}"#, C::Overloaded),
        (
            400,
            r#"{"error":{"message":"x","type":"invalid_request_error","param":"n","code":"unsupported_value"}}"#,
            C::UnsupportedParameter,
        ),
        // nothing to go by
        (500, "", C::ServerError),
        (504, "upstream request timeout", C::Timeout),
        (418, "[]", C::BadRequest),
    ];
    for (status, body, expected) in cases {
        let seen = classify(status, &[], body);
        assert_eq!(seen.class, expected, "{status} {body}");
        assert!(!seen.message.is_empty(), "{body}");
    }
}

#[test]
fn a_carried_limit_is_a_hint() {
    let body = r#"{"error":{"code":429,"message":"x","metadata":{"headers":{
        "X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"784111780500"}}}}"#;
    let seen = classify(429, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], body);
    assert_eq!(seen.retry_after_ms, Some(3500));
}

#[test]
fn what_came_from_the_account_stays_with_the_operator() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-abcdef123456. See https://example.com/keys."}}"#;
    let seen = classify(401, &[], body);
    assert_eq!(seen.message, "Incorrect API key provided: (hidden). See (link)");
    assert_eq!(seen.scope, Scope::Credential);
}

fn read_stream(body: &str) -> Reading {
    Reading::from_events(&decode::<Compatible>(&target("m", true, "{}"), &frames(body.as_bytes())))
}

#[test]
fn streams_with_liberties_read_as_meant() {
    let typed = concat!(
        r#"data: {"id":"1","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}"#,
        "\n\n",
        r#"data: {"id":"1","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"yes"}]},"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n",
    );
    let reading = read_stream(typed);
    assert_eq!((reading.reasoning.as_str(), reading.text.as_str()), ("hm", "yes"));

    let no_index = concat!(
        r#"data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"g","arguments":{"x":1}}}]},"finish_reason":"tool_calls"}]}"#,
        "\n\n",
    );
    let names: Vec<_> = read_stream(no_index).tool_calls.into_iter().map(|c| (c.name, c.args)).collect();
    assert_eq!(names, [("f".to_owned(), json!({})), ("g".to_owned(), json!({"x": 1}))]);

    let same_index = concat!(
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
        "\n\n",
    );
    assert_eq!(read_stream(same_index).tool_calls.len(), 2);
}

#[test]
fn failures_inside_a_200_are_failures() {
    let cases = [
        (
            r#"data: {"error":{"code":502,"message":"gone"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            ErrorClass::ServerError,
        ),
        (
            r#"data: {"choices":[{"delta":{},"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#,
            ErrorClass::RateLimited,
        ),
        (r#"data: {"object":"error","message":"x","code":503}"#, ErrorClass::Overloaded),
        (
            r#"data: {"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}"#,
            ErrorClass::Overloaded,
        ),
        ("event: error\ndata: out of luck", ErrorClass::ServerError),
        (r#"{"error":{"message":"x","code":"content_filter"}}"#, ErrorClass::ContentFilter),
    ];
    for (body, expected) in cases {
        assert_eq!(read_stream(body).failed.map(|f| f.class), Some(expected), "{body}");
    }
    let plain = |body: &str| {
        let reply = Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        Compatible::parse_response("chat", &target("m", false, "{}"), &reply).unwrap_err().class
    };
    assert_eq!(plain(r#"{"error":{"code":"content_filter","message":"x"}}"#), ErrorClass::ContentFilter);
    assert_eq!(plain(r#"{"choices":[{"error":{"code":503,"message":"x"}}]}"#), ErrorClass::Overloaded);
    assert_eq!(plain("<html>"), ErrorClass::Malformed);
    assert_eq!(plain("{}"), ErrorClass::Malformed);
}

#[test]
fn an_annotation_chunk_before_the_answer_is_harmless() {
    let body = concat!(
        r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}"#,
        "\n\n",
        r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
        "\n\n",
    );
    let events = decode::<Compatible>(&target("m", true, "{}"), &frames(body.as_bytes()));
    let start = Start { id: Some("c".to_owned()), model: Some("m".to_owned()) };
    assert_eq!(events.first().map(|e| &e.what), Some(&Event::Start(start)));
}

#[test]
fn recorded_replies_read_as_the_providers_own_client_reads_them() {
    let Some(corpus) = Corpus::load() else { return };
    let mut misses = Vec::new();
    for exchange in corpus.select("openai-chat", |provider| !["openai", "groq"].contains(&provider)) {
        let checks =
            [check_exchange::<Compatible>(exchange, "{}"), check_splits::<Compatible>(exchange, "{}")];
        misses
            .extend(checks.into_iter().filter_map(Result::err).map(|why| format!("{}: {why}", exchange.id)));
    }
    // The client keeps a refusal in a member of its own; the contract's events know it as text. Watched streams keep it.
    let refusal =
        "openrouter-cd93bfb19555: text: expected \"\", read \"I'm sorry, I can't assist with that request.\"";
    // This server counts 290 reasoning tokens beside the completion; the contract counts them in it.
    let counted_in = "xai-51ebb84bd950: usage: expected Some((12, 1)), read Some((12, 291))";
    assert_eq!(misses, [refusal, counted_in]);
}

#[test]
fn recorded_failures_have_the_class_that_a_reader_gives_them() {
    let Some(corpus) = Corpus::load() else { return };
    let expected = [
        ("deepseek-6a54b07c59fb", ErrorClass::ModelNotFound),
        ("deepseek-8eb88fd4a228", ErrorClass::Auth),
        ("deepseek-536ebff3368f", ErrorClass::ContextLength),
        ("gemini-67c91b5e8670", ErrorClass::RateLimited),
        ("llamacpp-e0593d8d6bf2", ErrorClass::Auth),
        ("mistral-7b8915cf5764", ErrorClass::Auth),
        ("ollama-c291804739a8", ErrorClass::ContextLength),
        ("openrouter-df5e021f94be", ErrorClass::Auth),
        ("openrouter-a07ad491ec73", ErrorClass::RateLimited),
        ("perplexity-4a975ae99e76", ErrorClass::Auth),
    ];
    let chats = corpus.select("openai-chat", |_| true);
    for (id, class) in expected {
        let exchange = chats.iter().find(|e| e.id == id).unwrap();
        let failure = seawall_plugin_kit::failure_of(exchange);
        assert_eq!(Compatible::classify(&target("m", false, "{}"), &failure).class, class, "{id}");
    }
}
