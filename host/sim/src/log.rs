//! The request log of one lane: what arrived, what happened to it. Bounded; the oldest entry goes first.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Serialize, Serializer};

use crate::credential::{self, Credential};
use crate::dialect::Dialect;

/// Entries that a lane keeps.
pub const LOG_CAPACITY: usize = 10_000;
/// Header bytes that an entry keeps; what is beyond is left out.
const MOST_HEADER_BYTES: usize = 4 << 10;
const LONGEST_PATH: usize = 1 << 10;
const LONGEST_NAME: usize = 200;
/// A longer body is not kept as the last one.
const LONGEST_KEPT_BODY: usize = 8 << 20;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Still being answered.
    Open,
    /// The whole answer was handed to the connection.
    Finished,
    /// The client went away first; `sent_bytes` says when.
    ClientLeft,
    /// A fault broke the answer off.
    Cut,
}

/// One request as the lane saw it. Credentials are never in it, only their scheme and a short hash.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Counts from 1, per lane; survives emptying of the log.
    pub number: u64,
    /// Wall clock at arrival, milliseconds since 1970.
    pub unix_ms: u64,
    /// Milliseconds since the simulator started.
    pub monotonic_ms: u64,
    /// HTTP method.
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// Path and query as received, credentials in the query masked.
    pub path: String,
    /// Headers as received, credentials masked.
    pub headers: Headers,
    /// Whether and how the request was authenticated.
    pub credential: Option<Credential>,
    /// Length of the request body.
    pub body_bytes: usize,
    /// Whose wire format it is.
    pub dialect: Dialect,
    /// The model as the body or the path names it.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The kind of the fault that took it.
    pub fault: Option<&'static str>,
    /// Status of the answer; none where no header was ever sent.
    pub status: Option<u16>,
    /// How it ended, so far.
    pub outcome: Outcome,
    /// Body bytes handed to the connection.
    pub sent_bytes: u64,
}

impl Entry {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Headers in one string, since ten thousand maps would weigh too much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Box<str>);

impl Headers {
    pub(crate) fn masked(headers: &HeaderMap) -> Self {
        let mut lines = String::with_capacity(headers.len() * 48);
        for (name, value) in headers {
            if lines.len() + value.len() > MOST_HEADER_BYTES {
                break;
            }
            lines.push_str(name.as_str());
            lines.push('\n');
            match credential::masked(name, value) {
                Some(masked) => lines.push_str(&masked),
                None => lines.push_str(&String::from_utf8_lossy(value.as_bytes())),
            }
            lines.push('\n');
        }
        Self(lines.into_boxed_str())
    }

    /// The first value of a header, by its lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All names and values in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        // A header value holds no line feed, so the lines alternate.
        let mut lines = self.0.split_terminator('\n');
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Bounded list of entries, and the body of the last request.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    last_number: u64,
    last_body: Option<Bytes>,
}

impl Log {
    /// Numbers the entry and keeps it.
    pub(crate) fn push(&mut self, mut entry: Entry, body: Bytes) -> u64 {
        self.last_number += 1;
        entry.number = self.last_number;
        entry.path.truncate(entry.path.floor_char_boundary(LONGEST_PATH));
        if let Some(model) = &mut entry.model {
            model.truncate(model.floor_char_boundary(LONGEST_NAME));
        }
        if self.entries.len() >= LOG_CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last_body = Some(body).filter(|body| body.len() <= LONGEST_KEPT_BODY);
        self.last_number
    }

    /// Changes an entry that is still kept.
    pub(crate) fn update(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        let first = self.entries.front().map_or(0, |entry| entry.number);
        let place = number.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            change(entry);
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn last_body(&self) -> Option<Bytes> {
        self.last_body.clone()
    }

    /// Requests ever seen.
    pub(crate) fn total(&self) -> u64 {
        self.last_number
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.last_body = None;
    }
}
