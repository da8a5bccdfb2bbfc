//! A whole answer that an adapter told as events, written as one `chat.completion`.
//!
//! Pieces of one thing are joined in the order in which they came. What no event is made for comes as raw members of a
//! choice; those that the answer has by itself are not theirs to set.

use bytes::{Bytes, BytesMut};

use super::writer::{push_opaque, write_usage};
use super::{finish_of, finish_word};
use crate::body::index::Index;
use crate::class::{Class, Failure};
use crate::event::{Event, Finish, FinishReason, StreamEvent, ToolDelta, Usage};
use crate::protocol::json::{push_number, push_raw, push_str};
use crate::protocol::{AnswerFacts, WriterContext};

/// Writes the answer. An `Err` is the failure that is told among the events, or `malformed` when no choice came to an
/// end.
pub(in crate::protocol) fn write(
    events: Vec<StreamEvent>,
    context: &WriterContext,
) -> Result<(Bytes, AnswerFacts), Failure> {
    let mut answer = Answer::default();
    for StreamEvent { choice, what } in events {
        match what {
            Event::Start { id, model } => {
                answer.id = id.or(answer.id);
                answer.model = model.or(answer.model);
            }
            Event::Usage(usage) => answer.usage = Some(usage),
            Event::Failed(failure) => return Err(failure),
            Event::Done => {}
            Event::Text(_)
            | Event::Reasoning { .. }
            | Event::ToolCall(_)
            | Event::Finish(_)
            | Event::RawChoice(_) => answer.choice(choice).add(what),
        }
    }
    let Some(first) = answer.choices.first() else { return Err(endless()) };
    if answer.choices.iter().all(|choice| choice.finish.is_none()) {
        return Err(endless());
    }
    // As a reader of the written answer finds it: this protocol has fewer words than there are reasons.
    let finish = first.finish.as_ref().map(|finish| finish_of(finish_word(finish.reason)));
    let empty = answer.choices.iter().all(Choice::is_empty);
    let body = answer.written(context);
    Ok((body, AnswerFacts { empty, usage: answer.usage, finish }))
}

fn endless() -> Failure {
    Failure::new(Class::Malformed, "the answer does not say why it ended")
}

#[derive(Default)]
struct Answer {
    id: Option<String>,
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Default)]
struct Choice {
    index: u32,
    text: String,
    reasoning: String,
    /// Provider state of the reasoning.
    state: String,
    calls: Vec<ToolDelta>,
    extra: Members,
    message_extra: Members,
    finish: Option<Finish>,
}

impl Answer {
    fn choice(&mut self, index: u32) -> &mut Choice {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.choices[at]
    }

    fn written(&self, context: &WriterContext) -> Bytes {
        /// Around an answer's words, in bytes.
        const AROUND: usize = 768;
        let words: usize = self.choices.iter().map(|choice| choice.text.len() + choice.reasoning.len()).sum();
        let mut out = BytesMut::with_capacity(words + words / 16 + AROUND);
        push_raw(&mut out, "{\"id\":");
        push_str(&mut out, self.id.as_deref().unwrap_or(&context.id));
        push_raw(&mut out, ",\"object\":\"chat.completion\",\"created\":");
        push_number(&mut out, context.created_s);
        push_raw(&mut out, ",\"model\":");
        let told = self.model.as_deref().filter(|_| !context.pin_model);
        push_str(&mut out, told.unwrap_or(&context.model));
        push_raw(&mut out, ",\"choices\":[");
        for (position, choice) in self.choices.iter().enumerate() {
            if position > 0 {
                push_raw(&mut out, ",");
            }
            choice.write(&mut out);
        }
        push_raw(&mut out, "]");
        if let Some(usage) = &self.usage {
            push_raw(&mut out, ",\"usage\":");
            write_usage(&mut out, usage);
        }
        push_raw(&mut out, "}");
        out.freeze()
    }
}

