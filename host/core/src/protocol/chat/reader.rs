//! Reading `chat.completion.chunk`s: a look for relays, events for translations, from one pass.

use bytes::Bytes;

use super::wire::{Chunk, ChunkChoice, Message};
use super::{finish_of, usage_of};
use crate::event::{Event, Finish, FinishReason, ToolDelta, WireEvent};
use crate::protocol::loose::Content;
use crate::protocol::reader::{Peek, Sink};
use crate::protocol::template::Templates;

/// Choices beyond this are not followed; no API gives that many.
const MAX_CHOICES: u32 = 128;

/// One stream.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Reader {
    started: bool,
    templates: Templates,
    /// The choice that the template's text belongs to.
    template_choice: u32,
    /// Bit sets over choice indices.
    seen: u128,
    finished: u128,
    expected: u32,
    /// For providers that leave the index of tool calls out.
    tools: u32,
}

impl Reader {
    pub(in crate::protocol) fn expect_choices(&mut self, choices: u32) {
        self.expected = choices.min(MAX_CHOICES);
    }

    pub(in crate::protocol) fn read(&mut self, event: &WireEvent, sink: &mut impl Sink) -> Peek {
        let data = &event.data;
        if event.event.as_deref() == Some("error") {
            return Peek { error: true, ..Peek::default() };
        }
        if let Some(text) = self.templates.text(data) {
            if !text.is_empty() {
                sink.add_text(self.template_choice, text);
            }
            return Peek { content: !text.is_empty(), ..Peek::default() };
        }
        if data.trim_ascii() == b"[DONE]" {
            sink.add(0, || Event::Done);
            return Peek { done: true, ..Peek::default() };
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else {
            return Peek { malformed: true, ..Peek::default() };
        };
        if chunk.error.0 || chunk.object.or_empty() == "error" {
            return Peek { error: true, ..Peek::default() };
        }
        let peek = self.read_chunk(&chunk, sink);
        self.learn(data, &chunk, &peek);
        peek
    }

    fn read_chunk(&mut self, chunk: &Chunk<'_>, sink: &mut impl Sink) -> Peek {
        let mut peek = Peek::default();
        if !self.started && (chunk.id.some().is_some() || chunk.model.some().is_some()) {
            self.started = true;
            sink.add(0, || Event::Start { id: chunk.id.to_owned(), model: chunk.model.to_owned() });
        }
        for choice in &chunk.choices.0 {
            self.read_choice(choice, &mut peek, sink);
        }
        let nested = chunk.x_groq.as_ref().and_then(|nested| nested.usage);
        peek.usage = chunk.usage.and_then(usage_of).or_else(|| nested.and_then(usage_of));
        peek.usage_only = peek.usage.is_some() && chunk.choices.0.is_empty();
        if let Some(usage) = &peek.usage {
            sink.add(0, || Event::Usage(usage.clone()));
        }
        peek
    }

    fn read_choice(&mut self, choice: &ChunkChoice<'_>, peek: &mut Peek, sink: &mut impl Sink) {
        let index = choice.index.0.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        let bit = 1_u128.checked_shl(index).unwrap_or(0);
        self.seen |= bit;
        if let Some(logprobs) = choice.logprobs {
            sink.add(index, || Event::RawChoice(format!("{{\"logprobs\":{}}}", logprobs.get())));
        }
        if let Some(delta) = &choice.delta {
            self.read_delta(index, delta, peek, sink);
        }
        if let Some(word) = choice.finish_reason.some() {
            self.finished |= bit;
            let stop_sequence = choice.stop_reason.to_owned();
            let reason = match finish_of(word) {
                FinishReason::Stop if stop_sequence.is_some() => FinishReason::StopSequence,
                reason => reason,
            };
            sink.add(index, || {
                Event::Finish(Finish { reason, native: Some(word.to_owned()), stop_sequence })
            });
            let all_seen = self.finished.count_ones() >= self.seen.count_ones().max(self.expected);
            peek.finish = all_seen.then_some(reason);
        }
    }

    fn read_delta(&mut self, index: u32, delta: &Message<'_>, peek: &mut Peek, sink: &mut impl Sink) {
        let opaque = delta.reasoning_opaque.some();
        if delta.reasoning().is_some() || opaque.is_some() {
            (peek.content, peek.reasoning) = (true, true);
            peek.signed |= opaque.is_some();
            let text = delta.reasoning().unwrap_or_default();
            sink.add(index, || Event::Reasoning { text: text.to_owned(), opaque: opaque.map(str::to_owned) });
        }
        delta.content.each(&mut |text, is_reasoning| {
            peek.content = true;
            peek.reasoning |= is_reasoning;
            sink.add(index, || match is_reasoning {
                true => Event::Reasoning { text: text.to_owned(), opaque: None },
                false => Event::Text(text.to_owned()),
            });
        });
        if let Some(refusal) = delta.refusal.some() {
            peek.content = true;
            sink.add(index, || Event::Text(refusal.to_owned()));
        }
        for call in &delta.tool_calls.0 {
            let number = match call.index.0.and_then(|index| u32::try_from(index).ok()) {
                Some(number) => number,
                None if call.id.some().is_some() || self.tools == 0 => self.tools,
                None => self.tools - 1,
            };
            self.tools = self.tools.max(number.saturating_add(1));
            (peek.content, peek.tool) = (true, true);
            let function = call.function.as_ref();
            sink.add(index, || {
                Event::ToolCall(ToolDelta {
                    index: number,
                    id: call.id.to_owned(),
                    name: function.and_then(|function| function.name.to_owned()),
                    arguments: function.map(|function| function.arguments().into_owned()).unwrap_or_default(),
                    opaque: call.opaque().map(str::to_owned),
                })
            });
        }
        if let Some(function) = &delta.function_call {
            (peek.content, peek.tool) = (true, true);
            sink.add(index, || {
                Event::ToolCall(ToolDelta {
                    name: function.name.to_owned(),
                    arguments: function.arguments().into_owned(),
                    ..ToolDelta::default()
                })
            });
        }
    }

    /// Takes a chunk that said nothing but text as the pattern of those to come.
    fn learn(&mut self, data: &Bytes, chunk: &Chunk<'_>, peek: &Peek) {
        let says_only_text = Peek { content: true, ..Peek::default() };
        let ([choice], true) = (chunk.choices.0.as_slice(), *peek == says_only_text) else { return };
        let Some(delta) = &choice.delta else { return };
        let is_text_alone = delta.reasoning().is_none()
            && delta.reasoning_opaque.some().is_none()
            && delta.refusal.some().is_none()
            && choice.logprobs.is_none()
            && choice.finish_reason.some().is_none();
        let Content::Text(text) = &delta.content else { return };
        if let (Some(text), true) = (text.borrowed(), is_text_alone) {
            let padding = chunk.obfuscation.borrowed().or(chunk.p.borrowed());
            self.template_choice = choice.index.0.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
            self.templates.learn(data, text, padding);
        }
    }
}
