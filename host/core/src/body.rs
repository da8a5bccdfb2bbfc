//! The client's body as bytes: looked at by member, patched or replaced, never copied without need.
//!
//! It is checked once to be a JSON object; from then on only byte ranges are kept. Guests see [`RequestBody::guest_json`],
//! in which large base64 payloads are tokens that carry a nonce of this request; whatever they send back has its tokens
//! expanded by [`RequestBody::apply`]. What fails here fails one candidate (a plugin's patch) or is a 400 (the client's
//! body), never more.

mod blob;
pub(crate) mod index;
pub(crate) mod patch;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher as _;
use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderMap;

use self::blob::Blobs;
use self::index::Index;
use crate::egress;
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
    index: Index,
    guest: OnceLock<Guest>,
}

/// What guests are shown instead of the body.
#[derive(Debug)]
struct Guest {
    json: Bytes,
    blobs: Blobs,
    /// Of `json`; only made when a guest asks for a member.
    index: OnceLock<Option<Index>>,
}

impl RequestBody {
    /// A body that has been checked to be a JSON object. `headers` are the client's without credentials, `nonce` makes
    /// blob tokens unforgeable.
    pub fn new(protocol: Protocol, bytes: Bytes, headers: HeaderMap, nonce: u64) -> Result<Self, BodyError> {
        let index = Index::of(text_of(&bytes)?)?;
        Ok(Self { protocol, bytes, headers, nonce, index, guest: OnceLock::new() })
    }

    /// A body in another protocol that stands for the same request: same headers, same nonce.
    pub(crate) fn translated(&self, protocol: Protocol, bytes: Bytes) -> Result<Self, BodyError> {
        Self::new(protocol, bytes, self.headers.clone(), self.nonce)
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
        &self.guest().json
    }

    /// One top-level member as JSON text.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.index.value(&self.bytes, name)
    }

    /// One top-level member of [`Self::guest_json`].
    pub fn guest_member(&self, name: &str) -> Option<&str> {
        let guest = self.guest();
        if guest.blobs.is_empty() {
            return self.member(name);
        }
        let index = guest.index.get_or_init(|| Index::of(text_of(&guest.json).ok()?).ok());
        index.as_ref()?.value(&guest.json, name)
    }

    /// Names of the top-level members, in order, duplicates included.
    pub(crate) fn member_names(&self) -> impl Iterator<Item = &[u8]> {
        self.index.members().iter().map(|member| member.key(&self.bytes))
    }

    /// A client header; never a credential.
    pub fn header(&self, name: &str) -> Option<&str> {
        if egress::is_reserved(&name.to_ascii_lowercase()) {
            return None;
        }
        self.headers.get(name)?.to_str().ok()
    }

    /// Tells request bodies apart (strikes count distinct ones); not cryptographic.
    pub fn fingerprint(&self) -> u64 {
        foldhash::quality::FixedState::default().hash_one(&self.bytes[..])
    }

    /// The upstream body.
    pub fn apply(&self, plan: &BodyPlan) -> Result<Bytes, BodyError> {
        match plan {
            BodyPlan::MergePatch(patch) if blob::mentions_token(patch.as_bytes()) => {
                let expanded = self.expand(&Bytes::copy_from_slice(patch.as_bytes()))?;
                let expanded = text_of(&expanded).map_err(|error| BodyError::BadPatch(error.to_string()))?;
                patch::merge(&self.bytes, &self.index, expanded).map(Bytes::from)
            }
            BodyPlan::MergePatch(patch) => patch::merge(&self.bytes, &self.index, patch).map(Bytes::from),
            BodyPlan::Full(bytes) => self.expand(bytes),
        }
    }

    fn expand(&self, bytes: &Bytes) -> Result<Bytes, BodyError> {
        if !blob::mentions_token(bytes) {
            return Ok(bytes.clone());
        }
        self.guest().blobs.expand(bytes, &self.bytes, self.nonce)
    }

    fn guest(&self) -> &Guest {
        self.guest.get_or_init(|| {
            let blobs = Blobs::find(&self.bytes);
            Guest { json: blobs.hide(&self.bytes, self.nonce), blobs, index: OnceLock::new() }
        })
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, BodyError> {
    std::str::from_utf8(bytes)
        .map_err(|error| BodyError::NotJson(format!("invalid UTF-8 after byte {}", error.valid_up_to())))
}
