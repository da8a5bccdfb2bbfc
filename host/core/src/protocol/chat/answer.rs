//! Looking at a `chat.completion`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{finish_of, usage_of};
use crate::protocol::loose::{Presence, Text};
use crate::protocol::{AnswerFacts, Inspected};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    object: Text<'a>,
    error: Presence,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    finish_reason: Text<'a>,
    message: Option<Message>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Presence,
    refusal: Presence,
    reasoning_content: Presence,
    reasoning: Presence,
    tool_calls: Presence,
    function_call: Presence,
    audio: Presence,
    images: Presence,
}

impl Message {
    fn is_empty(&self) -> bool {
        let parts = [
            self.content,
            self.refusal,
            self.reasoning_content,
            self.reasoning,
            self.tool_calls,
            self.function_call,
            self.audio,
            self.images,
        ];
        parts.iter().all(|Presence(present)| !present)
    }
}

/// Reads only what decides.
pub(in crate::protocol) fn inspect(text: &str) -> Inspected {
    let answer: Answer<'_> = match serde_json::from_str(text) {
        Ok(answer) => answer,
        Err(error) => return Inspected::Malformed(error.to_string()),
    };
    if answer.error.0 || answer.object.or_empty() == "error" {
        return Inspected::Error;
    }
    let choices = answer.choices.unwrap_or_default();
    let Some(first) = choices.first() else {
        return Inspected::Malformed("no choices in the answer".to_owned());
    };
    if choices.iter().all(|choice| choice.message.is_none()) {
        return Inspected::Malformed("no message in the answer".to_owned());
    }
    Inspected::Answer(AnswerFacts {
        empty: choices.iter().all(|choice| choice.message.as_ref().is_none_or(Message::is_empty)),
        usage: answer.usage.and_then(usage_of),
        finish: first.finish_reason.some().map(finish_of),
    })
}
