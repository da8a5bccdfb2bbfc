//! Framing: raw chunks of an upstream reply in, one event at a time out.
//!
//! What comes out depends on the bytes alone, never on how they were cut into chunks. An event that lies inside one
//! chunk is a slice of it, so that streams of the client's own protocol can be relayed byte for byte without a copy.
//! A framer never panics and holds at most one unfinished event, which has a size cap; what cannot be framed is a
//! [`FrameError`], after which the framer stays failed.

mod json;
mod sse;
#[cfg(test)]
mod tests;

pub(crate) use self::json::Nesting;

use bytes::{Bytes, BytesMut};

use self::json::{LineCutter, ValueCutter};
use self::sse::SseCutter;
use crate::event::WireEvent;
use crate::ports::Framing;

/// One piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// An event with data.
    Event {
        /// What it says.
        event: WireEvent,
        /// Its own bytes with the framing around them, ready to be relayed.
        raw: Bytes,
    },
    /// Comments, keep-alives, stray blank lines, blocks without data: a sign of life without content. The bytes as sent.
    Comment(Bytes),
}

impl Framed {
    /// What a decoder is fed with: the event, if it is one.
    pub fn into_event(self) -> Option<WireEvent> {
        match self {
            Self::Event { event, .. } => Some(event),
            Self::Comment(_) => None,
        }
    }
}

/// Why a reply cannot be framed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// One event is larger than allowed.
    #[error("one event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The configured cap.
        limit: usize,
    },
    /// HTML or XML.
    #[error("the reply is a markup document, not a stream of events")]
    Markup,
    /// A framing that this host does not know yet.
    #[error("this host does not support binary event streams yet")]
    Unsupported,
}

/// Cuts one reply into events.
#[derive(Debug)]
pub struct Framer {
    mode: Mode,
    /// Bytes of the piece that has begun and not ended.
    carry: BytesMut,
    max_event_bytes: usize,
    failed: Option<FrameError>,
}

#[derive(Debug)]
enum Mode {
    /// Nothing but white space has come yet.
    Undecided(Hint),
    Sse(SseCutter),
    Lines(LineCutter),
    Values(ValueCutter),
}

/// What is known before the first byte.
#[derive(Clone, Copy, Debug)]
enum Hint {
    Sse,
    Lines,
    Values,
}

impl Framer {
    /// A framer for one reply. The content type only matters to [`Framing::Auto`].
    pub fn new(framing: Framing, content_type: Option<&str>, max_event_bytes: usize) -> Self {
        let hint = match framing {
            Framing::Auto => hint_of(content_type.unwrap_or_default()),
            Framing::Sse | Framing::AwsEventStream => Hint::Sse,
            Framing::JsonLines => Hint::Lines,
            Framing::JsonArray => Hint::Values,
        };
        let failed = (framing == Framing::AwsEventStream).then_some(FrameError::Unsupported);
        Self { mode: Mode::Undecided(hint), carry: BytesMut::new(), max_event_bytes, failed }
    }

    /// Appends what this chunk completes.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Framed>) -> Result<(), FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.cut(chunk, out).inspect_err(|error| {
            self.failed = Some(error.clone());
            self.carry = BytesMut::new();
        })
    }

    /// The reply has ended: whatever has begun is delivered as it stands. Providers do send a last event without the
    /// blank line; one that was really cut off is no valid JSON, and its reader says so.
    pub fn finish(&mut self, out: &mut Vec<Framed>) {
        let rest = self.carry.split().freeze();
        if rest.is_empty() || self.failed.is_some() {
            return;
        }
        match &mut self.mode {
            Mode::Undecided(_) => {}
            Mode::Sse(cutter) => out.push(sse::framed(&cutter.complete(rest))),
            Mode::Lines(_) => out.extend(json::line(&rest)),
            Mode::Values(cutter) => out.extend(cutter.value(&rest)),
        }
    }

    fn cut(&mut self, chunk: Bytes, out: &mut Vec<Framed>) -> Result<(), FrameError> {
        let mut chunk = match &self.mode {
            Mode::Undecided(hint) => match self.decide(*hint, chunk)? {
                Some(chunk) => chunk,
                None => return Ok(()),
            },
            _ => chunk,
        };
        while !chunk.is_empty() {
            let end = match &mut self.mode {
                Mode::Undecided(_) => None,
                Mode::Sse(cutter) => cutter.cut(&chunk),
                Mode::Lines(cutter) => cutter.cut(&chunk),
                Mode::Values(cutter) => cutter.cut(&chunk),
            };
            let Some(end) = end else {
                self.carry.extend_from_slice(&chunk);
                return self.check_size(self.carry.len());
            };
            let mut piece = chunk.split_to(end);
            if !self.carry.is_empty() {
                self.carry.extend_from_slice(&piece);
                piece = self.carry.split().freeze();
            }
            self.check_size(piece.len())?;
            match &mut self.mode {
                Mode::Undecided(_) => {}
                Mode::Sse(_) => out.push(sse::framed(&piece)),
                Mode::Lines(_) => out.extend(json::line(&piece)),
                Mode::Values(cutter) => out.extend(cutter.value(&piece)),
            }
        }
        Ok(())
    }

    /// Looks at the first byte that says something; until it has come, everything is kept.
    fn decide(&mut self, hint: Hint, chunk: Bytes) -> Result<Option<Bytes>, FrameError> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        let mut start = chunk;
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(&start);
            start = self.carry.split().freeze();
        }
        let is_partial_bom = start.len() < BOM.len() && BOM.starts_with(&start);
        let text = start.strip_prefix(BOM).unwrap_or(&start);
        let first = text.iter().copied().find(|b| !b.is_ascii_whitespace());
        let (Some(first), false) = (first, is_partial_bom) else {
            self.carry.extend_from_slice(&start);
            return self.check_size(self.carry.len()).map(|()| None);
        };
        self.mode = match (hint, first) {
            (_, b'<') => return Err(FrameError::Markup),
            (Hint::Lines, _) => Mode::Lines(LineCutter),
            // No event stream begins like this: it is an error document, or a reply that was never streamed.
            (_, b'{' | b'[') | (Hint::Values, _) => Mode::Values(ValueCutter::default()),
            (Hint::Sse, _) => Mode::Sse(SseCutter::default()),
        };
        Ok(Some(start.slice_ref(text)))
    }

    fn check_size(&self, len: usize) -> Result<(), FrameError> {
        let limit = self.max_event_bytes;
        if len > limit { Err(FrameError::TooLarge { limit }) } else { Ok(()) }
    }
}

/// Only line-wise JSON must be known beforehand; everything else shows in its first byte.
fn hint_of(content_type: &str) -> Hint {
    const LINE_TYPES: [&str; 5] = ["ndjson", "x-ndjson", "jsonl", "x-jsonlines", "jsonlines"];
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some(kind) if LINE_TYPES.contains(&kind) => Hint::Lines,
        _ => Hint::Sse,
    }
}
