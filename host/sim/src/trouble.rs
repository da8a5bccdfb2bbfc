//! What a provider can be unhappy about, free of any dialect. Each dialect turns it into its own status and body.

use serde::{Deserialize, Serialize};

/// The meaning of an error. The words are those of the control API (`"code": "rate_limit"`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BadRequest,
    ContextLength,
    ContentPolicy,
    Unsupported,
    Auth,
    Billing,
    Permission,
    ModelNotFound,
    TooLarge,
    RateLimit,
    Quota,
    ToolFailed,
    Server,
    BadGateway,
    Overloaded,
    Capacity,
    Timeout,
    /// A word of the caller's own, put where the dialect keeps its code.
    Other(String),
}

const WORDS: [(&str, Code); 17] = [
    ("bad_request", Code::BadRequest),
    ("context_length", Code::ContextLength),
    ("content_policy", Code::ContentPolicy),
    ("unsupported", Code::Unsupported),
    ("auth", Code::Auth),
    ("billing", Code::Billing),
    ("permission", Code::Permission),
    ("model_not_found", Code::ModelNotFound),
    ("too_large", Code::TooLarge),
    ("rate_limit", Code::RateLimit),
    ("quota", Code::Quota),
    ("tool_failed", Code::ToolFailed),
    ("server_error", Code::Server),
    ("bad_gateway", Code::BadGateway),
    ("overloaded", Code::Overloaded),
    ("capacity", Code::Capacity),
    ("timeout", Code::Timeout),
];

impl Code {
    pub(crate) fn from_word(word: &str) -> Self {
        let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, code)| code.clone());
        known.unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    /// What a bare status most often means.
    pub(crate) fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Auth,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::ModelNotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            498 => Self::Capacity,
            502 => Self::BadGateway,
            503 | 529 => Self::Overloaded,
            status if status < 500 => Self::BadRequest,
            _ => Self::Server,
        }
    }

    /// The status that most providers use; a dialect overrides where its provider differs.
    pub(crate) fn usual_status(&self) -> u16 {
        match self {
            Self::BadRequest
            | Self::ContextLength
            | Self::ContentPolicy
            | Self::Unsupported
            | Self::ToolFailed => 400,
            Self::Auth => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::ModelNotFound => 404,
            Self::TooLarge => 413,
            Self::RateLimit | Self::Quota => 429,
            Self::Capacity => 498,
            Self::Server | Self::Other(_) => 500,
            Self::BadGateway => 502,
            Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }
}

/// When the provider says to come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    /// Seconds; fractions allowed.
    Seconds(f64),
    /// Sent as it is: an HTTP date, or rubbish.
    Verbatim(String),
}

impl RetryAfter {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Verbatim(text) => text.clone(),
        }
    }
}

/// One error to be told to the caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) code: Code,
    /// Overrides the dialect's own status for this code.
    pub(crate) status: Option<u16>,
    /// Overrides the dialect's own wording.
    pub(crate) message: Option<String>,
    /// The request field that is to blame.
    pub(crate) param: Option<&'static str>,
    pub(crate) retry_after: Option<RetryAfter>,
}

impl Trouble {
    pub(crate) fn of(code: Code) -> Self {
        Self { code, status: None, message: None, param: None, retry_after: None }
    }

    pub(crate) fn bad(message: impl Into<String>, param: &'static str) -> Self {
        Self { message: Some(message.into()), param: Some(param), ..Self::of(Code::BadRequest) }
    }

    pub(crate) fn missing_model(model: &str) -> Self {
        Self { message: Some(missing_model(model)), ..Self::of(Code::ModelNotFound) }
    }

    pub(crate) fn message_or<'a>(&'a self, usual: &'a str) -> &'a str {
        self.message.as_deref().unwrap_or(usual)
    }
}

fn missing_model(model: &str) -> String {
    let shown: String = model.chars().take(100).collect();
    format!("The model `{shown}` does not exist or you do not have access to it.")
}
