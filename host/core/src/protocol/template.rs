//! A short cut for the bulk of every stream: consecutive text events are the same bytes around another text.
//!
//! A template is taken from an event that was fully read and said nothing but text. An event that equals it in every
//! byte outside the text (and outside one padding string, which some providers vary) needs no reading: it is valid, and
//! says nothing but text. Whatever differs is read in full.

use bytes::Bytes;

/// After so many events in a row that did not fit, the stream is not of this kind.
const MAX_MISSES: u32 = 8;

/// Learns and matches.
#[derive(Debug, Default)]
pub(super) struct Templates {
    known: Option<Template>,
    misses: u32,
}

#[derive(Debug)]
struct Template {
    /// Up to and with the text's opening quote.
    before: Box<[u8]>,
    /// From the text's closing quote on: to the end, or to the padding's opening quote.
    after: Box<[u8]>,
    /// From the padding's closing quote on.
    behind_padding: Option<Box<[u8]>>,
}

impl Templates {
    /// The text of an event that fits, as it is written between its quotes.
    pub(super) fn text<'d>(&mut self, data: &'d [u8]) -> Option<&'d str> {
        let text = self.known.as_ref()?.text(data);
        self.misses = if text.is_some() { 0 } else { self.misses.saturating_add(1) };
        text
    }

    /// Takes an event that says nothing but this text. Both strings are slices of the data.
    pub(super) fn learn(&mut self, data: &Bytes, text: &str, padding: Option<&str>) {
        if self.misses < MAX_MISSES {
            self.known = Template::of(data, text, padding);
        }
    }
}

impl Template {
    fn of(data: &[u8], text: &str, padding: Option<&str>) -> Option<Self> {
        let place = |part: &str| {
            let start = part.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
            Some((start, start + part.len()))
        };
        let (text_start, text_end) = place(text)?;
        let padding = padding.and_then(place).filter(|(start, _)| *start > text_end);
        let (after_end, behind_padding) = match padding {
            Some((start, end)) => (start, Some(data.get(end..)?.into())),
            None => (data.len(), None),
        };
        let before = data.get(..text_start)?.into();
        Some(Self { before, after: data.get(text_end..after_end)?.into(), behind_padding })
    }

    fn text<'d>(&self, data: &'d [u8]) -> Option<&'d str> {
        let (text, rest) = split_string(data.strip_prefix(&*self.before)?)?;
        let fits = match &self.behind_padding {
            None => rest == &*self.after || same_but_blanks(rest, &self.after),
            Some(behind) => {
                let (_, rest) = split_string(rest.strip_prefix(&*self.after)?)?;
                rest == &**behind
            }
        };
        if fits { std::str::from_utf8(text).ok() } else { None }
    }
}

/// The inside of a JSON string and what follows, from its closing quote on. Rare escapes are left to the full reading.
fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return bytes.split_at_checked(at),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// Some providers pad the end of an event with a varying number of blanks. Only asked where no string is involved.
fn same_but_blanks(a: &[u8], b: &[u8]) -> bool {
    let visible = |bytes: &[u8]| !bytes.iter().skip(1).any(|b| *b == b'"');
    visible(a) && visible(b) && a.iter().filter(|b| **b != b' ').eq(b.iter().filter(|b| **b != b' '))
}

/// The text between the quotes of a string that [`Templates::text`] has let pass.
pub(crate) fn unescape(inside: &str) -> String {
    if !inside.contains('\\') {
        return inside.to_owned();
    }
    serde_json::from_str(&format!("\"{inside}\"")).unwrap_or_default()
}
