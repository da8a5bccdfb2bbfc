//! Reading a stream in the protocol that its upstream speaks.

use crate::event::{Event, FinishReason, StreamEvent, Usage, WireEvent};
use crate::request::Protocol;

use super::template::unescape;
use super::{chat, messages};

/// What one event means for the stream as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks, read one at a time")]
pub struct Peek {
    /// Text, reasoning or a tool call is in it. Roles, preambles and pings are not content.
    pub content: bool,
    /// Set on the event with which the last open choice ended.
    pub finish: Option<FinishReason>,
    /// Token counts so far; the last ones count.
    pub usage: Option<Usage>,
    /// A chat chunk that exists only to tell usage.
    pub usage_only: bool,
    /// The provider reports a failure; its data is for the adapter to classify.
    pub error: bool,
    /// The protocol's end marker.
    pub done: bool,
    /// Cannot be read.
    pub malformed: bool,
    /// A piece of a tool call is in it.
    pub tool: bool,
    /// Reasoning is in it, or a block of reasoning begins with it.
    pub reasoning: bool,
    /// Provider state that signs reasoning is in it.
    pub signed: bool,
    /// A tool that the provider runs itself is at work: the same request once more would run it again.
    pub provider_tool: bool,
}

/// Reads one stream, event by event.
#[derive(Debug)]
pub struct Reader(Inner);

#[derive(Debug)]
enum Inner {
    Chat(Box<chat::reader::Reader>),
    Messages(Box<messages::reader::Reader>),
}

impl Reader {
    /// For a stream in this protocol.
    pub fn new(protocol: Protocol) -> Self {
        Self(match protocol {
            Protocol::Messages => Inner::Messages(Box::default()),
            Protocol::Chat | Protocol::Embeddings => Inner::Chat(Box::default()),
        })
    }

    /// The same reader, expecting so many choices: the stream has not finished before each of them has. Without it the
    /// choices seen so far count.
    #[must_use]
    pub fn expecting(mut self, choices: u32) -> Self {
        if let Inner::Chat(reader) = &mut self.0 {
            reader.expect_choices(choices);
        }
        self
    }

    /// What an event means, as cheaply as that can be told.
    pub fn peek(&mut self, event: &WireEvent) -> Peek {
        self.read(event, &mut Ignore)
    }

    /// Where in the answer's structure the stream stands behind the events read so far.
    pub(crate) fn place(&self) -> Place {
        match &self.0 {
            Inner::Chat(_) => Place::default(),
            Inner::Messages(reader) => reader.place(),
        }
    }

    /// What an event means, and everything it says. Of errors and malformed events nothing is appended.
    pub fn decode(&mut self, event: &WireEvent, out: &mut Vec<StreamEvent>) -> Peek {
        self.read(event, out)
    }

    /// What an event means; what it says goes to the sink.
    pub(crate) fn read(&mut self, event: &WireEvent, sink: &mut impl Sink) -> Peek {
        match &mut self.0 {
            Inner::Chat(reader) => reader.read(event, sink),
            Inner::Messages(reader) => reader.read(event, sink),
        }
    }
}

/// The blocks of a message so far. Chat has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The block that has begun and not ended.
    pub(crate) open: Option<(u64, BlockKind)>,
    /// Index of the next block.
    pub(crate) next: u64,
}

/// What a block holds, as far as going on with it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Text can go on.
    Text,
    /// Everything else can only be closed.
    Other,
}

/// Where decoded events go; building them is left out when nobody wants them.
pub(crate) trait Sink {
    /// Takes one.
    fn add(&mut self, choice: u32, what: impl FnOnce() -> Event);

    /// Takes text as it stands in JSON, between its quotes. Most of every stream comes this way.
    fn add_text(&mut self, choice: u32, inside: &str) {
        self.add(choice, || Event::Text(unescape(inside)));
    }
}

struct Ignore;

impl Sink for Ignore {
    fn add(&mut self, _choice: u32, _what: impl FnOnce() -> Event) {}
    fn add_text(&mut self, _choice: u32, _inside: &str) {}
}

impl Sink for Vec<StreamEvent> {
    fn add(&mut self, choice: u32, what: impl FnOnce() -> Event) {
        self.push(StreamEvent { choice, what: what() });
    }
}
