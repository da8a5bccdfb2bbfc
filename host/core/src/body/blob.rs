//! Large base64 payloads stay in the host: guests get tokens, and tokens become payloads again on the way out.
//!
//! A payload is a run of more than 4 KiB of base64 inside a JSON string that is either the whole string or stands behind
//! `base64,`. Runs are taken as they are written (with `\/` and `\u002B` escapes), so putting them back anywhere inside
//! a JSON string is always valid.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;

use super::BodyError;

/// Payloads up to this size are not worth a token.
const MIN_PAYLOAD: usize = 4096;
const TOKEN_START: &[u8] = b"@blob:";

/// The payloads of one body, in order.
#[derive(Debug)]
pub(super) struct Blobs(Vec<Range<usize>>);

/// Whether anything in there looks like a token, of any request.
pub(super) fn mentions_token(bytes: &[u8]) -> bool {
    static TOKEN: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(TOKEN_START));
    TOKEN.find(bytes).is_some()
}

impl Blobs {
    /// Looks at one byte in 4096: a payload covers at least one of them, and ordinary text around it is short-lived.
    pub(super) fn find(json: &[u8]) -> Self {
        let mut found = Vec::new();
        let mut at = 0;
        while at < json.len() {
            if in_run(json, at) {
                let start = (0..at).rev().take_while(|&i| in_run(json, i)).last().unwrap_or(at);
                let end = run_end(json, at);
                if end - start > MIN_PAYLOAD && is_payload(json, start, end) {
                    found.push(start..end);
                }
                at = (end / MIN_PAYLOAD + 1) * MIN_PAYLOAD;
            } else {
                at += MIN_PAYLOAD;
            }
        }
        Self(found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body with tokens in place of payloads.
    pub(super) fn hide(&self, json: &Bytes, nonce: u64) -> Bytes {
        if self.is_empty() {
            return json.clone();
        }
        let mut out = Vec::with_capacity(json.len() / 4);
        let mut next = 0;
        for (number, blob) in self.0.iter().enumerate() {
            out.extend_from_slice(json.get(next..blob.start).unwrap_or_default());
            out.extend_from_slice(format!("@blob:{nonce:016x}:{number}@").as_bytes());
            next = blob.end;
        }
        out.extend_from_slice(json.get(next..).unwrap_or_default());
        Bytes::from(out)
    }

    /// `guest` with this request's tokens replaced by payloads of `json`. Tokens of another nonce are mere text.
    pub(super) fn expand(&self, guest: &Bytes, json: &[u8], nonce: u64) -> Result<Bytes, BodyError> {
        let prefix = format!("@blob:{nonce:016x}:");
        let finder = memmem::Finder::new(prefix.as_bytes());
        let mut out = Vec::new();
        let mut next = 0;
        for at in finder.find_iter(guest) {
            let number_start = at + prefix.len();
            let digits = guest.get(number_start..).unwrap_or_default();
            let digits = digits.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
            let number = guest.get(number_start..number_start + digits).unwrap_or_default();
            let number = String::from_utf8_lossy(number);
            let closed = guest.get(number_start + digits) == Some(&b'@');
            let blob = number.parse::<usize>().ok().filter(|_| closed).and_then(|number| self.0.get(number));
            let blob = blob.ok_or_else(|| BodyError::UnknownBlob(number.into_owned()))?;
            out.extend_from_slice(guest.get(next..at).unwrap_or_default());
            out.extend_from_slice(json.get(blob.clone()).unwrap_or_default());
            next = number_start + digits + 1;
        }
        if next == 0 {
            return Ok(guest.clone());
        }
        out.extend_from_slice(guest.get(next..).unwrap_or_default());
        Ok(Bytes::from(out))
    }
}

/// Where the run that covers this place ends.
fn run_end(json: &[u8], mut at: usize) -> usize {
    loop {
        let rest = json.get(at..).unwrap_or_default();
        at += rest.iter().position(|b| !is_base64(*b)).unwrap_or(rest.len());
        if !in_run(json, at) {
            return at;
        }
        at += 1;
    }
}

/// Of either alphabet.
fn is_base64(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Base64, and the JSON escapes that some encoders write for its `/`, `+` and `=`.
fn in_run(json: &[u8], at: usize) -> bool {
    match json.get(at) {
        Some(b'\\') => match json.get(at + 1) {
            Some(b'/') => true,
            Some(b'u') => json.get(at + 2..at + 6).is_some_and(|code| {
                [b"002b".as_slice(), b"002f", b"003d"].iter().any(|escape| code.eq_ignore_ascii_case(escape))
            }),
            _ => false,
        },
        Some(byte) => is_base64(*byte),
        None => false,
    }
}

/// In valid JSON a run this long that touches a quote or `base64,` can only be part of a string.
fn is_payload(json: &[u8], start: usize, end: usize) -> bool {
    let before = json.get(..start).unwrap_or_default();
    let after = json.get(end..).unwrap_or_default();
    let is_whole_string = before.ends_with(b"\"") && (after.starts_with(b"\"") || after.starts_with(b"\\\""));
    is_whole_string || before.ends_with(b"base64,")
}
