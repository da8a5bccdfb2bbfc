//! JSON framings: one value a line, the elements of one array, or simply values one after another.

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::Framed;
use crate::event::WireEvent;

/// Finds line ends.
#[derive(Debug)]
pub(super) struct LineCutter;

impl LineCutter {
    #[expect(clippy::unused_self, reason = "a cutter like the others")]
    pub(super) fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        memchr(b'\n', bytes).map(|at| at + 1)
    }
}

/// The value on one line; `None` for a blank one.
pub(super) fn line(line: &Bytes) -> Option<Framed> {
    let text = line.trim_ascii();
    let event = || WireEvent { headers: Vec::new(), event: None, data: line.slice_ref(text) };
    (!text.is_empty()).then(|| Framed::Event { event: event(), raw: line.clone() })
}

/// Follows one JSON value without understanding it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nesting {
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash inside a string.
    escaped: bool,
}

impl Nesting {
    /// Reads on; returns the offset behind the value once an object, array or string has closed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string {
                at += self.skip_string(bytes.get(at..).unwrap_or_default());
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// How many of these bytes belong to the string that is open.
    fn skip_string(&mut self, bytes: &[u8]) -> usize {
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while let Some(found) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            at += found + 1;
            if bytes.get(at - 1) == Some(&b'"') {
                self.in_string = false;
                return at;
            }
            if at == bytes.len() {
                self.escaped = true;
                return at;
            }
            at += 1;
        }
        bytes.len()
    }
}

/// Finds the ends of values inside one array, or of bare values. A piece is a value with whatever separates it from the
/// one before.
#[derive(Debug, Default)]
pub(super) struct ValueCutter {
    array: Array,
    state: State,
    /// Offset of the value inside its piece.
    value_at: usize,
}

#[derive(Debug, Default, PartialEq)]
enum Array {
    #[default]
    NotSeen,
    Open,
    Closed,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    /// Object, array or string.
    Nested(Nesting),
    /// Number or word: ends where something else begins.
    Bare,
}

impl ValueCutter {
    /// Where in these bytes the piece ends, if it does.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match &mut self.state {
                State::Between => {
                    let starts_value = match byte {
                        _ if byte.is_ascii_whitespace() || byte == b',' => false,
                        _ if self.array == Array::Closed => false,
                        b'[' if self.array == Array::NotSeen => {
                            self.array = Array::Open;
                            false
                        }
                        b']' => {
                            self.array = Array::Closed;
                            false
                        }
                        _ => true,
                    };
                    if starts_value {
                        let nested = matches!(byte, b'{' | b'[' | b'"');
                        self.state = if nested { State::Nested(Nesting::default()) } else { State::Bare };
                    } else {
                        at += 1;
                        self.value_at += 1;
                    }
                }
                State::Nested(nesting) => {
                    let end = nesting.feed(bytes.get(at..).unwrap_or_default())?;
                    self.state = State::Between;
                    return Some(at + end);
                }
                State::Bare => {
                    if byte.is_ascii_whitespace() || matches!(byte, b',' | b']') {
                        self.state = State::Between;
                        return Some(at);
                    }
                    at += 1;
                }
            }
        }
        None
    }

    /// The value of a piece; `None` when only separators came.
    pub(super) fn value(&mut self, piece: &Bytes) -> Option<Framed> {
        let value = piece.get(std::mem::take(&mut self.value_at)..).unwrap_or_default().trim_ascii_end();
        if value.is_empty() {
            return None;
        }
        let data = piece.slice_ref(value);
        let event = WireEvent { headers: Vec::new(), event: None, data: data.clone() };
        Some(Framed::Event { event, raw: data })
    }
}
