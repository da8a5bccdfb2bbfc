//! Atomic units: what a client can only use whole is held until it is whole, so that a broken one was never delivered
//! and another upstream can write it again.
//!
//! Tool calls are held from their first piece to the end of the answer: a call is only worth running when the answer
//! that it belongs to has ended, and held to there no break leaves half an answer behind. Reasoning that its provider
//! signs is held until the signature. JSON that was asked for is held from its first letter to the end, where the
//! operator wants that. Whatever grows beyond a cap goes out as it is, and the stream cannot be mended any more.
//!
//! What is held are the bytes as the client will get them. The stall timer watches the upstream, not what is held.

use bytes::BytesMut;
use serde::de::IgnoredAny;

use crate::class::{Class, Failure};
use crate::event::{Event, FinishReason};
use crate::protocol::Peek;
use crate::settings::Atomic;

#[cfg(test)]
mod tests;

/// Larger units are not held.
const CAP: usize = 256 * 1024;

/// What one stream holds back.
#[derive(Debug)]
pub(crate) struct Hold {
    tools: bool,
    json: bool,
    reasoning: bool,
    unit: Option<Unit>,
    /// The unit so far.
    bytes: BytesMut,
    /// The calls' arguments by choice and number.
    calls: Vec<((u32, u32), String)>,
    text: String,
    too_large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Up to its signature.
    Reasoning,
    /// Up to the end of the answer.
    Answer,
}

impl Hold {
    /// `signs`: the stream's reasoning comes with signatures; `wants_json`: the request asks for JSON.
    pub(crate) fn new(atomic: Atomic, signs: bool, wants_json: bool) -> Self {
        Self {
            tools: atomic != Atomic::Off,
            json: atomic == Atomic::ToolsAndJson && wants_json,
            reasoning: atomic != Atomic::Off && signs,
            unit: None,
            bytes: BytesMut::new(),
            calls: Vec::new(),
            text: String::new(),
            too_large: false,
        }
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.unit.is_some()
    }

    /// A unit went out before it was whole.
    pub(crate) fn was_too_large(&self) -> bool {
        self.too_large
    }

    /// Collects what will be checked.
    pub(crate) fn note(&mut self, choice: u32, what: &Event) {
        match what {
            Event::ToolCall(delta) if self.tools => {
                let key = (choice, delta.index);
                match self.calls.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, arguments)) => arguments.push_str(&delta.arguments),
                    None => self.calls.push((key, delta.arguments.clone())),
                }
            }
            Event::Text(text) if self.json => self.text.push_str(text),
            _ => {}
        }
    }

    /// Whether text is wanted by [`Self::note`].
    pub(crate) fn reads_text(&self) -> bool {
        self.json
    }

    /// Before an event goes out: ends a unit that it does not belong to, and says whether one begins with it.
    pub(crate) fn before(&mut self, event: &Peek, out: &mut BytesMut) -> bool {
        if self.unit == Some(Unit::Reasoning) && event.content && !event.reasoning {
            self.release(out);
        }
        if self.unit.is_some() || self.too_large {
            return false;
        }
        self.unit = match event {
            Peek { tool: true, provider_tool: false, .. } if self.tools => Some(Unit::Answer),
            Peek { reasoning: true, .. } if self.reasoning => Some(Unit::Reasoning),
            Peek { reasoning: false, content: true, .. } if self.json => Some(Unit::Answer),
            _ => None,
        };
        self.unit.is_some()
    }

    /// Where the event's bytes go.
    pub(crate) fn way<'a>(&'a mut self, out: &'a mut BytesMut) -> &'a mut BytesMut {
        if self.unit.is_some() { &mut self.bytes } else { out }
    }

    /// Behind an event: lets the unit go if it is whole, or too large. `finish`: the answer has ended.
    pub(crate) fn behind(
        &mut self,
        event: &Peek,
        finish: Option<FinishReason>,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        match self.unit {
            None => {}
            Some(Unit::Reasoning) if event.signed => self.release(out),
            Some(_) if finish.is_some() => self.end(finish, out)?,
            Some(_) if self.bytes.len() > CAP => {
                self.too_large = true;
                (self.tools, self.json, self.reasoning) = (false, false, false);
                (self.calls, self.text) = (Vec::new(), String::new());
                self.release(out);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// The answer has ended: lets go what is valid.
    pub(crate) fn end(&mut self, finish: Option<FinishReason>, out: &mut BytesMut) -> Result<(), Failure> {
        // What a token limit or a filter cut off is no failure, and the finish reason says it.
        let is_cut = matches!(finish, Some(FinishReason::Length | FinishReason::ContentFilter));
        if self.unit == Some(Unit::Answer) && !is_cut {
            if !self.calls.iter().all(|(_, arguments)| is_json_or_empty(arguments)) {
                return Err(Failure::new(Class::ToolCallInvalid, "a tool call's arguments are no JSON"));
            }
            if !is_json_or_empty(&self.text) {
                return Err(Failure::new(Class::ToolCallInvalid, "the answer was to be JSON and is none"));
            }
        }
        self.release(out);
        Ok(())
    }

    fn release(&mut self, out: &mut BytesMut) {
        self.unit = None;
        if out.is_empty() {
            std::mem::swap(out, &mut self.bytes);
        } else {
            out.extend_from_slice(&self.bytes);
        }
        self.bytes.clear();
    }
}

fn is_json_or_empty(text: &str) -> bool {
    text.trim().is_empty() || serde_json::from_str::<IgnoredAny>(text).is_ok()
}
