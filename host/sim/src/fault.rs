//! The misbehaviours that a lane can be told to show. The JSON form is the control API's; see the crate's manual.

pub(crate) mod armed;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use crate::trouble::RetryAfter;

/// One misbehaviour and when it shows.
///
/// Made with the constructors and the `times`, `after`, ... methods, or from the JSON of the control API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// What happens.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many requests it takes; none: without end.
    pub times: Option<u64>,
    /// How many requests it lets pass first.
    pub after: u64,
    /// Milliseconds from arming after which it is over; none: never.
    pub for_ms: Option<u64>,
    /// The share of due requests that it takes, 0 to 1, decided by the simulator's seed.
    pub probability: f64,
}

/// What happens to a request. Events are counted in *content* events: those that carry text, reasoning or a piece of
/// a tool call; the frame around them (role chunk, `message_start`, pings, usage) does not count.
/// A plain answer counts as eight events of equal length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// An error in the dialect's own shape.
    Status {
        /// HTTP status; none: the provider's usual one for `code`.
        #[serde(default)]
        status: Option<u16>,
        /// `rate_limit`, `quota`, `context_length`, ...; none: what the status usually means. Any other word is sent
        /// as it is, where the dialect has its code.
        #[serde(default)]
        code: Option<String>,
        /// When to come back, where the dialect says that.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
        /// Instead of the provider's usual wording.
        #[serde(default)]
        message: Option<String>,
    },
    /// Accepts the request and never answers.
    Hang {},
    /// A TCP reset before any header.
    Reset {},
    /// Waits before the headers.
    SlowHeaders {
        /// Milliseconds.
        ms: u64,
    },
    /// Headers and the frame at once, the first content later.
    SlowFirstToken {
        /// Milliseconds.
        ms: u64,
    },
    /// Waits before each content event.
    Drip {
        /// Milliseconds.
        ms_per_event: u64,
    },
    /// Silent after so many content events.
    StallAfter {
        /// Content events that still arrive.
        events: u64,
        /// Milliseconds of silence, then the connection breaks; none: silent for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The connection breaks within the body.
    CutAfter {
        /// Content events that still arrive.
        #[serde(default)]
        events: Option<u64>,
        /// Bytes of the body that still arrive, if `events` is absent.
        #[serde(default)]
        bytes: Option<u64>,
        /// With a TCP reset; else with an orderly close in the middle of the chunked body.
        #[serde(default)]
        reset: bool,
    },
    /// The body ends cleanly after so many content events, without a finish reason.
    CloseCleanAfter {
        /// Content events that still arrive.
        events: u64,
    },
    /// An extra event that is not JSON comes before content event `at`; nothing of the answer is missing.
    MalformedEvent {
        /// Counted from 1.
        at: u64,
    },
    /// The stream ends after its finish reason without the dialect's last event (`[DONE]`, `message_stop`, `]`).
    NoTerminator {},
    /// Status 200, and the body is an error.
    #[serde(rename = "error_in_200")]
    ErrorIn200 {
        /// As for `status`; none: `server_error`.
        #[serde(default)]
        code: Option<String>,
    },
    /// The stream turns into the dialect's error event.
    ErrorEventAt {
        /// Content events before it.
        at: u64,
        /// As for `status`; none: `overloaded`.
        #[serde(default)]
        code: Option<String>,
    },
    /// Finished, and nothing was said.
    EmptyAnswer {},
    /// Finished by the provider's content filter, and nothing was said.
    Refusal {},
    /// Status 200, and the body is a web page.
    #[serde(rename = "html_200")]
    Html200 {},
    /// Status 200, and only what keeps connections open, for ever.
    HeartbeatOnly {
        /// Milliseconds between heartbeats.
        #[serde(default = "one_second")]
        ms: u64,
    },
    /// The JSON of a plain answer, or of the last content event, stops in the middle; the body ends cleanly.
    TruncatedJson {},
    /// A body without sense or end of line, of this length.
    Huge {
        /// Bytes.
        #[serde(default = "huge_bytes")]
        bytes: u64,
    },
}

fn one_second() -> u64 {
    1_000
}

fn huge_bytes() -> u64 {
    64 << 20
}

