//! Status, type, code and wording of errors.

use serde_json::{Value, json};

use crate::trouble::{Code, Trouble};

pub(in crate::dialect) fn error(trouble: &Trouble) -> (u16, Value) {
    let (kind, code, usual) = words(&trouble.code);
    let status = trouble.status.unwrap_or(match trouble.code {
        Code::Capacity => 503,
        ref code => code.usual_status(),
    });
    (
        status,
        json!({"error": {"message": trouble.message_or(usual), "type": kind, "param": trouble.param, "code": code}}),
    )
}

/// Type, code and wording.
pub(in crate::dialect) fn words(code: &Code) -> (&'static str, Option<&str>, &'static str) {
    const INVALID: &str = "invalid_request_error";
    match code {
        Code::BadRequest => (INVALID, None, "The request is not valid."),
        Code::ContextLength => (
            INVALID,
            Some("context_length_exceeded"),
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        ),
        Code::ContentPolicy => (
            INVALID,
            Some("content_policy_violation"),
            "Your request was rejected as a result of our safety system.",
        ),
        Code::Unsupported => {
            (INVALID, Some("unsupported_parameter"), "Unsupported parameter for this model.")
        }
        Code::Auth => (INVALID, Some("invalid_api_key"), "Incorrect API key provided."),
        Code::Billing => {
            ("insufficient_quota", Some("credit_balance_exhausted"), "Your credit balance is exhausted.")
        }
        Code::Permission => (INVALID, Some("permission_denied"), "You are not allowed to use this model."),
        Code::ModelNotFound => {
            (INVALID, Some("model_not_found"), "The model does not exist or you do not have access to it.")
        }
        Code::TooLarge => (INVALID, Some("request_too_large"), "The request body is too large."),
        Code::RateLimit => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for requests."),
        Code::Quota => (
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Code::ToolFailed => (INVALID, Some("tool_use_failed"), "Failed to call a function."),
        Code::Server => ("server_error", None, "The server had an error while processing your request."),
        Code::BadGateway => ("server_error", None, "Bad gateway."),
        Code::Overloaded | Code::Capacity => (
            "service_unavailable_error",
            Some("server_is_overloaded"),
            "The server is overloaded. Please try again later.",
        ),
        Code::Timeout => ("server_error", Some("timeout"), "The request timed out."),
        Code::Other(word) => ("server_error", Some(word), "The simulated provider is unhappy."),
    }
}
