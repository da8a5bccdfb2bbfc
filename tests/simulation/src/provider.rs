//! What a provider is like, and how it behaves at one moment.

use std::fmt::Debug;
use std::time::Duration;

use seawall_core::request::RequestId;

/// A provider in good times. First-token times are log-normal, as measured ones roughly are.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in targets.
    pub name: &'static str,
    /// Median first-token time in seconds.
    pub first_token_s: f64,
    /// Spread of it.
    pub sigma: f64,
    /// No first token takes longer, in seconds; infinite where tails are the point.
    pub slowest_s: f64,
    /// Tokens a second once it speaks.
    pub tokens_per_s: f64,
    /// Calls under way at which first tokens take half as long again.
    pub knee: f64,
    /// How it takes an assistant's unfinished message.
    pub prefill: Prefill,
    /// What stands between two numbers when it counts.
    pub separator: &'static str,
    /// Its rate limit is its credential's rather than the model's.
    pub limits_credential: bool,
    /// It ends streams with a usage chunk.
    pub tells_usage: bool,
    /// Its conduct when nothing is scripted.
    pub usual: Conduct,
}

/// How a provider takes an assistant message at the end of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefill {
    /// Declared, and it goes on where the message ends.
    Continues,
    /// Declared, but it answers 400.
    Refuses,
    /// Not declared; it would begin again.
    Undeclared,
}

/// How a provider behaves now. Shares are probabilities of one call.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// Factor on first-token times.
    pub slow: f64,
    /// 503 after a short time.
    pub error: f64,
    /// Nothing ever comes.
    pub hang: f64,
    /// Answers that are late by `tail_factor`.
    pub tail_share: f64,
    /// How late.
    pub tail_factor: f64,
    /// Requests a second; above, 429.
    pub rate_limit: f64,
    /// Whether a 429 says when to come back.
    pub rate_hint: bool,
    /// Further faults, each with its share.
    pub faults: Vec<(f64, Fault)>,
}

impl Conduct {
    /// Never fails, never limits.
    pub const PERFECT: Self = Self {
        slow: 1.0,
        error: 0.0,
        hang: 0.0,
        tail_share: 0.0,
        tail_factor: 1.0,
        rate_limit: f64::INFINITY,
        rate_hint: true,
        faults: Vec::new(),
    };
}

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// No connection.
    Refuse,
    /// No connection in time.
    ConnectTimeout,
    /// The connection breaks before headers.
    Reset,
    /// No headers, ever.
    Hang,
    /// An error reply.
    Error {
        /// HTTP status.
        status: u16,
        /// In the body.
        code: &'static str,
        /// `retry-after` in seconds.
        retry_after: Option<u32>,
    },
    /// Headers and a role, then nothing.
    SilentStart,
    /// Headers, then comments for ever.
    Drip,
    /// An error event before content; plain, an error under a 200.
    EarlyError,
    /// The connection breaks before content.
    EarlyCut,
    /// A complete answer with nothing in it.
    Empty,
    /// The connection breaks after some content.
    Cut,
    /// The stream ends after some content as if it were complete, without a finish reason.
    Short,
    /// Silence after some content.
    Stall,
    /// An error event after some content.
    LateError,
    /// A finish reason, but no terminator: not a failure.
    NoTerminator,
    /// One event that cannot be read; the stream goes on and finishes.
    Garbage,
}

/// Who behaves how when.
pub trait Script: Send + Sync + Debug {
    /// Conduct of the provider with this index at this time since the start.
    fn conduct(&self, provider: usize, usual: &Conduct, at: Duration) -> Conduct;

    /// What befalls every call that this request makes to this provider, instead of the usual dice: for trials that have
    /// to know how often a request, not a call, is lost.
    fn fault_for(&self, _provider: usize, _request: RequestId) -> Option<Fault> {
        None
    }
}
