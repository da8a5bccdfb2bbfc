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
