//! What a failure of a chat-compatible server means: by the words in its parsed body, then by its status, and by its
//! wording only where the words say nothing.

use serde_json::Value;

use crate::adapter::Failure;
use crate::error::{ErrorClass, ProviderError};
use crate::retry;

/// An error body, whatever its shape: `{"error":{..}}`, `{"error":".."}`, `{"object":"error",..}`, `{"message":".."}`,
/// `{"detail":..}`, a list of any of these, a stream's choice with an `error`, or no JSON at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorBody {
    /// As the provider wrote it; empty when there is none.
    pub message: String,
    /// The provider's own code, else its type.
    pub code: Option<String>,
    /// Codes and types, the most telling first, in lower case with underscores.
    pub words: Vec<String>,
    /// The offending request member.
    pub param: Option<String>,
    /// A status that stands in the body.
    pub status: Option<u16>,
    /// The whole error object, for what only one provider says.
    pub object: Value,
}

impl ErrorBody {
    /// Reads the body of a reply or the data of an event.
    pub fn read(data: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(data) {
            Ok(value) => Self::from_value(&value),
            Err(_) => Self { message: plain_text(data), ..Self::default() },
        }
    }

    fn from_value(root: &Value) -> Self {
        let root = root.as_array().and_then(|list| list.first()).unwrap_or(root);
        let object = match root.get("error").or_else(|| root.pointer("/choices/0/error")) {
            Some(inner @ Value::Object(_)) => inner,
            _ => root,
        };
        let text = |pointer: &str| object.pointer(pointer).and_then(word_text);
        let code = text("/code");
        let kind = text("/type");
        let own = [code.clone(), text("/innererror/code"), text("/metadata/error_type"), kind.clone()];
        let others = [text("/error_type"), text("/status"), text("/name")];
        let words = own.into_iter().chain(others).flatten().map(|word| tidy(&word)).collect();
        let numbers = ["/status_code", "/code", "/status", "/statusCode"];
        let number = |pointer: &&str| {
            let value = object.pointer(pointer)?;
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok().filter(|status| (400..=599).contains(status))
        };
        Self {
            message: message_of(root, object),
            code: telling(code, kind),
            words,
            param: text("/param").filter(|p| !p.is_empty()),
            status: numbers.iter().find_map(number),
            object: object.clone(),
        }
    }

    /// One of the codes or types is this word.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }
}

/// Says what a failure means, for any chat-compatible server.
pub fn classify(failure: &Failure) -> ProviderError {
    classify_with(failure, |_, _| None)
}

/// As [`classify`], after `own` had the first word. It gets the parsed body and the status: the reply's, or the one in
/// the body where the failure stands inside a 200 or a stream.
pub fn classify_with(
    failure: &Failure,
    own: impl FnOnce(&ErrorBody, Option<u16>) -> Option<ErrorClass>,
) -> ProviderError {
    let body = ErrorBody::read(&failure.data);
    let status = failure.status.filter(|status| *status >= 400).or(body.status);
    let class = own(&body, status)
        .or_else(|| class_of_body(&body, status))
        .or_else(|| class_of_wording(&body.message, status))
        .unwrap_or_else(|| class_of_status(status));
    let message = match (body.message.is_empty(), status) {
        (false, _) => body.message.clone(),
        (true, Some(status)) => format!("the provider answered with status {status}"),
        (true, None) => "the provider reported a failure".to_owned(),
    };
    ProviderError::new(class, message)
        .with_code(body.code)
        .with_param(body.param)
        .with_retry_after_ms(retry::hint_ms(&failure.headers))
}

fn class_of_body(body: &ErrorBody, status: Option<u16>) -> Option<ErrorClass> {
    let present = |pointer: &str| body.object.pointer(pointer).is_some_and(|v| !v.is_null());
    // A request over the limit of a minute: waiting does not make it smaller.
    if status == Some(413) {
        return Some(ErrorClass::ContextLength);
    }
    if present("/failed_generation") {
        return Some(ErrorClass::ToolCallInvalid);
    }
    if status == Some(403) && present("/metadata/reasons") {
        return Some(ErrorClass::ContentFilter);
    }
    if body.param.as_deref() == Some("input_tokens") {
        return Some(ErrorClass::ContextLength);
    }
    // "api_error" stands beside statuses that say more.
    let caller_side = status.is_some_and(|status| status < 500);
    let fits = |class: &ErrorClass| !(caller_side && *class == ErrorClass::ServerError);
    body.words.iter().filter_map(|word| class_of_word(word)).find(fits)
}

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

/// Where a provider offers nothing but wording.
fn class_of_wording(message: &str, status: Option<u16>) -> Option<ErrorClass> {
    let message = message.to_ascii_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    match status {
        Some(429) => any(&["tier capacity exceeded", "high demand"]).then_some(ErrorClass::Overloaded),
        None | Some(400 | 404 | 422 | 500) => {
            if any(&[
                "maximum context length",
                "max context length",
                "context window",
                "available context",
                "prompt is too long",
                "too many tokens",
            ]) {
                Some(ErrorClass::ContextLength)
            } else if any(&["api key provided", "invalid api key", "api key not valid"]) {
                Some(ErrorClass::Auth)
            } else if any(&["does not support", "is not supported", "not implemented"]) && status != Some(404)
            {
                Some(ErrorClass::UnsupportedParameter)
            } else if status == Some(400)
                && any(&["try pulling it first", "model not found", "is not a valid model"])
            {
                Some(ErrorClass::ModelNotFound)
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

fn message_of(root: &Value, object: &Value) -> String {
    let spots =
        ["/message", "/msg", "/error", "/detail", "/detail/message", "/detail/0/msg", "/errors/0/message"];
    let found = [object, root].into_iter().find_map(|value| {
        let texts = spots.iter().filter_map(|pointer| value.pointer(pointer).and_then(Value::as_str));
        texts.map(str::to_owned).find(|text| !text.is_empty())
    });
    let found = found.or_else(|| root.as_str().map(str::to_owned)).unwrap_or_default();
    // An aggregator puts the real provider's words into its metadata and says only that the provider failed.
    match object.pointer("/metadata/raw").and_then(Value::as_str) {
        Some(raw) if found == "Provider returned error" => format!("{found}: {raw}"),
        _ => found,
    }
}

/// Text of a body that is not JSON; a page of HTML has nothing to say to a client.
fn plain_text(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data.get(..data.len().min(2000)).unwrap_or_default());
    let text = text.trim();
    if text.starts_with('<') { String::new() } else { text.to_owned() }
}

/// The code, unless it only repeats a status and a type says more.
fn telling(code: Option<String>, kind: Option<String>) -> Option<String> {
    let empty = |text: &String| !text.is_empty();
    let (code, kind) = (code.filter(empty), kind.filter(empty));
    let repeats_status =
        code.as_ref().is_some_and(|c| c.parse::<u16>().is_ok_and(|n| (400..=599).contains(&n)));
    if repeats_status { kind.or(code) } else { code.or(kind) }
}

fn word_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn tidy(word: &str) -> String {
    word.to_ascii_lowercase().replace(['-', ' '], "_")
}
