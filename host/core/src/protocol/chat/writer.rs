//! Writing `chat.completion.chunk`s.

use bytes::BytesMut;

use super::finish_word;
use crate::body::index::Index;
use crate::event::{Event, Finish, StreamEvent, ToolDelta, Usage};
use crate::protocol::json::{push_number, push_raw, push_str};
use crate::protocol::writer::{Labels, WriterContext};
use crate::reply::ClientError;

/// One stream.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Writer {
    /// Everything of an event up to `choices`; made with the first event, the same for all.
    head: Vec<u8>,
    /// Bit set over choices whose preamble is out.
    started: u128,
    usage: Option<Usage>,
    labels: Labels,
}

impl Writer {
    /// Behind a stream whose preamble the client has had.
    pub(in crate::protocol) fn behind_relay() -> Self {
        Self { started: 1, ..Self::default() }
    }

    /// Another upstream goes on: its model is named from now on, its usage replaces the other's.
    pub(in crate::protocol) fn go_on(&mut self, labels: Labels) {
        self.head.clear();
        self.usage = None;
        self.labels = labels;
    }

    pub(in crate::protocol) fn write(
        &mut self,
        event: &StreamEvent,
        context: &WriterContext,
        out: &mut BytesMut,
    ) -> Result<(), ClientError> {
        let choice = event.choice;
        match &event.what {
            Event::Start { .. } | Event::Failed(_) | Event::Done => {}
            Event::Usage(usage) => self.usage = Some(usage.clone()),
            Event::Text(text) if text.is_empty() => {}
            Event::Text(text) => self.delta(choice, context, out, |out| {
                push_raw(out, "\"content\":");
                push_str(out, text);
            }),
            Event::Reasoning { text, opaque } if text.is_empty() && opaque.is_none() => {}
            Event::Reasoning { text, opaque } => self.delta(choice, context, out, |out| {
                push_raw(out, "\"reasoning_content\":");
                push_str(out, text);
                if let Some(opaque) = opaque {
                    push_raw(out, ",\"reasoning_opaque\":");
                    push_str(out, opaque);
                }
            }),
            Event::ToolCall(call) => self.delta(choice, context, out, |out| write_tool(out, call)),
            Event::RawChoice(json) => self.raw_choice(choice, json, context, out),
            Event::Finish(Finish { reason, .. }) => {
                self.start(choice, context, out);
                self.open(choice, out);
                push_raw(out, "{},\"logprobs\":null,\"finish_reason\":");
                push_str(out, finish_word(*reason));
                push_raw(out, "}]}\n\n");
            }
        }
        Ok(())
    }

    /// What stands between the last chunk and the end marker.
    pub(in crate::protocol) fn finish(&mut self, context: &WriterContext, out: &mut BytesMut) {
        if let (true, Some(usage)) = (context.include_usage, &self.usage) {
            push_raw(out, "data: ");
            out.extend_from_slice(&self.head);
            push_label(out, self.labels.last.take());
            push_raw(out, "\"choices\":[],\"usage\":");
            write_usage(out, usage);
            push_raw(out, "}\n\n");
        }
    }

