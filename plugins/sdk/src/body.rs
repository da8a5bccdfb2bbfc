//! The request's body as a plugin sees it.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::bindings::adapter::seawall::plugin::host::RequestBody;
use crate::error::ProviderError;

/// The client's request body. It lives in the host: ask for single members where they are enough, the whole costs a
/// copy. Base64 payloads over 4 KiB are tokens that may be moved about inside JSON strings of a full body.
pub trait Body {
    /// "chat", "messages" or "embeddings".
    fn protocol(&self) -> String;
    /// The whole body as JSON.
    fn json(&self) -> Vec<u8>;
    /// One top-level member as JSON text.
    fn member(&self, name: &str) -> Option<String>;
    /// Size of the original body in bytes.
    fn size(&self) -> u64;
    /// A client header that `describe` asked for.
    fn header(&self, name: &str) -> Option<String>;

    /// One top-level member, parsed; `None` when it is absent, null or not JSON.
    fn value(&self, name: &str) -> Option<Value> {
        let value = serde_json::from_str(&self.member(name)?).ok()?;
        if value == Value::Null { None } else { Some(value) }
    }

    /// The whole body, parsed.
    ///
    /// # Errors
    /// `bad-request` when it is not JSON; the host has normally refused such a body before.
    fn parsed(&self) -> Result<Value, ProviderError> {
        serde_json::from_slice(&self.json())
            .map_err(|e| ProviderError::bad_request(format!("the request body is not JSON: {e}")))
    }
}

impl Body for RequestBody {
    fn protocol(&self) -> String {
        Self::protocol(self)
    }

    fn json(&self) -> Vec<u8> {
        Self::json(self)
    }

    fn member(&self, name: &str) -> Option<String> {
        Self::member(self, name)
    }

    fn size(&self) -> u64 {
        Self::size(self)
    }

    fn header(&self, name: &str) -> Option<String> {
        Self::header(self, name)
    }
}

/// A body for tests.
#[derive(Clone, Debug)]
pub struct LocalBody {
    protocol: String,
    json: String,
    headers: Vec<(String, String)>,
}

impl LocalBody {
    /// A body of that protocol.
    pub fn new(protocol: &str, body: &Value) -> Self {
        Self { protocol: protocol.to_owned(), json: body.to_string(), headers: Vec::new() }
    }

    /// The same body with a client header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Body for LocalBody {
    fn protocol(&self) -> String {
        self.protocol.clone()
    }

    fn json(&self) -> Vec<u8> {
        self.json.clone().into_bytes()
    }

    fn member(&self, name: &str) -> Option<String> {
        let members: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&self.json).ok()?;
        members.get(name).map(|raw| raw.get().to_owned())
    }

    fn size(&self) -> u64 {
        self.json.len() as u64
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }
}
