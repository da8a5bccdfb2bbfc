use seawall_plugin::adapter::{AnswerShape, FailShape};
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{Corpus, Reading, decode, events_of, frames};

use super::target;
use crate::Anthropic;

fn classified(status: Option<u16>, headers: Vec<Header>, body: &str) -> ProviderError {
    let failure = Failure { status, headers, data: body.as_bytes().to_vec(), in_stream: status.is_none() };
    Anthropic::classify(&target("m"), &failure)
}

fn error(kind: &str, message: &str) -> String {
    json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string()
}

#[test]
fn classes() {
    use ErrorClass as C;
    const INVALID: &str = "invalid_request_error";
    for (status, kind, message, class) in [
        (529, "overloaded_error", "Overloaded", C::Overloaded),
        (429, "rate_limit_error", "slow down", C::RateLimited),
        (402, "billing_error", "pay", C::QuotaExhausted),
        (401, "authentication_error", "API key is invalid.", C::Auth),
        (403, "permission_error", "no", C::Auth),
        (404, "not_found_error", "model: claude-x", C::ModelNotFound),
        (404, "not_found_error", "File not found: file_1", C::BadRequest),
        (413, "request_too_large", "too large", C::ContextLength),
        (500, "api_error", "oops", C::ServerError),
        (502, "api_error", "oops", C::ServerError),
        (503, "api_error", "oops", C::Overloaded),
        (529, "api_error", "oops", C::Overloaded),
        (503, "timeout_error", "late", C::Timeout),
        (504, "timeout_error", "late", C::Timeout),
        (400, INVALID, "Your credit balance is too low to access the API.", C::QuotaExhausted),
        (400, INVALID, "You have reached your specified API usage limits.", C::QuotaExhausted),
        (400, INVALID, "prompt is too long: 209000 tokens > 200000 maximum", C::ContextLength),
        (400, INVALID, "input length and `max_tokens` exceed context limit: 1 + 2 > 2", C::ContextLength),
        (400, INVALID, "Output blocked by content filtering policy", C::ContentFilter),
        (
            400,
            INVALID,
            "Prefilling assistant messages is not supported for this model.",
            C::UnsupportedParameter,
        ),
        (400, INVALID, "messages.0: all messages must have non-empty content", C::BadRequest),
        (422, "strange", "what", C::BadRequest),
    ] {
        let read = classified(Some(status), Vec::new(), &error(kind, message));
        assert_eq!(read.class, class, "{status} {kind} {message}");
        assert_eq!(read.code.as_deref(), Some(kind));
        let wide = matches!(class, C::Auth | C::QuotaExhausted);
        assert_eq!(read.scope, if wide { Scope::Credential } else { Scope::Model });
    }
}

#[test]
fn a_spend_limit_hides_in_a_rate_limit() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let read = classified(Some(429), Vec::new(), body);
    assert_eq!(
        (read.class, read.code.as_deref()),
        (ErrorClass::QuotaExhausted, Some("enforced_spend_limit_reached"))
    );
}

#[test]
fn hints() {
    let limited = error("rate_limit_error", "m");
    assert_eq!(
        classified(Some(429), vec![headers::header("Retry-After", "7")], &limited).retry_after_ms,
        Some(7000)
    );
    assert_eq!(classified(Some(429), Vec::new(), &limited).retry_after_ms, None);
}

#[test]
fn params() {
    for (message, param) in [
        (
            "tools.0.custom.input_schema: Input does not match the expected shape.",
            Some("tools.0.custom.input_schema"),
        ),
        ("`temperature` and `top_p` cannot both be specified for this model.", Some("temperature")),
        ("This model does not support effort level 'xhigh'.", Some("reasoning_effort")),
        ("Prefilling assistant messages is not supported for this model.", Some("messages")),
        ("Something else", None),
    ] {
        let read = classified(Some(400), Vec::new(), &error("invalid_request_error", message));
        assert_eq!(read.param.as_deref(), param, "{message}");
    }
}

#[test]
fn bodies_that_say_nothing() {
    for body in ["", "<html>bad gateway</html>", "[]", "{\"error\":\"text\"}"] {
        assert_eq!(classified(Some(502), Vec::new(), body).class, ErrorClass::ServerError, "{body}");
        assert_eq!(classified(Some(429), Vec::new(), body).class, ErrorClass::RateLimited, "{body}");
        assert!(!classified(None, Vec::new(), body).message.is_empty());
    }
}

#[test]
fn literal_errors() {
    for exchange in Corpus::literal_errors("anthropic-messages") {
        let read = Anthropic::classify(&target("m"), &seawall_plugin_kit::failure_of(&exchange));
        let class = if exchange.status == 529 { ErrorClass::Overloaded } else { ErrorClass::RateLimited };
        assert_eq!(read.class, class, "{}", exchange.id);
    }
}

const CLASSES: [ErrorClass; 11] = [
    ErrorClass::RateLimited,
    ErrorClass::QuotaExhausted,
    ErrorClass::Overloaded,
    ErrorClass::ServerError,
    ErrorClass::Timeout,
    ErrorClass::Auth,
    ErrorClass::ModelNotFound,
    ErrorClass::ContextLength,
    ErrorClass::ContentFilter,
    ErrorClass::BadRequest,
    ErrorClass::UnsupportedParameter,
];

#[test]
fn a_rendered_failure_is_read_as_what_it_was_rendered_from() {
    for class in CLASSES {
        for in_stream in [false, true] {
            let shape = Shape::Failure(FailShape { class, retry_after: Some("3".to_owned()), in_stream });
            let reply = Anthropic::render(&shape).expect("a reply");
            let read = if in_stream {
                let events = decode::<Anthropic>(&target("m"), &frames(&reply.body));
                Reading::from_events(&events).failed.expect("a failure")
            } else {
                let body = String::from_utf8(reply.body).expect("text");
                let read = classified(Some(reply.status), reply.headers, &body);
                assert_eq!(read.retry_after_ms, Some(3000));
                read
            };
            assert_eq!(read.class, class, "in stream: {in_stream}");
        }
    }
}

#[test]
fn a_rendered_answer_is_read_as_it_was_written() {
    let text = "one two\nthree".to_owned();
    let shape = |streaming| {
        Shape::Answer(AnswerShape { text: text.clone(), finish: FinishReason::Length, streaming })
    };
    let streamed = Anthropic::render(&shape(true)).expect("a reply");
    let seen = Reading::from_events(&decode::<Anthropic>(&target("m"), &frames(&streamed.body)));
    assert_eq!(
        (seen.text.as_str(), seen.finish.as_deref(), seen.failed),
        (text.as_str(), Some("max_tokens"), None)
    );
    let plain = Anthropic::render(&shape(false)).expect("a reply");
    let answer = Anthropic::parse_response("chat", &target("m"), &plain).expect("an answer");
    let seen = Reading::from_events(&events_of(answer));
    assert_eq!((seen.text.as_str(), seen.finish.as_deref()), (text.as_str(), Some("max_tokens")));
}