    fn delta(
        &mut self,
        choice: u32,
        context: &WriterContext,
        out: &mut BytesMut,
        members: impl FnOnce(&mut BytesMut),
    ) {
        self.start(choice, context, out);
        self.open(choice, out);
        push_raw(out, "{");
        members(out);
        push_raw(out, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }

    /// The choice's preamble, once.
    fn start(&mut self, choice: u32, context: &WriterContext, out: &mut BytesMut) {
        let bit = 1_u128.checked_shl(choice).unwrap_or(0);
        if self.head.is_empty() {
            self.head = head(context);
        }
        if bit == 0 || self.started & bit != 0 {
            return;
        }
        self.started |= bit;
        self.open(choice, out);
        push_raw(
            out,
            "{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        );
    }

    /// Everything up to the value of `delta`.
    fn open(&mut self, choice: u32, out: &mut BytesMut) {
        push_raw(out, "data: ");
        out.extend_from_slice(&self.head);
        push_label(out, self.labels.first.take());
        push_raw(out, "\"choices\":[{\"index\":");
        push_number(out, choice.into());
        push_raw(out, ",\"delta\":");
    }

    /// Adds the members of an object to the choice, and those of its `delta` to the delta; what these have by themselves
    /// is not theirs to set.
    fn raw_choice(&mut self, choice: u32, json: &str, context: &WriterContext, out: &mut BytesMut) {
        let Ok(index) = Index::of(json) else { return };
        self.start(choice, context, out);
        self.open(choice, out);
        push_raw(out, "{");
        let delta = index.value_of(json, "delta");
        if let Some((delta, index)) = delta.and_then(|delta| Some((delta, Index::of(delta).ok()?))) {
            let members = index.others(delta, &["role", "content", "tool_calls"]);
            for (position, (_, member)) in members.enumerate() {
                push_raw(out, if position == 0 { "" } else { "," });
                push_raw(out, member);
            }
        }
        push_raw(out, "},\"finish_reason\":null");
        for (_, member) in index.others(json, &["index", "delta", "finish_reason"]) {
            push_raw(out, ",");
            push_raw(out, member);
        }
        push_raw(out, "}]}\n\n");
    }
}

/// The extension member, where this chunk has one to carry.
fn push_label(out: &mut BytesMut, label: Option<String>) {
    if let Some(label) = label {
        push_raw(out, "\"seawall\":");
        push_raw(out, &label);
        push_raw(out, ",");
    }
}

fn head(context: &WriterContext) -> Vec<u8> {
    let mut head = BytesMut::with_capacity(160);
    push_raw(&mut head, "{\"id\":");
    push_str(&mut head, &context.id);
    push_raw(&mut head, ",\"object\":\"chat.completion.chunk\",\"created\":");
    push_number(&mut head, context.created_s);
    push_raw(&mut head, ",\"model\":");
    push_str(&mut head, &context.model);
    push_raw(&mut head, ",");
    head.to_vec()
}

fn write_tool(out: &mut BytesMut, call: &ToolDelta) {
    push_raw(out, "\"tool_calls\":[{\"index\":");
    push_number(out, call.index.into());
    if let Some(id) = &call.id {
        push_raw(out, ",\"id\":");
        push_str(out, id);
        push_raw(out, ",\"type\":\"function\"");
    }
    push_raw(out, ",\"function\":{");
    if let Some(name) = &call.name {
        push_raw(out, "\"name\":");
        push_str(out, name);
        push_raw(out, ",");
    }
    push_raw(out, "\"arguments\":");
    push_str(out, &call.arguments);
    push_raw(out, "}");
    if let Some(opaque) = &call.opaque {
        push_opaque(out, opaque);
    }
    push_raw(out, "}]");
}

/// A call's state, in the one place that clients of this protocol are known to send back unchanged.
pub(super) fn push_opaque(out: &mut BytesMut, opaque: &str) {
    push_raw(out, ",\"extra_content\":{\"google\":{\"thought_signature\":");
    push_str(out, opaque);
    push_raw(out, "}}");
}

/// In the protocol's own names.
pub(in crate::protocol) fn write_usage(out: &mut BytesMut, usage: &Usage) {
    let mut number = |name: &str, count: u64| {
        push_raw(out, name);
        push_number(out, count);
    };
    number("{\"prompt_tokens\":", usage.input_tokens);
    number(",\"completion_tokens\":", usage.output_tokens);
    number(",\"total_tokens\":", usage.input_tokens.saturating_add(usage.output_tokens));
    number(",\"prompt_tokens_details\":{\"cached_tokens\":", usage.cache_read_tokens.unwrap_or(0));
    if let Some(written) = usage.cache_write_tokens {
        number(",\"cache_write_tokens\":", written);
    }
    number("},\"completion_tokens_details\":{\"reasoning_tokens\":", usage.reasoning_tokens.unwrap_or(0));
    push_raw(out, "}}");
}
