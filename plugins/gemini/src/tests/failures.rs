use seawall_plugin::adapter::{AnswerShape, FailShape};
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{Corpus, Reading, completion_of, decode, events_of, failure_of, frames};

use super::target;
use crate::Gemini;

fn classified(status: Option<u16>, body: &str) -> ProviderError {
    let failure =
        Failure { status, headers: Vec::new(), data: body.as_bytes().to_vec(), in_stream: status.is_none() };
    Gemini::classify(&target("m"), &failure)
}

fn error(code: u16, status: &str, message: &str, details: Value) -> String {
    json!({ "error": { "code": code, "status": status, "message": message, "details": details } }).to_string()
}

fn quota(ids: &[&str]) -> Value {
    let violations: Vec<Value> = ids.iter().map(|id| json!({ "quotaId": id })).collect();
    json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.5s" },
    ])
}

#[test]
fn classes() {
    use ErrorClass as C;
    for (code, status, message, class) in [
        (429, "RESOURCE_EXHAUSTED", "slow down", C::RateLimited),
        (402, "RESOURCE_EXHAUSTED", "pay", C::QuotaExhausted),
        (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", C::QuotaExhausted),
        (503, "UNAVAILABLE", "The model is overloaded.", C::Overloaded),
        (503, "", "no healthy upstream", C::Overloaded),
        (529, "", "busy", C::Overloaded),
        (503, "DEADLINE_EXCEEDED", "late", C::Timeout),
        (504, "DEADLINE_EXCEEDED", "late", C::Timeout),
        (500, "INTERNAL", "oops", C::ServerError),
        (
            500,
            "INTERNAL",
            "The input token count exceeds the maximum number of tokens allowed.",
            C::ContextLength,
        ),
        (401, "UNAUTHENTICATED", "no", C::Auth),
        (403, "PERMISSION_DENIED", "no", C::Auth),
        (404, "NOT_FOUND", "models/x is not found", C::ModelNotFound),
        (400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", C::BadRequest),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            C::ContextLength,
        ),
        (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit.", C::ContextLength),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", C::Auth),
        (400, "INVALID_ARGUMENT", "Penalty is not enabled for this model", C::UnsupportedParameter),
        (400, "FAILED_PRECONDITION", "Please enable billing on your project.", C::QuotaExhausted),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", C::Auth),
        (501, "UNIMPLEMENTED", "no", C::UnsupportedParameter),
        (499, "CANCELLED", "gone", C::Timeout),
    ] {
        let body = error(code, status, message, json!([]));
        assert_eq!(classified(Some(code), &body).class, class, "{status} {message}");
        assert_eq!(classified(None, &body).class, class, "in a stream: {status} {message}");
        assert_eq!(
            classified(Some(code), &format!("[{body}]")).class,
            class,
            "in a list: {status} {message}"
        );
    }
}

#[test]
fn quotas() {
    let read = |ids: &[&str]| {
        let read =
            classified(Some(429), &error(429, "RESOURCE_EXHAUSTED", "You exceeded your quota.", quota(ids)));
        (read.class, read.scope, read.retry_after_ms)
    };
    assert_eq!(
        read(&["RequestsPerMinutePerProjectPerModel"]),
        (ErrorClass::RateLimited, Scope::Model, Some(22_500))
    );
    assert_eq!(
        read(&["RequestsPerMinutePerProject"]),
        (ErrorClass::RateLimited, Scope::Credential, Some(22_500))
    );
    let daily = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    assert_eq!(read(&[daily]), (ErrorClass::QuotaExhausted, Scope::Model, None), "the hint is the minute's");
    let both = read(&["InputTokensPerModelPerMinute", "RequestsPerDay"]);
    assert_eq!(both, (ErrorClass::QuotaExhausted, Scope::Credential, None));
}

#[test]
fn details() {
    let info = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    let read = classified(Some(400), &error(400, "INVALID_ARGUMENT", "bad key", info));
    assert_eq!(
        (read.class, read.scope, read.code.as_deref()),
        (ErrorClass::Auth, Scope::Credential, Some("API_KEY_INVALID"))
    );
    let field = json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{ "field": "contents[0]" }] }]);
    assert_eq!(
        classified(Some(400), &error(400, "INVALID_ARGUMENT", "bad", field)).param.as_deref(),
        Some("contents[0]")
    );
}

#[test]
fn bodies_that_say_nothing() {
    for body in ["", "<html>bad gateway</html>", "[]", "[5]", "{\"error\":\"text\"}"] {
        assert_eq!(classified(Some(502), body).class, ErrorClass::ServerError, "{body}");
        assert_eq!(classified(Some(429), body).class, ErrorClass::RateLimited, "{body}");
        assert!(!classified(None, body).message.is_empty());
    }
}

#[test]
fn literal_errors() {
    for exchange in Corpus::literal_errors("gemini") {
        assert_eq!(Gemini::classify(&target("m"), &failure_of(&exchange)).class, ErrorClass::Overloaded);
    }
}

const CLASSES: [ErrorClass; 12] = [
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
    ErrorClass::ToolCallInvalid,
];

#[test]
fn a_rendered_failure_is_read_as_what_it_was_rendered_from() {
    for class in CLASSES {
        for in_stream in [false, true] {
            let shape = Shape::Failure(FailShape { class, retry_after: Some("3".to_owned()), in_stream });
            let reply = Gemini::render(&shape).expect("a reply");
            let read = if in_stream {
                let events = decode::<Gemini>(&target("m"), &frames(&reply.body));
                Reading::from_events(&events).failed.expect("a failure")
            } else if reply.status < 400 {
                let answer = Gemini::parse_response("chat", &target("m"), &reply);
                answer.and_then(|answer| completion_of(&events_of(answer))).expect_err("a failure")
            } else {
                classified(Some(reply.status), &String::from_utf8(reply.body).expect("text"))
            };
            assert_eq!(read.class, class, "in stream: {in_stream}");
            if class == ErrorClass::RateLimited {
                assert_eq!(read.retry_after_ms, Some(3000));
            }
        }
    }
}

#[test]
fn a_rendered_answer_is_read_as_it_was_written() {
    let text = "one two\nthree".to_owned();
    let shape = |streaming| {
        Shape::Answer(AnswerShape { text: text.clone(), finish: FinishReason::Length, streaming })
    };
    let streamed = Gemini::render(&shape(true)).expect("a reply");
    let seen = Reading::from_events(&decode::<Gemini>(&target("m"), &frames(&streamed.body)));
    assert_eq!(
        (seen.text.as_str(), seen.finish.as_deref(), seen.failed),
        (text.as_str(), Some("MAX_TOKENS"), None)
    );
    let plain = Gemini::render(&shape(false)).expect("a reply");
    let answer = Gemini::parse_response("chat", &target("m"), &plain).expect("an answer");
    let seen = Reading::from_events(&events_of(answer));
    assert_eq!((seen.text.as_str(), seen.finish.as_deref()), (text.as_str(), Some("MAX_TOKENS")));
}
