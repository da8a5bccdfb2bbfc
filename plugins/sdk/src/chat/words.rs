//! The words, sentences and statuses by which chat-compatible servers say what failed.

use crate::error::ErrorClass;

/// The class that a code or a type stands for on its own; `None` for words that say nothing (`invalid_request_error`).
pub fn class_of_word(word: &str) -> Option<ErrorClass> {
    use ErrorClass as C;
    Some(match word {
        "insufficient_quota"
        | "quota_exceeded"
        | "credit_balance_exhausted"
        | "organization_usage_limit_exceeded"
        | "organization_spend_limit_exceeded"
        | "project_spend_limit_exceeded"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "billing_error"
        | "insufficient_balance"
        | "insufficient_credits"
        | "exceeded_current_quota_error"
        | "payment_required" => C::QuotaExhausted,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limited"
        | "rate_limit"
        | "too_many_requests"
        | "rate_limit_reached_error"
        | "resource_exhausted"
        | "requests"
        | "tokens"
        | "1300" => C::RateLimited,
        "slow_down"
        | "server_is_overloaded"
        | "overloaded"
        | "overloaded_error"
        | "engine_overloaded"
        | "engine_overloaded_error"
        | "model_overloaded"
        | "capacity_exceeded"
        | "service_tier_capacity_exceeded"
        | "service_unavailable"
        | "service_unavailable_error"
        | "serviceunavailableerror"
        | "unavailable"
        | "unavailable_error"
        | "provider_overloaded"
        | "no_capacity"
        | "nocapacity"
        | "3505" => C::Overloaded,
        "server_error"
        | "internal_server_error"
        | "internalservererror"
        | "internal_error"
        | "api_error"
        | "bad_gateway"
        | "provider_unavailable" => C::ServerError,
        "timeout" | "timeout_error" | "request_timeout" | "gateway_timeout" | "deadline_exceeded" => {
            C::Timeout
        }
        "invalid_api_key"
        | "incorrect_api_key"
        | "authentication_error"
        | "invalid_authentication_error"
        | "authenticationerror"
        | "unauthorized"
        | "unauthenticated"
        | "permission_error"
        | "permission_denied"
        | "permission_denied_error"
        | "insufficient_permissions"
        | "account_deactivated"
        | "unsupported_country_region_territory" => C::Auth,
        "model_not_found"
        | "model_not_available"
        | "model_not_supported"
        | "model_decommissioned"
        | "model_terms_required"
        | "invalid_model"
        | "unknown_model"
        | "deploymentnotfound"
        | "deployment_not_found"
        | "not_found_error"
        | "notfounderror"
        | "resource_not_found_error"
        | "1500" => C::ModelNotFound,
        "context_length_exceeded"
        | "context_window_exceeded"
        | "model_context_window_exceeded"
        | "exceed_context_size_error"
        | "request_too_large"
        | "prompt_too_long" => C::ContextLength,
        "content_filter"
        | "content_filter_error"
        | "content_policy_violation"
        | "content_filtered"
        | "responsibleaipolicyviolation"
        | "moderation_blocked"
        | "data_inspection_failed" => C::ContentFilter,
        "unsupported_parameter"
        | "unsupported_value"
        | "unknown_parameter"
        | "unsupported_model"
        | "not_supported_error"
        | "not_implemented"
        | "not_implemented_error" => C::UnsupportedParameter,
        "tool_use_failed" | "json_validate_failed" => C::ToolCallInvalid,
        _ => return None,
    })
}

/// How servers without codes say that a prompt does not fit.
const TOO_LONG: [&str; 6] = [
    "maximum context length",
    "max context length",
    "context window",
    "available context",
    "prompt is too long",
    "too many tokens",
];

/// Where a provider offers nothing but wording.
pub(super) fn class_of_wording(message: &str, status: Option<u16>) -> Option<ErrorClass> {
    let message = message.to_ascii_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    match status {
        Some(429) => any(&["tier capacity exceeded", "high demand"]).then_some(ErrorClass::Overloaded),
        None | Some(400 | 404 | 422 | 500) => {
            if any(&TOO_LONG) {
                Some(ErrorClass::ContextLength)
            } else if any(&["api key provided", "invalid api key", "api key not valid"]) {
                Some(ErrorClass::Auth)
            } else if names_no_model(&message) {
                Some(ErrorClass::ModelNotFound)
            } else if any(&["does not support", "is not supported", "not implemented"]) && status != Some(404)
            {
                Some(ErrorClass::UnsupportedParameter)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Several servers answer an unknown model with a plain 400 and no code.
fn names_no_model(message: &str) -> bool {
    let starts = message.starts_with("model ") || message.starts_with("the model ");
    let ends = ["does not exist", "not found", "is not supported."].iter().any(|part| message.contains(part));
    let said = ["try pulling it first", "is not a valid model", "supported api model names are"];
    (starts && ends) || said.iter().any(|part| message.contains(part))
}

/// The class that a status stands for when the body says nothing.
pub fn class_of_status(status: Option<u16>) -> ErrorClass {
    match status {
        Some(401 | 403) => ErrorClass::Auth,
        Some(402) => ErrorClass::QuotaExhausted,
        Some(404 | 410) => ErrorClass::ModelNotFound,
        Some(408 | 499 | 504 | 522 | 524) => ErrorClass::Timeout,
        Some(409 | 424) => ErrorClass::ServerError,
        Some(413) => ErrorClass::ContextLength,
        Some(429) => ErrorClass::RateLimited,
        Some(501) => ErrorClass::UnsupportedParameter,
        Some(503 | 529) => ErrorClass::Overloaded,
        Some(status) if status < 500 => ErrorClass::BadRequest,
        _ => ErrorClass::ServerError,
    }
}
