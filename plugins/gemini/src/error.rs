//! What a failure means: by the typed details, then by the status word, then by the HTTP status. An invalid argument
//! covers so much that its wording has to be looked at; the API offers nothing else there.

use seawall_plugin::prelude::*;
use seawall_translate::Json;

/// Classifies a reply or an event.
pub(crate) fn classify(failure: &Failure) -> ProviderError {
    let body = Json::parse(&failure.data).unwrap_or_default();
    let body = body.as_list().and_then(<[Json<'_>]>::first).unwrap_or(&body);
    read(body, failure.status.unwrap_or(0), &failure.headers)
}

/// Classifies a parsed error; a status under 400 says nothing, as inside a stream.
pub(crate) fn read(body: &Json<'_>, status: u16, headers: &[Header]) -> ProviderError {
    let error = Details(body.get("error").unwrap_or(body));
    let in_body = error.0.count("code").and_then(|code| u16::try_from(code).ok());
    let status = Some(status).filter(|status| *status >= 400).or(in_body);
    let message = error.0.text("message").unwrap_or_default();
    let class = class_of(&error, message, status);
    let shown = match (message, status) {
        ("", None) => "the provider reported a failure".to_owned(),
        ("", Some(status)) => format!("the provider answered with status {status}"),
        (message, _) => message.to_owned(),
    };
    let read = ProviderError::new(class, shown)
        .with_code(error.reason().or_else(|| error.0.text("status")).map(str::to_owned))
        .with_param(error.field().map(str::to_owned));
    match class {
        // A daily quota still carries the hint of the minute's.
        ErrorClass::QuotaExhausted => read.with_scope(error.scope().unwrap_or(Scope::Credential)),
        ErrorClass::RateLimited => read
            .with_scope(error.scope().unwrap_or(Scope::Model))
            .with_retry_after_ms(error.retry_delay_ms().or_else(|| retry::hint_ms(headers))),
        _ => read.with_retry_after_ms(error.retry_delay_ms().or_else(|| retry::hint_ms(headers))),
    }
}

/// An error with its typed details.
struct Details<'a>(&'a Json<'a>);

impl<'a> Details<'a> {
    fn of_type(&self, kind: &str) -> impl Iterator<Item = &'a Json<'a>> {
        self.0.list("details").iter().filter(move |detail| {
            detail.text("@type").and_then(|name| name.rsplit('.').next()).is_some_and(|name| name == kind)
        })
    }

    fn reason(&self) -> Option<&'a str> {
        self.of_type("ErrorInfo").find_map(|info| info.text("reason"))
    }

    fn field(&self) -> Option<&'a str> {
        self.of_type("BadRequest").find_map(|detail| detail.list("fieldViolations").first()?.text("field"))
    }

    fn retry_delay_ms(&self) -> Option<u64> {
        self.of_type("RetryInfo").find_map(|info| retry::duration_ms(info.text("retryDelay")?))
    }

    fn quota_ids(&self) -> impl Iterator<Item = &'a str> {
        self.of_type("QuotaFailure")
            .flat_map(|quota| quota.list("violations"))
            .filter_map(|v| v.text("quotaId"))
    }

    /// What the exceeded quotas cover, where they say so.
    fn scope(&self) -> Option<Scope> {
        self.quota_ids().next()?;
        let per_model = self.quota_ids().all(|id| id.contains("PerModel"));
        Some(if per_model { Scope::Model } else { Scope::Credential })
    }
}

fn class_of(error: &Details<'_>, message: &str, status: Option<u16>) -> ErrorClass {
    match error.reason() {
        Some("BILLING_DISABLED") => return ErrorClass::QuotaExhausted,
        Some("SERVICE_DISABLED" | "CONSUMER_INVALID" | "CONSUMER_SUSPENDED") => return ErrorClass::Auth,
        Some(reason) if reason.starts_with("API_KEY") => return ErrorClass::Auth,
        _ => {}
    }
    // The status word says only that an argument is invalid, the status that it is too large for this model.
    if status == Some(413) {
        return ErrorClass::ContextLength;
    }
    let lower = message.to_ascii_lowercase();
    match error.0.text("status").unwrap_or_default() {
        "RESOURCE_EXHAUSTED" if status == Some(402) || is_used_up(error, &lower) => {
            ErrorClass::QuotaExhausted
        }
        "RESOURCE_EXHAUSTED" => ErrorClass::RateLimited,
        "UNAVAILABLE" => ErrorClass::Overloaded,
        "DEADLINE_EXCEEDED" => ErrorClass::Timeout,
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => ErrorClass::Auth,
        "NOT_FOUND" => ErrorClass::ModelNotFound,
        "UNIMPLEMENTED" => ErrorClass::UnsupportedParameter,
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => class_of_invalid(&lower),
        "FAILED_PRECONDITION" if lower.contains("billing") => ErrorClass::QuotaExhausted,
        "FAILED_PRECONDITION" if lower.contains("location") => ErrorClass::Auth,
        "FAILED_PRECONDITION" => ErrorClass::BadRequest,
        "INTERNAL" if is_too_long(&lower) => ErrorClass::ContextLength,
        "INTERNAL" | "UNKNOWN" | "ABORTED" | "DATA_LOSS" => ErrorClass::ServerError,
        _ => chat::class_of_status(status),
    }
}

fn is_used_up(error: &Details<'_>, message: &str) -> bool {
    let spent =
        ["credits are depleted", "spending cap", "monthly spend"].iter().any(|words| message.contains(words));
    spent || error.quota_ids().any(|id| id.contains("PerDay") || id.contains("PerMonth"))
}

fn class_of_invalid(message: &str) -> ErrorClass {
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if is_too_long(message) {
        ErrorClass::ContextLength
    } else if says(&["api key not valid", "api key expired", "pass a valid api key"]) {
        ErrorClass::Auth
    } else if says(&[
        "is not supported",
        "not enabled for",
        "does not support",
        "unsupported",
        "only supported",
    ]) {
        ErrorClass::UnsupportedParameter
    } else {
        ErrorClass::BadRequest
    }
}

fn is_too_long(message: &str) -> bool {
    message.contains("token")
        && ["exceeds the maximum", "exceeds the limit", "too long"].iter().any(|w| message.contains(w))
}
