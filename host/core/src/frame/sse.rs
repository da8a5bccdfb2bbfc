//! Server-sent events by the WHATWG rules: any line ending, a line ending cut in two, several data lines, comments.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::Framed;
use crate::event::WireEvent;

/// A block of nothing but comments is let go at this size, however long the blank line behind it takes.
const COMMENT_BLOCK: usize = 1024;

/// Finds the ends of blocks; remembers where it stands in the block between two chunks.
///
/// A line that ends in a carriage return is only complete with the byte after it: a line feed belongs to it. So a
/// stream whose lines end in carriage returns alone is read one byte late, which is the price of being the same however
/// the bytes are cut.
#[derive(Debug)]
pub(super) struct SseCutter {
    line_is_empty: bool,
    /// The last byte was the carriage return that ends a line.
    after_cr: bool,
    comments_only: bool,
    /// Of the block so far.
    len: usize,
}

impl Default for SseCutter {
    fn default() -> Self {
        Self { line_is_empty: true, after_cr: false, comments_only: true, len: 0 }
    }
}

impl SseCutter {
    /// Where in these bytes the block ends, if it does.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty());
            if self.after_cr {
                let next = rest.and_then(<[u8]>::first)?;
                at += usize::from(*next == b'\n');
                self.len += usize::from(*next == b'\n');
                self.after_cr = false;
                if self.line_ends_block() {
                    *self = Self::default();
                    return Some(at);
                }
                continue;
            }
            let rest = rest?;
            let line_end = memchr2(b'\n', b'\r', rest);
            if line_end != Some(0) && self.line_is_empty {
                self.comments_only &= rest.first() == Some(&b':');
                self.line_is_empty = false;
            }
            let Some(line_end) = line_end else {
                self.len += rest.len();
                return None;
            };
            at += line_end + 1;
            self.len += line_end + 1;
            if rest.get(line_end) == Some(&b'\r') {
                self.after_cr = true;
            } else if self.line_ends_block() {
                *self = Self::default();
                return Some(at);
            }
        }
    }

    /// What is left at the end, with the line ends that are missing so that it can be relayed.
    pub(super) fn complete(&mut self, rest: Bytes) -> Bytes {
        let missing: &[u8] = match (self.line_is_empty, self.after_cr) {
            (true, true) => b"",
            (true, false) => b"\n",
            (false, _) => b"\n\n",
        };
        *self = Self::default();
        if missing.is_empty() {
            return rest;
        }
        let mut whole = BytesMut::with_capacity(rest.len() + missing.len());
        whole.extend_from_slice(&rest);
        whole.extend_from_slice(missing);
        whole.freeze()
    }

    fn line_ends_block(&mut self) -> bool {
        let blank = std::mem::replace(&mut self.line_is_empty, true);
        blank || (self.comments_only && self.len > COMMENT_BLOCK)
    }
}

/// Reads one block.
pub(super) fn framed(block: &Bytes) -> Framed {
    match event_of(block) {
        Some(event) => Framed::Event { event, raw: block.clone() },
        None => Framed::Comment(block.clone()),
    }
}

fn event_of(block: &Bytes) -> Option<WireEvent> {
    let mut name = None;
    let mut data: Option<Bytes> = None;
    let mut joined: Option<BytesMut> = None;
    let mut rest: &[u8] = block;
    while !rest.is_empty() {
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, behind) = rest.split_at_checked(end)?;
        rest = behind.get(1..).unwrap_or_default();
        if let Some(value) = field(line, b"data") {
            match (&data, &mut joined) {
                (None, _) => data = Some(block.slice_ref(value)),
                (Some(_), Some(joined)) => {
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(value);
                }
                (Some(first), None) => {
                    let mut both = BytesMut::with_capacity(block.len());
                    both.extend_from_slice(first);
                    both.extend_from_slice(b"\n");
                    both.extend_from_slice(value);
                    joined = Some(both);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = Some(String::from_utf8_lossy(value).into_owned()).filter(|name| !name.is_empty());
        }
    }
    let data = joined.map(BytesMut::freeze).or(data)?;
    (!data.is_empty()).then(|| WireEvent { headers: Vec::new(), event: name, data })
}

/// The value of a line of this field; one blank after the colon is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b"".as_slice()),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
