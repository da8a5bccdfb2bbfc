//! Writing JSON.
//!
//! Long texts are what bodies are made of, and in a component every turn of a loop costs a look at the clock: strings are
//! therefore searched eight bytes at a time for what must be escaped, and copied piece by piece.

use serde_json::Number;

use super::Json;

/// Bytes that a value takes at least, so that a buffer seldom grows.
pub(super) fn room_for(value: &Json<'_>) -> usize {
    const PUNCTUATION: usize = 4;
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 5,
        Json::Text(text) => text.len() + PUNCTUATION,
        Json::List(items) => items.iter().map(|item| room_for(item) + 1).sum::<usize>() + 2,
        Json::Object(members) => {
            members.iter().map(|(name, value)| name.len() + PUNCTUATION + room_for(value)).sum::<usize>() + 2
        }
    }
}

pub(super) fn value(out: &mut Vec<u8>, value: &Json<'_>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(number) => self::number(out, number),
        Json::Text(text) => string(out, text),
        Json::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                self::value(out, item);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(out, name);
                out.push(b':');
                self::value(out, member);
            }
            out.push(b'}');
        }
    }
}

fn number(out: &mut Vec<u8>, number: &Number) {
    // Writing to memory does not fail. The library's writer, unlike its `Display`, goes without the formatter.
    let _written = serde_json::to_writer(out, number);
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((plain, byte, after)) = cut_at_escape(rest) {
        out.extend_from_slice(plain);
        escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// What stands before the first byte that must be escaped, that byte, and what follows it.
fn cut_at_escape(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    // Four words a turn first, for each turn has its price, then word by word.
    let far = bytes
        .chunks_exact(32)
        .take_while(|chunk| chunk.chunks_exact(8).fold(true, |so_far, word| so_far & is_clean(word)))
        .count()
        * 32;
    let near = bytes.get(far..)?.chunks_exact(8).take_while(|chunk| is_clean(chunk)).count() * 8;
    let clean = far + near;
    let at = clean + bytes.get(clean..)?.iter().position(|byte| must_escape(*byte))?;
    let (plain, rest) = bytes.split_at_checked(at)?;
    let (byte, after) = rest.split_first()?;
    Some((plain, *byte, after))
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Whether none of eight bytes must be escaped. Where a byte is below another, subtracting borrows into its highest bit;
/// a quote or a backslash is found as a zero after exclusive or. Borrowing may also mark a clean byte above a found one,
/// never when there is none.
fn is_clean(chunk: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let Ok(bytes) = <[u8; 8]>::try_from(chunk) else { return false };
    let word = u64::from_ne_bytes(bytes);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH == 0
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
