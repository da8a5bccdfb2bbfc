//! Provider state (signatures) that travels through a client and must come back unchanged.
//!
//! A conversation may move from one provider to another between two turns, and a provider refuses a request that
//! carries a stranger's signature: state bears its owner's mark. Clients glue the pieces of a stream together, so a
//! piece of state also shows where it ends: `owner:state;`. Neither sign occurs in base64.

use crate::Json;

/// State with its owner's mark and its end.
pub fn mark(owner: &str, state: &str) -> String {
    format!("{owner}:{state};")
}

/// The pieces of that owner's state, in order.
pub fn of_owner<'a>(owner: &'a str, joined: &'a str) -> impl Iterator<Item = &'a str> {
    joined.split(';').filter_map(move |piece| piece.strip_prefix(owner)?.strip_prefix(':'))
}

/// Whether it is plain base64, without anybody's mark.
pub fn is_unmarked(opaque: &str) -> bool {
    !opaque.contains([':', ';'])
}

/// Where a tool call carries its state: the member that Google's own chat endpoint uses, so that clients which keep
/// that one keep ours. It needs no mark, for no other provider looks at it.
pub fn of_call<'a>(call: &'a Json<'_>) -> Option<&'a str> {
    call.at(&["extra_content", "google", "thought_signature"])?.as_text()
}

/// A call's state as a member of the call.
pub fn for_call(opaque: &str) -> Json<'_> {
    Json::object().with("google", Json::object().with("thought_signature", opaque))
}
