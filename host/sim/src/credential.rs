//! Credentials as the simulator treats them: compared where a lane requires one, and otherwise kept as a scheme and a
//! short hash only, so that a log can be shown to anybody.

use std::hash::{DefaultHasher, Hasher};

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// How a request was authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// `bearer`, `x-api-key`, `x-goog-api-key`, `api-key` or `query`.
    pub scheme: &'static str,
    /// [`credential_hash`] of it.
    pub hash: String,
}

/// The hash by which logs name a credential: to compare two, not to protect a weak one.
pub fn credential_hash(credential: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(credential.as_bytes());
    format!("{:08x}", hasher.finish() >> 32)
}

/// The credential that a request carries, with its scheme.
pub(crate) fn find<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<(&'static str, &'a str)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || {
        let (scheme, token) = text("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| ("bearer", token.trim()))
    };
    let named = |name: &'static str| text(name).map(|value| (name, value));
    let in_query = || {
        let value = query?.split('&').find_map(|pair| pair.strip_prefix("key="))?;
        Some(("query", value))
    };
    named("x-api-key")
        .or_else(|| named("x-goog-api-key"))
        .or_else(bearer)
        .or_else(|| named("api-key"))
        .or_else(in_query)
}

pub(crate) fn describe(headers: &HeaderMap, query: Option<&str>) -> Option<Credential> {
    find(headers, query).map(|(scheme, secret)| Credential { scheme, hash: credential_hash(secret) })
}

/// What a log shows instead of a header's value, if the header is a credential.
pub(crate) fn masked(name: &HeaderName, value: &HeaderValue) -> Option<String> {
    const SECRET: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];
    let secret = *name == AUTHORIZATION
        || *name == PROXY_AUTHORIZATION
        || *name == COOKIE
        || SECRET.contains(&name.as_str());
    if !secret {
        return None;
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(match text.split_once(' ') {
        Some((scheme, token)) if *name == AUTHORIZATION => {
            format!("{scheme} #{}", credential_hash(token.trim()))
        }
        _ => format!("#{}", credential_hash(&text)),
    })
}

/// The path and query with a credential in it masked.
pub(crate) fn masked_path(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let mask = |pair: &str| match pair.strip_prefix("key=") {
        Some(secret) => format!("key=#{}", credential_hash(secret)),
        None => pair.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(mask).collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives() {
        let headers: HeaderMap = [
            (AUTHORIZATION, HeaderValue::from_static("Bearer s3cret")),
            (HeaderName::from_static("x-api-key"), HeaderValue::from_static("s3cret")),
            (COOKIE, HeaderValue::from_static("a=s3cret")),
        ]
        .into_iter()
        .collect();
        let all = crate::log::Headers::masked(&headers);
        let shown =
            format!("{all:?} {} {:?}", masked_path("/x?key=s3cret&alt=sse"), describe(&headers, None));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(all.get("Authorization"), Some(format!("Bearer #{}", credential_hash("s3cret")).as_str()));
    }
}
