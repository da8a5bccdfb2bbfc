//! Looking at a complete message.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{UsageCounts, finish_of};
use crate::protocol::loose::{Presence, Text};
use crate::protocol::{AnswerFacts, Inspected};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    error: Presence,
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    text: Presence,
}

/// Reads only what decides.
pub(in crate::protocol) fn inspect(text: &str) -> Inspected {
    let answer: Answer<'_> = match serde_json::from_str(text) {
        Ok(answer) => answer,
        Err(error) => return Inspected::Malformed(error.to_string()),
    };
    if answer.error.0 || answer.kind.or_empty() == "error" {
        return Inspected::Error;
    }
    let Some(content) = answer.content else {
        return Inspected::Malformed("no content in the answer".to_owned());
    };
    Inspected::Answer(AnswerFacts {
        empty: content.iter().all(|block| block.kind.or_empty() == "text" && !block.text.0),
        usage: answer.usage.and_then(|raw| UsageCounts::of(raw).usage(raw)),
        finish: answer.stop_reason.some().map(finish_of),
    })
}
