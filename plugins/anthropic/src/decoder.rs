//! Streams.

use seawall_plugin::prelude::*;
use seawall_translate::Json;

use crate::answer::MessageReader;
use crate::error;

/// Reads one stream. Pings and unknown events are nothing, an event that cannot be parsed is skipped: if that lost the
/// end, the host takes the stream as cut. After a failure nothing is read any more.
#[derive(Debug)]
pub(crate) struct MessageDecoder {
    reader: MessageReader,
    started: bool,
    failed: bool,
}

impl MessageDecoder {
    pub(crate) fn new(kind: &str) -> Self {
        Self { reader: MessageReader::new(kind), started: false, failed: false }
    }

    fn event(&mut self, wire: &WireEvent, out: &mut Vec<StreamEvent>) {
        let Ok(mut data) = Json::parse(&wire.data) else {
            if wire.event.as_deref() == Some("error") {
                self.fail(
                    ProviderError::new(
                        ErrorClass::ServerError,
                        "the provider ended the stream with an error",
                    ),
                    out,
                );
            }
            return;
        };
        let at = data.count("index").unwrap_or(0);
        match data.text("type") {
            Some("message_start") if self.started => {
                self.fail(ProviderError::malformed("a second message began inside the first"), out);
            }
            Some("message_start") => {
                self.started = true;
                self.reader.start(data.get("message").unwrap_or(&Json::Null), out);
            }
            Some("content_block_start") => {
                self.reader.open(at, data.get("content_block").unwrap_or(&Json::Null), out);
            }
            Some("content_block_delta") => {
                self.reader.piece(at, data.get("delta").unwrap_or(&Json::Null), out)
            }
            Some("content_block_stop") => self.reader.close(at, out),
            Some("message_delta") => {
                self.reader.end(data.get("delta").unwrap_or(&Json::Null), data.get("usage"), out);
            }
            // The upstream did not stream although it was asked to.
            Some("message") => {
                self.reader.whole(&mut data, out);
                out.push(Event::Done.of(0));
            }
            Some("message_stop") => out.push(Event::Done.of(0)),
            Some("error") => self.fail(error::read(&data, 0, &[]), out),
            _ if data.get("error").is_some() => self.fail(error::read(&data, 0, &[]), out),
            _ => {}
        }
    }

    fn fail(&mut self, failure: ProviderError, out: &mut Vec<StreamEvent>) {
        self.failed = true;
        out.push(Event::Failed(failure).of(0));
    }
}

impl Decoder for MessageDecoder {
    fn feed(&mut self, events: Vec<WireEvent>) -> Vec<StreamEvent> {
        let mut out = Vec::new();
        for event in events {
            if !self.failed {
                self.event(&event, &mut out);
            }
        }
        out
    }
}
