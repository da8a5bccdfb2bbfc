//! Content blocks in an order that the protocol allows: one open at a time, each whole before the next begins.
//!
//! Blocks queue in the order in which they began. The first of the queue is written as it comes, those behind it wait
//! until it is complete: text and thinking as soon as another block begins, a tool call once its JSON has closed. So
//! parallel calls that come one after another stream, and those whose pieces interleave come out one after another.

use std::collections::VecDeque;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::ToolDelta;
use crate::frame::Nesting;
use crate::protocol::json::{push, push_number, push_raw, push_str};
use crate::protocol::reader::{BlockKind, Place};

/// What may wait behind an open block, in bytes.
const MAX_WAITING: usize = 256 * 1024;
/// Tool calls in one message.
const MAX_TOOLS: usize = 1024;

/// More waits behind one block than is held for any client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuchInterleaved;

/// The blocks of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    queue: VecDeque<Block>,
    /// Index of the first block of the queue.
    index: u64,
    /// Tool calls that are written and closed.
    closed_tools: Vec<u32>,
    /// The extension member of the next event.
    pub(super) label: Option<String>,
}

#[derive(Clone, Debug)]
struct Block {
    kind: Kind,
    started: bool,
    /// What is still to be written.
    pending: String,
}

#[derive(Clone, Debug)]
enum Kind {
    Text,
    Thinking { signature: Option<String>, signed: bool },
    Redacted,
    Tool { number: u32, id: Option<String>, name: Option<String>, nesting: Nesting, complete: bool },
}

impl Blocks {
    /// Behind a relayed stream: text goes on in its block, any other block is closed before the next begins.
    pub(super) fn behind(place: Place) -> Self {
        let Some((index, kind)) = place.open else { return Self { index: place.next, ..Self::default() } };
        let kind = match kind {
            BlockKind::Text => Kind::Text,
            BlockKind::Other => Kind::Thinking { signature: None, signed: true },
        };
        let block = Block { kind, started: true, pending: String::new() };
        Self { queue: VecDeque::from([block]), index, ..Self::default() }
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), TooMuchInterleaved> {
        if !matches!(self.queue.back(), Some(Block { kind: Kind::Text, .. })) {
            self.begin(Kind::Text);
        }
        self.append(self.queue.len().saturating_sub(1), text)
    }

    pub(super) fn thinking(&mut self, text: &str, opaque: Option<&str>) -> Result<(), TooMuchInterleaved> {
        let open =
            matches!(self.queue.back(), Some(Block { kind: Kind::Thinking { signed: false, .. }, .. }));
        if !text.is_empty() {
            if !open {
                self.begin(Kind::Thinking { signature: None, signed: false });
            }
            self.append(self.queue.len().saturating_sub(1), text)?;
        }
        let Some(opaque) = opaque else { return Ok(()) };
        match self.queue.back_mut() {
            Some(Block { kind: Kind::Thinking { signature, signed: signed @ false }, .. }) => {
                *signature = Some(opaque.to_owned());
                *signed = true;
                Ok(())
            }
            // State without a readable part.
            _ => {
                self.begin(Kind::Redacted);
                self.append(self.queue.len().saturating_sub(1), opaque)
            }
        }
    }

    pub(super) fn tool(&mut self, delta: &ToolDelta) -> Result<(), TooMuchInterleaved> {
        let is_it =
            |block: &Block| matches!(&block.kind, Kind::Tool { number, .. } if *number == delta.index);
        let at = match self.queue.iter().position(is_it) {
            Some(at) => at,
            // A late piece of a call that is over: without text it says nothing, with text it comes too late.
            None if self.closed_tools.contains(&delta.index) => {
                return if delta.arguments.trim().is_empty() { Ok(()) } else { Err(TooMuchInterleaved) };
            }
            None if self.closed_tools.len() + self.queue.len() >= MAX_TOOLS => {
                return Err(TooMuchInterleaved);
            }
            None => {
                let (number, nesting) = (delta.index, Nesting::default());
                self.begin(Kind::Tool { number, id: None, name: None, nesting, complete: false });
                self.queue.len().saturating_sub(1)
            }
        };
        if let Some(Block { kind: Kind::Tool { id, name, nesting, complete, .. }, .. }) =
            self.queue.get_mut(at)
        {
            if id.is_none() {
                id.clone_from(&delta.id);
            }
            if name.is_none() {
                name.clone_from(&delta.name);
            }
            *complete |= nesting.feed(delta.arguments.as_bytes()).is_some();
        }
        self.append(at, &delta.arguments)
    }

    /// Whether a tool call was among the blocks.
    pub(super) fn has_tools(&self) -> bool {
        !self.closed_tools.is_empty()
            || self.queue.iter().any(|block| matches!(block.kind, Kind::Tool { .. }))
    }

