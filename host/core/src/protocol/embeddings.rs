//! Embeddings: one request, one list of vectors, no streams.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Inspected;
use super::chat;
use super::loose::Presence;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    error: Presence,
    data: Option<Presence>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Looks at a complete answer.
pub(super) fn inspect(body: &[u8]) -> Inspected {
    match serde_json::from_slice::<Answer<'_>>(body) {
        Err(error) => Inspected::Malformed(error.to_string()),
        Ok(Answer { error: Presence(true), .. }) => Inspected::Error,
        Ok(Answer { data: None, .. }) => Inspected::Malformed("no `data` in the answer".to_owned()),
        Ok(Answer { data: Some(Presence(any)), usage, .. }) => {
            Inspected::Answer { empty: !any, usage: usage.and_then(chat::usage_of), finish: None }
        }
    }
}
