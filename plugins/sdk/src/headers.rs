//! Reply and request headers.

use crate::adapter::Header;

/// The first value under that name, whatever its case.
pub fn get<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
}

/// One header.
pub fn header(name: impl Into<String>, value: impl Into<String>) -> Header {
    Header { name: name.into(), value: value.into() }
}
