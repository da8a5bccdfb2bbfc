//! What a failure means: by the error's type and code, then by the status. `invalid_request_error` covers so much that
//! its wording has to be looked at; the API offers nothing else there.

use seawall_plugin::prelude::*;
use seawall_translate::Json;

/// Classifies a reply or an event.
pub(crate) fn classify(failure: &Failure) -> ProviderError {
    let body = Json::parse(&failure.data).unwrap_or_default();
    read(&body, failure.status.unwrap_or(0), &failure.headers)
}

/// Classifies a parsed error; a status under 400 says nothing, as inside a stream.
pub(crate) fn read(body: &Json<'_>, status: u16, headers: &[Header]) -> ProviderError {
    let status = if status < 400 { 0 } else { status };
    let error = body.get("error").unwrap_or(body);
    let kind = error.text("type").unwrap_or_default();
    let code = error.at(&["details", "error_code"]).and_then(Json::as_text);
    let message = error.text("message").unwrap_or_default();
    let class = class_of(kind, code, message, status);
    let shown = match message {
        "" if status == 0 => "the provider reported a failure".to_owned(),
        "" => format!("the provider answered with status {status}"),
        message => message.to_owned(),
    };
    let known = code.or(Some(kind)).filter(|code| !code.is_empty());
    let has_param = matches!(class, ErrorClass::BadRequest | ErrorClass::UnsupportedParameter);
    ProviderError::new(class, shown)
        .with_code(known.map(str::to_owned))
        .with_param(if has_param { param_of(message) } else { None })
        .with_retry_after_ms(retry::hint_ms(headers))
}

fn class_of(kind: &str, code: Option<&str>, message: &str, status: u16) -> ErrorClass {
    if code == Some("enforced_spend_limit_reached") {
        return ErrorClass::QuotaExhausted;
    }
    match kind {
        "overloaded_error" => ErrorClass::Overloaded,
        "rate_limit_error" => ErrorClass::RateLimited,
        "billing_error" => ErrorClass::QuotaExhausted,
        "authentication_error" | "permission_error" => ErrorClass::Auth,
        "not_found_error" => class_of_missing(message),
        "request_too_large" => ErrorClass::ContextLength,
        "timeout_error" => ErrorClass::Timeout,
        "invalid_request_error" if status == 0 || status == 400 || status == 422 => class_of_invalid(message),
        "api_error" if status == 0 => ErrorClass::ServerError,
        _ => chat::class_of_status((status != 0).then_some(status)),
    }
}

/// Files, batches and containers can be missing too.
fn class_of_missing(message: &str) -> ErrorClass {
    let lower = message.to_ascii_lowercase();
    let about_model = lower.is_empty() || lower == "not found" || lower.starts_with("model");
    if about_model { ErrorClass::ModelNotFound } else { ErrorClass::BadRequest }
}

fn class_of_invalid(message: &str) -> ErrorClass {
    let lower = message.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if says(&["credit balance", "api usage limits", "spend limit"]) {
        ErrorClass::QuotaExhausted
    } else if says(&[
        "prompt is too long",
        "exceed context limit",
        "exceeds the context window",
        "too many total text bytes",
    ]) {
        ErrorClass::ContextLength
    } else if says(&["content filtering policy", "usage policy"]) {
        ErrorClass::ContentFilter
    } else if says(&[
        "not supported",
        "does not support",
        "unsupported",
        "cannot both be specified",
        "is deprecated for",
    ]) {
        ErrorClass::UnsupportedParameter
    } else {
        ErrorClass::BadRequest
    }
}

/// Messages begin with the place (`messages.1.content.0: ...`) or quote it (`` `temperature` and ...``).
fn param_of(message: &str) -> Option<String> {
    let path = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-[]".contains(c);
        (!text.is_empty() && text.len() <= 120 && text.chars().all(fits)).then(|| text.to_owned())
    };
    if let Some(place) = message.split_once(": ").and_then(|(head, _)| path(head)) {
        return Some(place);
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    if let Some(place) = quoted.next().and_then(path) {
        return Some(place);
    }
    let lower = message.to_ascii_lowercase();
    let known = [("prefill", "messages"), ("effort level", "reasoning_effort"), ("thinking", "thinking")];
    known.iter().find(|(word, _)| lower.contains(word)).map(|(_, param)| (*param).to_owned())
}
