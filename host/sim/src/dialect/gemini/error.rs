//! Status, status word, wording and details of errors. Hints to come back are in the details, never in a header.

use serde_json::{Value, json};

use crate::trouble::{Code, RetryAfter, Trouble};

pub(in crate::dialect) fn error(trouble: &Trouble) -> (u16, Value) {
    const INVALID: &str = "INVALID_ARGUMENT";
    let (status, word, usual) = match &trouble.code {
        Code::BadRequest | Code::ToolFailed => (400, INVALID, "Request contains an invalid argument."),
        Code::ContextLength => (
            400,
            INVALID,
            "The input token count (1050000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        Code::ContentPolicy => (400, INVALID, "The request was blocked by the safety filters."),
        Code::Unsupported => (400, INVALID, "This model does not support this parameter."),
        Code::Auth => (400, INVALID, "API key not valid. Please pass a valid API key."),
        Code::Billing => (400, "FAILED_PRECONDITION", "Enable billing on your project in the console."),
        Code::Permission => (403, "PERMISSION_DENIED", "The caller does not have permission"),
        Code::ModelNotFound => (
            404,
            "NOT_FOUND",
            "The model is not found for API version v1beta, or is not supported for this method.",
        ),
        Code::TooLarge => (413, INVALID, "Request payload size exceeds the limit."),
        Code::RateLimit | Code::Quota => {
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan.")
        }
        Code::Server => (500, "INTERNAL", "An internal error has occurred. Please retry."),
        Code::BadGateway => (502, "INTERNAL", "Bad gateway."),
        Code::Overloaded | Code::Capacity => {
            (503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        }
        Code::Timeout => {
            (504, "DEADLINE_EXCEEDED", "The deadline expired before the operation could complete.")
        }
        Code::Other(word) => (500, word.as_str(), "The simulated provider is unhappy."),
    };
    let status = trouble.status.unwrap_or(status);
    let mut error = json!({"code": status, "message": trouble.message_or(usual), "status": word});
    let details = details(trouble);
    if let (false, Some(error)) = (details.is_empty(), error.as_object_mut()) {
        error.insert("details".to_owned(), Value::Array(details));
    }
    (status, json!({"error": error}))
}

fn details(trouble: &Trouble) -> Vec<Value> {
    let quota = |id: &str| {
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
               "violations": [{"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": id}]})
    };
    let mut details = match trouble.code {
        Code::Auth => {
            vec![json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                                  "domain": "googleapis.com"})]
        }
        Code::RateLimit => vec![quota("GenerateRequestsPerMinutePerProjectPerModel")],
        Code::Quota => vec![quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")],
        _ => Vec::new(),
    };
    if let Some(hint) = &trouble.retry_after {
        let delay = match hint {
            RetryAfter::Seconds(seconds) => format!("{seconds}s"),
            RetryAfter::Verbatim(text) => text.clone(),
        };
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
    }
    details
}