    /// Writes what can be written now.
    pub(super) fn write(&mut self, fallback_id: &str, out: &mut BytesMut) {
        loop {
            let is_last = self.queue.len() == 1;
            let Some(front) = self.queue.front_mut() else { return };
            front.write(self.index, fallback_id, false, &mut self.label, out);
            if is_last || !front.is_complete() {
                return;
            }
            self.close(fallback_id, out);
        }
    }

    /// Writes all that is left.
    pub(super) fn finish(&mut self, fallback_id: &str, out: &mut BytesMut) {
        while !self.queue.is_empty() {
            self.close(fallback_id, out);
        }
    }

    fn close(&mut self, fallback_id: &str, out: &mut BytesMut) {
        let Some(mut block) = self.queue.pop_front() else { return };
        block.write(self.index, fallback_id, true, &mut self.label, out);
        frame(out, "content_block_stop", &Stop { kind: "content_block_stop", index: self.index });
        self.index += 1;
        if let Kind::Tool { number, .. } = block.kind {
            self.closed_tools.push(number);
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.queue.push_back(Block { kind, started: false, pending: String::new() });
    }

    fn append(&mut self, at: usize, text: &str) -> Result<(), TooMuchInterleaved> {
        if let Some(block) = self.queue.get_mut(at) {
            block.pending.push_str(text);
        }
        let waits =
            |(at, block): (usize, &Block)| if at > 0 || !block.can_start() { block.pending.len() } else { 0 };
        let waiting: usize = self.queue.iter().enumerate().map(waits).sum();
        if waiting > MAX_WAITING { Err(TooMuchInterleaved) } else { Ok(()) }
    }
}

impl Block {
    fn is_complete(&self) -> bool {
        match &self.kind {
            Kind::Text | Kind::Thinking { .. } | Kind::Redacted => true,
            Kind::Tool { complete, .. } => *complete,
        }
    }

    /// A call's start needs its name.
    fn can_start(&self) -> bool {
        !matches!(&self.kind, Kind::Tool { name: None, .. })
    }

    /// Writes the start, if it is due, and what is pending. `is_end`: nothing more will come, names included.
    fn write(
        &mut self,
        index: u64,
        fallback_id: &str,
        is_end: bool,
        label: &mut Option<String>,
        out: &mut BytesMut,
    ) {
        if !self.started {
            if !self.can_start() && !is_end {
                return;
            }
            self.started = true;
            let content_block = self.start(index, fallback_id);
            let seawall = label.take().and_then(|label| RawValue::from_string(label).ok());
            let start = Start { kind: "content_block_start", index, content_block, seawall };
            frame(out, "content_block_start", &start);
        }
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            match &self.kind {
                Kind::Text => delta(out, index, label, "text_delta\",\"text\":", &pending),
                Kind::Thinking { .. } => delta(out, index, label, "thinking_delta\",\"thinking\":", &pending),
                Kind::Tool { .. } => {
                    delta(out, index, label, "input_json_delta\",\"partial_json\":", &pending)
                }
                // Its start said it all.
                Kind::Redacted => {}
            }
        }
        if let Kind::Thinking { signature, .. } = &mut self.kind
            && let Some(signature) = signature.take()
        {
            delta(out, index, label, "signature_delta\",\"signature\":", &signature);
        }
    }

    fn start(&self, index: u64, fallback_id: &str) -> ContentBlock<'_> {
        match &self.kind {
            Kind::Text => ContentBlock::Text { text: "" },
            Kind::Thinking { .. } => ContentBlock::Thinking { thinking: "", signature: "" },
            Kind::Redacted => ContentBlock::RedactedThinking { data: &self.pending },
            Kind::Tool { id, name, .. } => ContentBlock::ToolUse {
                id: id.clone().unwrap_or_else(|| format!("toolu_{fallback_id}_{index}")),
                name: name.as_deref().unwrap_or_default(),
                input: Empty {},
            },
        }
    }
}

/// Appends one event.
pub(super) fn frame<T: Serialize>(out: &mut BytesMut, name: &str, data: &T) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    push(out, data);
    out.extend_from_slice(b"\n\n");
}

/// Appends one delta, by hand because most of every stream consists of these. `kind_and_member` is the rest of the
/// delta between its type's opening quote and the text.
fn delta(out: &mut BytesMut, index: u64, label: &mut Option<String>, kind_and_member: &str, text: &str) {
    push_raw(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    push_number(out, index);
    if let Some(label) = label.take() {
        push_raw(out, ",\"seawall\":");
        push_raw(out, &label);
    }
    push_raw(out, ",\"delta\":{\"type\":\"");
    push_raw(out, kind_and_member);
    push_str(out, text);
    push_raw(out, "}}\n\n");
}

#[derive(Serialize)]
struct Start<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
    content_block: ContentBlock<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seawall: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: String, name: &'a str, input: Empty },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Stop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
}