impl Kind {
    /// The kind's word in the control API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Hang {} => "hang",
            Self::Reset {} => "reset",
            Self::SlowHeaders { .. } => "slow_headers",
            Self::SlowFirstToken { .. } => "slow_first_token",
            Self::Drip { .. } => "drip",
            Self::StallAfter { .. } => "stall_after",
            Self::CutAfter { .. } => "cut_after",
            Self::CloseCleanAfter { .. } => "close_clean_after",
            Self::MalformedEvent { .. } => "malformed_event",
            Self::NoTerminator {} => "no_terminator",
            Self::ErrorIn200 { .. } => "error_in_200",
            Self::ErrorEventAt { .. } => "error_event_at",
            Self::EmptyAnswer {} => "empty_answer",
            Self::Refusal {} => "refusal",
            Self::Html200 {} => "html_200",
            Self::HeartbeatOnly { .. } => "heartbeat_only",
            Self::TruncatedJson {} => "truncated_json",
            Self::Huge { .. } => "huge",
        }
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self { kind, times: None, after: 0, for_ms: None, probability: 1.0 }
    }
}

/// The most common faults by name; every other one is `Fault::from(Kind::...)`.
impl Fault {
    /// An HTTP error with the meaning that the status usually has.
    pub fn status(status: u16) -> Self {
        Kind::Status { status: Some(status), code: None, retry_after: None, message: None }.into()
    }

    /// An error of this meaning, with the provider's own status for it.
    pub fn code(code: impl Into<String>) -> Self {
        Kind::Status { status: None, code: Some(code.into()), retry_after: None, message: None }.into()
    }

    /// Never answers.
    pub fn hang() -> Self {
        Kind::Hang {}.into()
    }

    /// TCP reset before any header.
    pub fn reset() -> Self {
        Kind::Reset {}.into()
    }

    /// First content after so many milliseconds.
    pub fn slow_first_token(ms: u64) -> Self {
        Kind::SlowFirstToken { ms }.into()
    }

    /// Breaks the connection after so many content events.
    pub fn cut_after(events: u64) -> Self {
        Kind::CutAfter { events: Some(events), bytes: None, reset: false }.into()
    }

    /// Falls silent after so many content events.
    pub fn stall_after(events: u64) -> Self {
        Kind::StallAfter { events, ms: None }.into()
    }

    /// Adds a hint when to come back to a status fault; without effect on others.
    #[must_use]
    pub fn retry_after(mut self, seconds: f64) -> Self {
        if let Kind::Status { retry_after, .. } = &mut self.kind {
            *retry_after = Some(RetryAfter::Seconds(seconds));
        }
        self
    }

    /// Takes only so many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many requests pass first.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Is over so many milliseconds after arming.
    #[must_use]
    pub fn for_ms(mut self, ms: u64) -> Self {
        self.for_ms = Some(ms);
        self
    }

    /// Takes only this share of the due requests, 0 to 1.
    #[must_use]
    pub fn probability(mut self, share: f64) -> Self {
        self.probability = share;
        self
    }
}

impl<'de> Deserialize<'de> for Fault {
    /// By hand, because a flattened enum could not refuse unknown parameters, and a misspelt one must not pass silently.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let times = take(&mut map, "times").map_err(D::Error::custom)?;
        let after = take(&mut map, "after").map_err(D::Error::custom)?;
        let for_ms = take(&mut map, "for_ms").map_err(D::Error::custom)?;
        let probability = take(&mut map, "probability").map_err(D::Error::custom)?;
        let kind: Kind = serde_json::from_value(Value::Object(map)).map_err(D::Error::custom)?;
        if let Kind::Status { status: None, code: None, .. } = kind {
            return Err(D::Error::custom("`status` needs a `status` or a `code`"));
        }
        if let Kind::Status { status: Some(status), .. } = kind
            && !(200..=599).contains(&status)
        {
            return Err(D::Error::custom("`status` must be from 200 to 599"));
        }
        let probability: f64 = probability.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&probability) {
            return Err(D::Error::custom("`probability` must be from 0 to 1"));
        }
        Ok(Self { kind, times, after: after.unwrap_or_default(), for_ms, probability })
    }
}

fn take<T: DeserializeOwned>(map: &mut Map<String, Value>, key: &str) -> Result<Option<T>, String> {
    let Some(value) = map.remove(key) else { return Ok(None) };
    serde_json::from_value(value).map_err(|error| format!("`{key}`: {error}"))
}

#[cfg(test)]
mod tests;
