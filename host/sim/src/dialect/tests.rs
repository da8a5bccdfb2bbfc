//! Shapes that the table of provider errors promises, dialect by dialect. What streams and answers look like is tested
//! over HTTP.

use serde_json::json;

use super::*;
use crate::trouble::{Code, RetryAfter};

#[test]
fn errors_have_the_status_and_the_word_of_their_provider() {
    for (dialect, code, status, pointer, word) in [
        (Dialect::OpenAi, "rate_limit", 429, "/error/code", "rate_limit_exceeded"),
        (Dialect::OpenAi, "quota", 429, "/error/type", "insufficient_quota"),
        (Dialect::OpenAi, "context_length", 400, "/error/code", "context_length_exceeded"),
        (Dialect::OpenAi, "content_policy", 400, "/error/code", "content_policy_violation"),
        (Dialect::OpenAi, "auth", 401, "/error/code", "invalid_api_key"),
        (Dialect::OpenAi, "model_not_found", 404, "/error/code", "model_not_found"),
        (Dialect::OpenAi, "overloaded", 503, "/error/code", "server_is_overloaded"),
        (Dialect::OpenAi, "my_word", 500, "/error/code", "my_word"),
        (Dialect::Anthropic, "rate_limit", 429, "/error/type", "rate_limit_error"),
        (Dialect::Anthropic, "quota", 429, "/error/details/error_code", "enforced_spend_limit_reached"),
        (Dialect::Anthropic, "billing", 402, "/error/type", "billing_error"),
        (Dialect::Anthropic, "overloaded", 529, "/error/type", "overloaded_error"),
        (Dialect::Anthropic, "auth", 401, "/error/type", "authentication_error"),
        (Dialect::Anthropic, "too_large", 413, "/error/type", "request_too_large"),
        (Dialect::Anthropic, "server_error", 500, "/error/type", "api_error"),
        (Dialect::Gemini, "rate_limit", 429, "/error/status", "RESOURCE_EXHAUSTED"),
        (Dialect::Gemini, "auth", 400, "/error/details/0/reason", "API_KEY_INVALID"),
        (Dialect::Gemini, "overloaded", 503, "/error/status", "UNAVAILABLE"),
        (Dialect::Gemini, "timeout", 504, "/error/status", "DEADLINE_EXCEEDED"),
        (Dialect::Groq, "rate_limit", 429, "/error/code", "rate_limit_exceeded"),
        (Dialect::Groq, "capacity", 498, "/error/code", "capacity_exceeded"),
        (Dialect::Groq, "tool_failed", 400, "/error/code", "tool_use_failed"),
    ] {
        let (got, body) = dialect.wire().error(&Trouble::of(Code::from_word(code)));
        assert_eq!((got, body.pointer(pointer)), (status, Some(&json!(word))), "{dialect:?} {code}: {body}");
    }
}

#[test]
fn hints_go_where_the_provider_puts_them() {
    for (dialect, code, header) in [
        (Dialect::OpenAi, Code::RateLimit, Some("2")),
        (Dialect::Anthropic, Code::Overloaded, Some("2")),
        (Dialect::Groq, Code::RateLimit, Some("2")),
        (Dialect::Groq, Code::Overloaded, None),
        (Dialect::Gemini, Code::RateLimit, None),
    ] {
        let trouble = Trouble { retry_after: Some(RetryAfter::Seconds(2.0)), ..Trouble::of(code) };
        assert_eq!(dialect.wire().retry_header(&trouble).as_deref(), header, "{dialect:?}");
    }
    let hint = |hint| Trouble { retry_after: Some(hint), ..Trouble::of(Code::RateLimit) };
    let (_, body) = Dialect::Gemini.wire().error(&hint(RetryAfter::Seconds(1.5)));
    assert_eq!(body.pointer("/error/details/1/retryDelay"), Some(&json!("1.5s")));
    let verbatim = RetryAfter::Verbatim("Wed, 21 Oct 2026 07:28:00 GMT".to_owned());
    let shown = Dialect::OpenAi.wire().retry_header(&hint(verbatim));
    assert_eq!(shown.as_deref(), Some("Wed, 21 Oct 2026 07:28:00 GMT"));
}

/// Every word that a dialect looks for, so that random bodies get past the first check often enough.
const WORDS: [&str; 44] = [
    "model",
    "messages",
    "contents",
    "role",
    "user",
    "assistant",
    "model",
    "tool",
    "content",
    "parts",
    "text",
    "type",
    "tools",
    "function",
    "name",
    "parameters",
    "input_schema",
    "functionDeclarations",
    "tool_choice",
    "tool_calls",
    "tool_result",
    "tool_use",
    "functionCall",
    "functionResponse",
    "response_format",
    "json_schema",
    "schema",
    "properties",
    "enum",
    "anyOf",
    "$ref",
    "#",
    "items",
    "minItems",
    "object",
    "array",
    "integer",
    "minimum",
    "multipleOf",
    "stop",
    "n",
    "max_tokens",
    "thinking",
    "generationConfig",
];

/// A JSON value that depends on the seed alone.
fn random_value(seed: &mut u64, depth: usize) -> Value {
    *seed = crate::seed::mix(*seed);
    let number = *seed >> 8;
    let word = WORDS[(number as usize / 16) % WORDS.len()];
    match (number % 16, depth) {
        (0, _) => Value::Null,
        (1, _) => json!(number.is_multiple_of(3)),
        (2, _) => json!(number as i64 - (1 << 54)),
        (3, _) => json!([i64::MIN, i64::MAX, -1, 0][number as usize / 16 % 4]),
        (4, _) => json!(f64::from_bits(number) * 1e9),
        (5..=8, _) | (_, 0) => json!(word),
        (9..=11, _) => (0..number / 16 % 4).map(|_| random_value(seed, depth - 1)).collect(),
        _ => random_object(seed, depth),
    }
}

fn random_object(seed: &mut u64, depth: usize) -> Value {
    *seed = crate::seed::mix(*seed);
    let mut member = || {
        *seed = crate::seed::mix(*seed);
        (WORDS[*seed as usize % WORDS.len()].to_owned(), random_value(seed, depth - 1))
    };
    Value::Object((0..8).map(|_| member()).collect())
}

#[test]
fn no_body_makes_a_dialect_panic() {
    let headers: HeaderMap =
        [(http::HeaderName::from_static("anthropic-version"), "x".parse().unwrap())].into_iter().collect();
    let mut answered = 0;
    for start in 0..4_000 {
        let mut seed = start;
        let mut body = random_object(&mut seed, 5);
        for (key, value) in
            [("model", json!("x")), ("max_tokens", json!(9)), ("n", json!(2)), ("stream", json!(true))]
        {
            body[key] = value;
        }
        for key in ["messages", "contents"] {
            body[key] = json!([{"role": "user", "content": random_value(&mut seed, 3), "parts": random_value(&mut seed, 3)}]);
        }
        for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Groq] {
            let wire = dialect.wire();
            let _ = (wire.counted(Target::default(), &body), wire.embed_ask(Target::default(), true, &body));
            let Ok(ask) = wire.ask(Target::default(), &headers, &body) else { continue };
            answered += 1;
            let answer = Answer::to(&ask, crate::lane::Prefill::Accepts, start);
            let turn = Turn { ask: &ask, answer: &answer, salt: start, created: 0 };
            assert!(wire.whole(turn).is_object());
            let events = wire.events(turn);
            assert!(events.iter().any(|event| event.role == Role::Finish), "{body}");
        }
    }
    assert!(answered > 4_000, "only {answered} bodies were read; the test looks at too little");
}
