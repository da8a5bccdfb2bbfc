//! Provider state (signatures) that travels through a client and must come back unchanged.
//!
//! A conversation may move from one provider to another between two turns, and a provider refuses a request that
//! carries a stranger's signature. So state is either marked with its owner (`owner:state`) or plain base64, which
//! never holds a colon.

use crate::Json;

/// State with its owner's mark.
pub fn mark(owner: &str, state: &str) -> String {
    format!("{owner}:{state}")
}

/// The state, if it bears that owner's mark.
pub fn of_owner<'a>(owner: &str, opaque: &'a str) -> Option<&'a str> {
    opaque.strip_prefix(owner)?.strip_prefix(':')
}

/// Whether it bears nobody's mark.
pub fn is_unmarked(opaque: &str) -> bool {
    !opaque.contains(':')
}

/// Where a tool call carries its state: the member that Google's own chat endpoint uses, so that clients which keep
/// that one keep ours.
pub fn of_call(call: &Json) -> Option<&str> {
    call.at(&["extra_content", "google", "thought_signature"])?.as_text()
}

/// A call's state as a member of the call.
pub fn for_call(opaque: &str) -> Json {
    Json::object().with("google", Json::object().with("thought_signature", opaque))
}
