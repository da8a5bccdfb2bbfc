//! What a failure of a chat-compatible server means: by the words in its parsed body, then by its status, and by its
//! wording only where the words say nothing.

use crate::adapter::Failure;
use crate::chat::ErrorBody;
use crate::chat::words::{class_of_status, class_of_word, class_of_wording};
use crate::error::{ErrorClass, ProviderError};
use crate::retry;

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
    // "api_error" and "internal_server_error" stand beside statuses that say more.
    let says_more = status.is_some_and(|status| status < 500 || matches!(status, 503 | 529));
    let fits = |class: &ErrorClass| !(says_more && *class == ErrorClass::ServerError);
    body.words.iter().filter_map(|word| class_of_word(word)).find(fits)
}
