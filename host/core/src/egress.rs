//! What a plugin may put on the wire: only path, query and harmless headers. Everything else is the operator's.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A plugin tried to choose something that is not its to choose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressFault {
    /// The path could lead to another host or out of the base URL.
    #[error("path `{path}` {why}")]
    Path {
        /// As the plugin wrote it.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The header belongs to the host.
    #[error("header `{name}` {why}")]
    Header {
        /// As the plugin wrote it.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Checks a path with its query: one leading slash, no authority, no dot segments, printable ASCII.
pub fn check_path(path: &str) -> Result<(), EgressFault> {
    let fault = |why| Err(EgressFault::Path { path: path.chars().take(200).collect(), why });
    if !path.starts_with('/') {
        return fault("does not start with a slash");
    }
    if path.starts_with("//") || path.starts_with("/\\") {
        return fault("names a host; only path and query come from a plugin");
    }
    if path.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'\\') {
        return fault("holds a blank, a backslash, a control or a non-ASCII character; percent-encode it");
    }
    let (only_path, _query) = path.split_once('?').unwrap_or((path, ""));
    if path.contains('#') {
        return fault("holds a fragment");
    }
    if only_path.contains('@') {
        return fault("holds an `@`; percent-encode it");
    }
    if only_path.split('/').any(is_dotted)
        || (only_path.contains('%') && only_path.to_ascii_lowercase().contains("%2f.."))
    {
        return fault("holds a `.` or `..` segment");
    }
    Ok(())
}

/// A segment that leads nowhere or upwards, however its dots are written.
fn is_dotted(segment: &str) -> bool {
    // Most segments do not even begin so.
    segment.starts_with(['.', '%']) && {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    }
}

/// Checks and converts a plugin's headers.
pub fn check_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, EgressFault> {
    let mut checked = HeaderMap::new();
    for (name, value) in headers {
        let fault = |why| EgressFault::Header { name: name.chars().take(100).collect(), why };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault("is not a header name"))?;
        if is_reserved(parsed.as_str()) {
            return Err(fault("belongs to the host; name an auth scheme in `configure` instead"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| fault("has a value with control characters"))?;
        checked.append(parsed, value);
    }
    Ok(checked)
}

/// What a reply's header says about connections, caches and browsers, never about an answer or a failure.
pub fn is_about_the_way(lower_name: &str) -> bool {
    const WAY: [&str; 24] = [
        "set-cookie",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "trailer",
        "upgrade",
        "via",
        "server",
        "vary",
        "alt-svc",
        "age",
        "etag",
        "expires",
        "pragma",
        "cache-control",
        "accept-ranges",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
        "referrer-policy",
        "nel",
        "report-to",
    ];
    lower_name.starts_with("access-control-") || lower_name.starts_with("cf-") || WAY.contains(&lower_name)
}

/// Credentials, routing and hop-by-hop headers are the host's.
pub fn is_reserved(lower_name: &str) -> bool {
    const RESERVED: [&str; 18] = [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
        "set-cookie",
        "host",
        "content-length",
        "content-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ];
    lower_name.starts_with("proxy-")
        || lower_name.starts_with("x-seawall-chaos")
        || RESERVED.contains(&lower_name)
}
