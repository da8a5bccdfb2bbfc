//! Embeddings: one request, one list of vectors, no streams.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::chat;
use super::loose::Presence;
use super::{AnswerFacts, Inspected};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    error: Presence,
    data: Option<Presence>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Looks at a complete answer.
pub(super) fn inspect(text: &str) -> Inspected {
    match serde_json::from_str::<Answer<'_>>(text) {
        Err(error) => Inspected::Malformed(error.to_string()),
        Ok(Answer { error: Presence(true), .. }) => Inspected::Error,
        Ok(Answer { data: None, .. }) => Inspected::Malformed("no `data` in the answer".to_owned()),
        Ok(Answer { data: Some(Presence(any)), usage, .. }) => Inspected::Answer(AnswerFacts {
            empty: !any,
            usage: usage.and_then(chat::usage_of),
            finish: None,
        }),
    }
}

/// The same answer with every vector as base64 of little-endian 32-bit floats, as clients ask for it by
/// `encoding_format`; what a target gave as text already stays.
pub(super) fn as_base64(answer: &[u8]) -> Result<Bytes, String> {
    let mut answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let entries = answer.get_mut("data").and_then(Value::as_array_mut);
    for vector in entries.into_iter().flatten().filter_map(|entry| entry.get_mut("embedding")) {
        let Some(numbers) = vector.as_array() else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the format holds")]
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| (number.as_f64().unwrap_or_default() as f32).to_le_bytes())
            .collect();
        *vector = Value::String(BASE64_STANDARD.encode(bytes));
    }
    Ok(Bytes::from(answer.to_string()))
}

#[cfg(test)]
mod tests {
    use super::as_base64;

    #[test]
    fn vectors_become_little_endian_floats() {
        let table = [
            // 1.0 and -0.5 are 0x3f800000 and 0xbf000000.
            (r#"{"data":[{"embedding":[1.0,-0.5]}]}"#, r#"{"data":[{"embedding":"AACAPwAAAL8="}]}"#),
            (r#"{"data":[{"embedding":"AACAPw=="}]}"#, r#"{"data":[{"embedding":"AACAPw=="}]}"#),
            (r#"{"data":[]}"#, r#"{"data":[]}"#),
            (r#"{"data":7}"#, r#"{"data":7}"#),
        ];
        for (answer, wanted) in table {
            assert_eq!(as_base64(answer.as_bytes()).unwrap(), wanted);
        }
        assert!(as_base64(b"nonsense").is_err());
    }
}
