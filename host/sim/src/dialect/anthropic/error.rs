//! Status, type and wording of errors.

use serde_json::{Value, json};

use crate::trouble::{Code, Trouble};

pub(in crate::dialect) fn error(trouble: &Trouble) -> (u16, Value) {
    const INVALID: &str = "invalid_request_error";
    let (status, kind, usual) = match &trouble.code {
        Code::BadRequest | Code::ToolFailed => (400, INVALID, "The request is not valid."),
        Code::ContextLength => (400, INVALID, "prompt is too long: 205000 tokens > 200000 maximum"),
        Code::ContentPolicy => (400, INVALID, "Output blocked by content filtering policy"),
        Code::Unsupported => (400, INVALID, "This model does not support this parameter."),
        Code::Auth => (401, "authentication_error", "invalid x-api-key"),
        Code::Billing => (402, "billing_error", "Your credit balance is too low to access the API."),
        Code::Permission => {
            (403, "permission_error", "Your API key does not have permission to use the specified resource.")
        }
        Code::ModelNotFound => (404, "not_found_error", "model: not found"),
        Code::TooLarge => (413, "request_too_large", "Request exceeds the maximum size"),
        Code::RateLimit => {
            (429, "rate_limit_error", "This request would exceed your organization's rate limit.")
        }
        Code::Quota => (429, "rate_limit_error", "You have reached your specified API usage limits."),
        Code::Server | Code::BadGateway => {
            (trouble.code.usual_status(), "api_error", "Internal server error")
        }
        Code::Overloaded | Code::Capacity => (529, "overloaded_error", "Overloaded"),
        Code::Timeout => (504, "timeout_error", "The request timed out"),
        Code::Other(word) => {
            return (
                500,
                json!({"type": word, "message": trouble.message_or("The simulated provider is unhappy.")}),
            );
        }
    };
    let mut error = json!({"type": kind, "message": trouble.message_or(usual)});
    if let (Code::Quota, Some(error)) = (&trouble.code, error.as_object_mut()) {
        error.insert("details".to_owned(), json!({"error_code": "enforced_spend_limit_reached"}));
    }
    (status, error)
}
