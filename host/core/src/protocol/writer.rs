//! Writing a stream in the protocol that its client speaks.

use bytes::{Bytes, BytesMut};

use super::error::error_event;
use super::reader::Place;
use super::{chat, messages};
use crate::event::{Event, StreamEvent};
use crate::reply::ClientError;
use crate::request::Protocol;

/// What every event of an answer carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterContext {
    /// The answer's id, until the upstream names one.
    pub id: String,
    /// The model, until the upstream names one.
    pub model: String,
    /// `model` stays, whatever the upstream says.
    pub pin_model: bool,
    /// Seconds since the epoch.
    pub created_s: u64,
    /// The client wants usage at the end of a chat stream.
    pub include_usage: bool,
}

/// Members named `seawall` that say what became of a stream: JSON objects, each written once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// On the next event with content.
    pub(crate) first: Option<String>,
    /// On the event that tells usage.
    pub(crate) last: Option<String>,
}

/// Writes one stream. The preamble goes out with the first content; a failure ends it for good.
#[derive(Clone, Debug)]
pub struct Writer {
    protocol: Protocol,
    inner: Inner,
    context: WriterContext,
    /// A finish reason has been written or is held.
    finished: bool,
    closed: bool,
}

#[derive(Clone, Debug)]
enum Inner {
    Chat(chat::writer::Writer),
    Messages(messages::writer::Writer),
}

impl Writer {
    /// For a client that speaks this protocol.
    pub fn new(protocol: Protocol, context: WriterContext) -> Self {
        let inner = match protocol {
            Protocol::Messages => Inner::Messages(messages::writer::Writer::default()),
            Protocol::Chat | Protocol::Embeddings => Inner::Chat(chat::writer::Writer::default()),
        };
        Self { protocol, inner, context, finished: false, closed: false }
    }

    /// Goes on behind a stream of this protocol whose own bytes the client has had up to this place, content among them.
    pub(crate) fn behind_relay(protocol: Protocol, context: WriterContext, place: Place) -> Self {
        let inner = match protocol {
            Protocol::Messages => Inner::Messages(messages::writer::Writer::behind_relay(place)),
            Protocol::Chat | Protocol::Embeddings => Inner::Chat(chat::writer::Writer::behind_relay()),
        };
        Self { protocol, inner, context, finished: false, closed: false }
    }

    /// Another upstream writes from now on, in the same stream: the answer's id stays, nothing begins anew.
    pub(crate) fn go_on(&mut self, model: &str, labels: Labels) {
        if !self.context.pin_model {
            model.clone_into(&mut self.context.model);
        }
        (self.finished, self.closed) = (false, false);
        match &mut self.inner {
            Inner::Chat(writer) => writer.go_on(labels),
            Inner::Messages(writer) => writer.go_on(labels),
        }
    }

    /// Appends what this event adds to the stream, if anything. `Failed` and `Done` add nothing: the caller decides what
    /// becomes of the stream, with [`Self::error`] or [`Self::finish`].
    pub fn write(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        match &event.what {
            Event::Start { id, model } => {
                if let Some(id) = id.as_ref().filter(|id| !id.is_empty()) {
                    self.context.id.clone_from(id);
                }
                if let (Some(model), false) =
                    (model.as_ref().filter(|m| !m.is_empty()), self.context.pin_model)
                {
                    self.context.model.clone_from(model);
                }
                return;
            }
            Event::Finish(_) => self.finished = true,
            _ => {}
        }
        let written = match &mut self.inner {
            Inner::Chat(writer) => writer.write(event, &self.context, out),
            Inner::Messages(writer) => writer.write(event, &self.context, out),
        };
        if let Err(error) = written {
            let bytes = self.error(&error);
            out.extend_from_slice(&bytes);
        }
    }

    /// Appends the end of the stream. Without a `Finish` event before it, that is a typed error: a stream that was cut
    /// never looks whole.
    pub fn finish(&mut self, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        if !self.finished {
            let cut = ClientError::new(502, "stream_interrupted", "the stream ended before the answer did");
            let bytes = self.error(&cut);
            out.extend_from_slice(&bytes);
            return;
        }
        match &mut self.inner {
            Inner::Chat(writer) => writer.finish(&self.context, out),
            Inner::Messages(writer) => writer.finish(&self.context, out),
        }
        out.extend_from_slice(super::terminator(self.protocol));
        self.closed = true;
    }

    /// The event that ends the stream as a failure. Nothing is written after it, no finish and no end marker.
    pub fn error(&mut self, error: &ClientError) -> Bytes {
        self.closed = true;
        error_event(self.protocol, error)
    }
}
