//! What a request ends in, before it is written as HTTP.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use crate::request::RequestId;
use crate::target::TargetId;

/// How far the answer is from what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Degraded {
    /// The first target answered, in the operator's order or the policy's.
    #[default]
    None,
    /// Another target answered.
    Fallback,
}

impl Degraded {
    /// Value of `x-seawall-degraded`.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fallback => "fallback",
        }
    }
}

/// What happened on the way, as known when the headers are sent.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The request.
    pub id: RequestId,
    /// Who answered; none when nobody did.
    pub target: Option<TargetId>,
    /// Upstream calls made so far.
    pub attempts: u32,
    /// How far from the wish.
    pub degraded: Degraded,
    /// Request members that the translation could not carry over.
    pub lost: Vec<&'static str>,
    /// Kinds of armed faults that acted on its calls so far.
    pub faults: Vec<String>,
}

/// An error as a client sees it, not yet in any protocol's clothes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// HTTP status.
    pub status: u16,
    /// Stable machine-readable code (`rate_limited`, `stream_interrupted`, ...).
    pub code: String,
    /// For people; no URL, key or header.
    pub message: String,
    /// The offending request member.
    pub param: Option<String>,
    /// One honest hint when trying again may help.
    pub retry_after: Option<Duration>,
    /// Value of `x-should-retry`; official clients obey it.
    pub should_retry: Option<bool>,
}

impl ClientError {
    /// An error without hints.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            param: None,
            retry_after: None,
            should_retry: None,
        }
    }

    /// The same error, pointing at a request member.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }
}

/// Bytes of a committed stream in the client's protocol. It never fails as a stream: a failure is an event in it.
pub type AnswerStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// What a request ended in.
pub enum Reply {
    /// A complete JSON answer.
    Plain {
        /// In the client's protocol.
        body: Bytes,
        /// For the headers.
        trail: Trail,
    },
    /// A stream that has begun.
    Stream {
        /// In the client's protocol.
        body: AnswerStream,
        /// For the headers.
        trail: Trail,
    },
    /// Nothing could be answered.
    Failed {
        /// Why.
        error: ClientError,
        /// For the headers.
        trail: Trail,
    },
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { trail, .. } => f.debug_tuple("Plain").field(trail).finish(),
            Self::Stream { trail, .. } => f.debug_tuple("Stream").field(trail).finish(),
            Self::Failed { error, .. } => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}
