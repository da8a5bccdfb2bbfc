//! Writing JSON into buffers that are already there.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Appends a string as a JSON string. Answers are mostly text, and text is mostly clean: that is copied as it stands.
pub(super) fn push_str(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    while let Some((clean, byte, after)) = cut_at_escape(rest) {
        out.extend_from_slice(clean);
        push_escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.put_u8(b'"');
}

/// What stands before the first byte that must be escaped; that byte, and what follows it.
fn cut_at_escape(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    // Blocks first, for the bytes of a block are compared all at once.
    const BLOCK: usize = 32;
    let is_clean = |block: &&[u8]| !block.iter().fold(false, |dirty, byte| dirty | must_escape(*byte));
    let clean = bytes.chunks_exact(BLOCK).take_while(is_clean).count() * BLOCK;
    let at = clean + bytes.get(clean..)?.iter().position(|byte| must_escape(*byte))?;
    let (clean, dirty) = bytes.split_at_checked(at)?;
    let (byte, after) = dirty.split_first()?;
    Some((clean, *byte, after))
}

fn must_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn push_escape(out: &mut BytesMut, byte: u8) {
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        other if other < 0x20 => {
            // Writing to memory cannot fail.
            let _ = write!(out, "\\u{other:04x}");
            return;
        }
        quoted => quoted,
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a value as JSON.
pub(super) fn push<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    let start = out.len();
    // Writing to memory cannot fail; a value that serialises as an error would leave half of itself.
    if serde_json::to_writer(out.writer(), value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Appends a number.
pub(super) fn push_number(out: &mut BytesMut, number: u64) {
    let _ = write!(out, "{number}");
}

/// Appends literal text.
pub(super) fn push_raw(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let mut out = BytesMut::new();
        push_str(&mut out, text);
        assert_eq!(out, serde_json::to_string(text).unwrap(), "{text:?}");
    }

    #[test]
    fn strings_are_written_as_by_any_other() {
        check("");
        check(&(0..=0x7f).map(char::from).collect::<String>());
        for place in 0..70 {
            for special in ["\"", "\\", "\n", "\u{1f}", "\u{7f}", "\u{2028}", "\u{e9}", "\u{1f980}"] {
                check(&format!("{}{special}{}", "x".repeat(place), "y".repeat(70 - place)));
            }
        }
    }

    proptest! {
        #[test]
        fn any_string_is_written_as_by_any_other(text in any::<String>()) {
            check(&text);
        }
    }
}