impl Choice {
    fn add(&mut self, event: Event) {
        match event {
            Event::Text(text) => join(&mut self.text, text),
            Event::Reasoning { text, opaque } => {
                join(&mut self.reasoning, text);
                join(&mut self.state, opaque.unwrap_or_default());
            }
            Event::ToolCall(delta) => self.call(delta),
            Event::Finish(finish) => self.finish = Some(finish),
            Event::RawChoice(json) => {
                self.extra.add(&json, &["index", "message", "delta", "finish_reason"]);
                let delta = Index::of(&json).ok().and_then(|index| index.value_of(&json, "delta"));
                self.message_extra.add(delta.unwrap_or_default(), &["role", "content", "tool_calls"]);
            }
            Event::Start { .. } | Event::Usage(_) | Event::Failed(_) | Event::Done => {}
        }
    }

    fn call(&mut self, delta: ToolDelta) {
        let Some(call) = self.calls.iter_mut().find(|call| call.index == delta.index) else {
            return self.calls.push(delta);
        };
        call.id = delta.id.or(call.id.take());
        call.name = delta.name.or(call.name.take());
        call.arguments.push_str(&delta.arguments);
        call.opaque = delta.opaque.or(call.opaque.take());
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
            && self.reasoning.is_empty()
            && self.calls.is_empty()
            && self.message_extra.0.is_empty()
    }

    fn write(&self, out: &mut BytesMut) {
        push_raw(out, "{\"index\":");
        push_number(out, self.index.into());
        push_raw(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
        if self.text.is_empty() && !self.calls.is_empty() {
            push_raw(out, "null");
        } else {
            push_str(out, &self.text);
        }
        self.message_extra.write_or_null("refusal", out);
        push_text(
            out,
            ",\"reasoning_content\":",
            Some(self.reasoning.as_str()).filter(|text| !text.is_empty()),
        );
        push_text(out, ",\"reasoning_opaque\":", Some(self.state.as_str()).filter(|state| !state.is_empty()));
        if !self.calls.is_empty() {
            push_raw(out, ",\"tool_calls\":");
            for (position, call) in self.calls.iter().enumerate() {
                push_raw(out, if position == 0 { "[" } else { "," });
                write_call(call, out);
            }
            push_raw(out, "]");
        }
        push_raw(out, "}");
        self.extra.write_or_null("logprobs", out);
        push_raw(out, ",\"finish_reason\":");
        let finish = self.finish.as_ref();
        push_str(out, finish_word(finish.map_or(FinishReason::Other, |finish| finish.reason)));
        push_text(out, ",\"native_finish_reason\":", finish.and_then(|finish| finish.native.as_deref()));
        push_text(out, ",\"stop_reason\":", finish.and_then(|finish| finish.stop_sequence.as_deref()));
        push_raw(out, "}");
    }
}

/// A whole answer's words mostly come in one piece, which need not be copied.
fn join(words: &mut String, more: String) {
    if words.is_empty() { *words = more } else { words.push_str(&more) }
}

fn push_text(out: &mut BytesMut, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        push_raw(out, name);
        push_str(out, text);
    }
}

fn write_call(call: &ToolDelta, out: &mut BytesMut) {
    push_raw(out, "{\"id\":");
    push_str(out, call.id.as_deref().unwrap_or_default());
    push_raw(out, ",\"type\":\"function\",\"function\":{\"name\":");
    push_str(out, call.name.as_deref().unwrap_or_default());
    push_raw(out, ",\"arguments\":");
    push_str(out, &call.arguments);
    push_raw(out, "}");
    if let Some(opaque) = &call.opaque {
        push_opaque(out, opaque);
    }
    push_raw(out, "}");
}

/// Members without an event of their own: name, and name with value as JSON text. Of two with one name the last counts.
#[derive(Default)]
struct Members(Vec<(String, String)>);

impl Members {
    /// Takes an object's members but for those of these names.
    fn add(&mut self, json: &str, own: &[&str]) {
        let Ok(index) = Index::of(json) else { return };
        for (name, member) in index.others(json, own) {
            self.0.retain(|(known, _)| *known != name);
            self.0.push((name.into_owned(), member.to_owned()));
        }
    }

    /// All of them, and this one as null if it is not among them.
    fn write_or_null(&self, name: &str, out: &mut BytesMut) {
        if !self.0.iter().any(|(known, _)| known == name) {
            push_raw(out, ",\"");
            push_raw(out, name);
            push_raw(out, "\":null");
        }
        for (_, member) in &self.0 {
            push_raw(out, ",");
            push_raw(out, member);
        }
    }
}
