//! Classes: what an attempt's failure means. Adapters say what happened, [`Class::rule`] alone says what is done.

use std::fmt;
use std::time::Duration;

/// What a limit or refusal covers; exactly that gate closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One model of the provider.
    Model,
    /// Everything behind the provider's credential.
    Credential,
}

/// What an attempt's failure means. The order follows the table in `host/ARCHITECTURE.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Too many requests or tokens for now.
    RateLimited,
    /// An allowance is used up; waiting seconds does not help.
    QuotaExhausted,
    /// The provider has no capacity at the moment.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// DNS, refused, TLS, or a reset before headers.
    Connect,
    /// No connection in time.
    TimeoutConnect,
    /// No headers, or no first content (streamed) or no answer (plain) in time.
    TimeoutFirstToken,
    /// Silence after content.
    TimeoutStall,
    /// The request's own deadline.
    TimeoutTotal,
    /// Broken off after content went to the client, or ended without a finish reason.
    StreamBroken,
    /// The reply is not what the provider's API promises.
    Malformed,
    /// A complete answer with nothing in it.
    EmptyAnswer,
    /// The prompt does not fit this model.
    ContextLength,
    /// Refused by policy.
    ContentFilter,
    /// The provider refuses our credential.
    Auth,
    /// The provider does not know the model.
    ModelNotFound,
    /// The request is wrong everywhere.
    BadRequest,
    /// The target lacks something the request asks for.
    UnsupportedParameter,
    /// The model wrote a tool call that cannot be parsed.
    ToolCallInvalid,
    /// Our client left.
    ClientCancelled,
    /// The adapter trapped, ran over a limit or returned rubbish.
    PluginFault,
}

impl Class {
    /// Every class, for tables and tests.
    pub const ALL: [Self; 21] = [
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Overloaded,
        Self::ServerError,
        Self::Connect,
        Self::TimeoutConnect,
        Self::TimeoutFirstToken,
        Self::TimeoutStall,
        Self::TimeoutTotal,
        Self::StreamBroken,
        Self::Malformed,
        Self::EmptyAnswer,
        Self::ContextLength,
        Self::ContentFilter,
        Self::Auth,
        Self::ModelNotFound,
        Self::BadRequest,
        Self::UnsupportedParameter,
        Self::ToolCallInvalid,
        Self::ClientCancelled,
        Self::PluginFault,
    ];

    /// Low-cardinality label for logs, metrics and error codes.
    pub fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Connect => "connect",
            Self::TimeoutConnect => "timeout_connect",
            Self::TimeoutFirstToken => "timeout_first_token",
            Self::TimeoutStall => "timeout_stall",
            Self::TimeoutTotal => "timeout_total",
            Self::StreamBroken => "stream_broken",
            Self::Malformed => "malformed",
            Self::EmptyAnswer => "empty_answer",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::Auth => "upstream_auth",
            Self::ModelNotFound => "model_not_found",
            Self::BadRequest => "bad_request",
            Self::UnsupportedParameter => "unsupported_parameter",
            Self::ToolCallInvalid => "tool_call_invalid",
            Self::ClientCancelled => "client_cancelled",
            Self::PluginFault => "plugin_fault",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Who a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The provider, or the way to it.
    Upstream,
    /// An injected fault, dressed as the provider.
    Chaos,
    /// A plugin of ours.
    Plugin,
    /// The gateway itself (deadline, refusal before any call).
    Gateway,
}

/// One classified failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// What it covers.
    pub scope: Scope,
    /// Whose it is.
    pub side: Side,
    /// Upstream status, where there was one.
    pub status: Option<u16>,
    /// Safe to show to a client: no URL, key or header.
    pub message: String,
    /// The provider's hint.
    pub retry_after: Option<Duration>,
    /// The provider's own code; of a failure without a reply, what the transport saw.
    pub code: Option<String>,
    /// The offending request member.
    pub param: Option<String>,
}

impl Failure {
    /// A failure of the upstream that carries no more than its class and a message.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            scope: Scope::Model,
            side: Side::Upstream,
            status: None,
            message: message.into(),
            retry_after: None,
            code: None,
            param: None,
        }
    }

    /// The same failure, charged to another side.
    #[must_use]
    pub fn on(mut self, side: Side) -> Self {
        self.side = side;
        self
    }
}
