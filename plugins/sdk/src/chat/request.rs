//! The upstream request as a merge patch on the client's body.

use serde_json::{Map, Value, json};

use crate::adapter::{BodyPlan, Header, HttpRequest, ReplyFormat, Target};
use crate::body::Body;
use crate::error::ProviderError;
use crate::headers::header;

/// The request that a chat-compatible server wants: its own model name, and usage in streams.
///
/// # Errors
/// `unsupported-parameter` for protocols other than "chat" and "embeddings".
pub fn request(body: &dyn Body, target: &Target) -> Result<HttpRequest, ProviderError> {
    Patch::new(body, target).with_stream_usage().into_request(ReplyFormat::Same)
}

/// Changes to the top level of the client's body (RFC 7396: null removes a member).
pub struct Patch<'a> {
    body: &'a dyn Body,
    target: &'a Target,
    /// Asked for once: each question is a call into the host.
    protocol: String,
    members: Map<String, Value>,
    headers: Vec<Header>,
    query: String,
}

impl std::fmt::Debug for Patch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch")
            .field("members", &self.members)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl<'a> Patch<'a> {
    /// Sets the upstream's model name, and `stream` where the body says otherwise than the target.
    pub fn new(body: &'a dyn Body, target: &'a Target) -> Self {
        let mut patch = Self {
            body,
            target,
            protocol: body.protocol(),
            members: Map::new(),
            headers: Vec::new(),
            query: String::new(),
        };
        patch.set("model", json!(target.model));
        if patch.is_chat() && patch.asks_stream() != target.streaming {
            patch.set("stream", json!(target.streaming));
        }
        if !target.streaming {
            patch.drop("stream_options");
        }
        patch
    }

    /// The body is a chat completion, not embeddings.
    pub fn is_chat(&self) -> bool {
        self.protocol == "chat"
    }

    fn asks_stream(&self) -> bool {
        self.body.member("stream").as_deref() == Some("true")
    }

    /// Asks for token counts at the end of a stream; without them the gateway cannot account for it.
    #[must_use]
    pub fn with_stream_usage(mut self) -> Self {
        if self.target.streaming && self.is_chat() {
            // Merged into what the client asked for.
            self.set("stream_options", json!({ "include_usage": true }));
        }
        self
    }

    /// Sets a member, whatever the body says.
    pub fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Removes a member; nothing happens where the body has none.
    pub fn drop(&mut self, name: &str) {
        self.set(name, Value::Null);
    }

    /// Moves a member to another name, unless the body has that one too.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.body.value(from) {
            if self.body.value(to).is_none() {
                self.set(to, value);
            }
            self.drop(from);
        }
    }

    /// Adds a request header.
    pub fn header(&mut self, name: &str, value: &str) {
        self.headers.push(header(name, value));
    }

    /// Adds a query parameter; both parts are percent-encoded here.
    pub fn query(&mut self, name: &str, value: &str) {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(&encode(name));
        self.query.push('=');
        self.query.push_str(&encode(value));
    }

    /// The finished request: POST to `/chat/completions` or `/embeddings`. Embeddings replies are always `same`.
    ///
    /// # Errors
    /// `unsupported-parameter` for other protocols.
    pub fn into_request(self, reply: ReplyFormat) -> Result<HttpRequest, ProviderError> {
        let (path, reply) = match self.protocol.as_str() {
            "chat" => ("/chat/completions", reply),
            "embeddings" => ("/embeddings", ReplyFormat::Same),
            other => {
                let message = format!("this provider takes no `{other}` requests");
                return Err(ProviderError::new(crate::error::ErrorClass::UnsupportedParameter, message));
            }
        };
        let patch = serde_json::to_string(&self.members)
            .map_err(|error| ProviderError::bad_request(format!("the request cannot be written: {error}")))?;
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        headers.push(header("content-type", "application/json"));
        headers.extend(self.headers);
        Ok(HttpRequest {
            method: "POST".to_owned(),
            path_and_query: [path, &self.query].concat(),
            headers,
            body: BodyPlan::MergePatch(patch),
            reply,
        })
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
