//! Writing JSON into buffers that are already there.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Appends a string as a JSON string.
pub(super) fn push_str(out: &mut BytesMut, text: &str) {
    push(out, text);
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
