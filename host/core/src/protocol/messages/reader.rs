//! Reading a message's events: a look for relays, events for translations, from one pass.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{UsageCounts, finish_of};
use crate::event::{Event, Finish, ToolDelta, WireEvent};
use crate::protocol::loose::{Count, Presence, Text};
use crate::protocol::reader::{BlockKind, Peek, Place, Sink};
use crate::protocol::template::Templates;

/// Tool blocks beyond this are not followed; no model calls that many at once.
const MAX_TOOLS: usize = 1024;

/// One stream.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Reader {
    templates: Templates,
    usage: UsageCounts,
    /// Block indices of the tool calls so far; the position is the call's number.
    tools: Vec<u64>,
    place: Place,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    index: Count,
    error: Presence,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    stop_sequence: Text<'a>,
}

impl Reader {
    pub(in crate::protocol) fn place(&self) -> Place {
        self.place
    }

    pub(in crate::protocol) fn read(&mut self, event: &WireEvent, sink: &mut impl Sink) -> Peek {
        let data = &event.data;
        if event.event.as_deref() == Some("error") {
            return Peek { error: true, ..Peek::default() };
        }
        if let Some(text) = self.templates.text(data) {
            if !text.is_empty() {
                sink.add_text(0, text);
            }
            return Peek { content: !text.is_empty(), ..Peek::default() };
        }
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(data) else {
            return Peek { malformed: true, ..Peek::default() };
        };
        match frame.kind.or_empty() {
            "message_start" => self.message_start(frame.message.unwrap_or_default(), sink),
            "content_block_start" => {
                let block = frame.content_block.unwrap_or_default();
                self.block_start(frame.index.0.unwrap_or(0), &block, sink)
            }
            "content_block_delta" => {
                let delta = frame.delta.unwrap_or_default();
                let peek = self.block_delta(frame.index.0.unwrap_or(0), &delta, sink);
                if let ("text_delta", Some(text)) = (delta.kind.or_empty(), delta.text.borrowed()) {
                    self.templates.learn(data, text, None);
                }
                peek
            }
            "content_block_stop" => {
                self.place.open = None;
                Peek::default()
            }
            "message_delta" => self.message_delta(&frame.delta.unwrap_or_default(), frame.usage, sink),
            "message_stop" => {
                sink.add(0, || Event::Done);
                Peek { done: true, ..Peek::default() }
            }
            "error" => Peek { error: true, ..Peek::default() },
            _ => Peek { error: frame.error.0, ..Peek::default() },
        }
    }

    fn message_start(&mut self, message: Message<'_>, sink: &mut impl Sink) -> Peek {
        sink.add(0, || Event::Start { id: message.id.to_owned(), model: message.model.to_owned() });
        self.count(message.usage, sink)
    }

    fn message_delta(&mut self, delta: &Delta<'_>, usage: Option<&RawValue>, sink: &mut impl Sink) -> Peek {
        let mut peek = self.count(usage, sink);
        if let Some(word) = delta.stop_reason.some() {
            let reason = finish_of(word);
            peek.finish = Some(reason);
            sink.add(0, || {
                let stop_sequence = delta.stop_sequence.to_owned();
                Event::Finish(Finish { reason, native: Some(word.to_owned()), stop_sequence })
            });
        }
        peek
    }

    fn count(&mut self, raw: Option<&RawValue>, sink: &mut impl Sink) -> Peek {
        let Some(raw) = raw else { return Peek::default() };
        self.usage = std::mem::take(&mut self.usage).updated_by(UsageCounts::of(raw));
        let usage = self.usage.usage(raw);
        if let Some(usage) = &usage {
            sink.add(0, || Event::Usage(usage.clone()));
        }
        Peek { usage, ..Peek::default() }
    }

    fn block_start(&mut self, index: u64, block: &Block<'_>, sink: &mut impl Sink) -> Peek {
        let kind = if block.kind.or_empty() == "text" { BlockKind::Text } else { BlockKind::Other };
        self.place = Place { open: Some((index, kind)), next: index.saturating_add(1) };
        match block.kind.or_empty() {
            "text" => text_peek(block.text.or_empty(), sink),
            "thinking" => reasoning_peek(&block.thinking, &block.signature, sink),
            "redacted_thinking" => reasoning_peek(&Text::default(), &block.data, sink),
            "tool_use" => {
                if self.tools.len() < MAX_TOOLS {
                    self.tools.push(index);
                }
                let number = self.tool_number(index);
                sink.add(0, || {
                    Event::ToolCall(ToolDelta {
                        index: number,
                        id: block.id.to_owned(),
                        name: block.name.to_owned(),
                        // Empty as a rule, since the input follows in pieces.
                        arguments: block
                            .input
                            .map(RawValue::get)
                            .filter(|input| *input != "{}")
                            .unwrap_or("")
                            .into(),
                        opaque: None,
                    })
                });
                Peek { content: true, tool: true, ..Peek::default() }
            }
            // Tools that run at the provider: content for a relay, without a counterpart in other protocols.
            _ => Peek { content: true, tool: true, provider_tool: true, ..Peek::default() },
        }
    }

    fn block_delta(&mut self, index: u64, delta: &Delta<'_>, sink: &mut impl Sink) -> Peek {
        match delta.kind.or_empty() {
            "text_delta" => text_peek(delta.text.or_empty(), sink),
            "thinking_delta" => reasoning_peek(&delta.thinking, &Text::default(), sink),
            "signature_delta" => reasoning_peek(&Text::default(), &delta.signature, sink),
            "input_json_delta" => {
                let arguments = delta.partial_json.or_empty();
                if self.tools.contains(&index) && !arguments.is_empty() {
                    let number = self.tool_number(index);
                    sink.add(0, || {
                        let arguments = arguments.to_owned();
                        Event::ToolCall(ToolDelta { index: number, arguments, ..ToolDelta::default() })
                    });
                }
                let provider_tool = !self.tools.contains(&index);
                Peek { content: true, tool: true, provider_tool, ..Peek::default() }
            }
            // Citations and their like add to a block that has text of its own.
            _ => Peek::default(),
        }
    }

    fn tool_number(&self, block: u64) -> u32 {
        // The latest of that index: providers have been seen to start over inside one stream.
        let position = self.tools.iter().rposition(|known| *known == block).unwrap_or(self.tools.len());
        u32::try_from(position).unwrap_or(u32::MAX)
    }
}

fn text_peek(text: &str, sink: &mut impl Sink) -> Peek {
    if !text.is_empty() {
        sink.add(0, || Event::Text(text.to_owned()));
    }
    Peek { content: !text.is_empty(), ..Peek::default() }
}

fn reasoning_peek(text: &Text<'_>, opaque: &Text<'_>, sink: &mut impl Sink) -> Peek {
    let content = text.some().is_some() || opaque.some().is_some();
    if content {
        sink.add(0, || Event::Reasoning { text: text.or_empty().to_owned(), opaque: opaque.to_owned() });
    }
    Peek { content, reasoning: true, signed: opaque.some().is_some(), ..Peek::default() }
}
