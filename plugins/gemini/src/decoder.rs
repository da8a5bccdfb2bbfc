//! Streams: each event is a reply of its own.

use seawall_plugin::prelude::*;
use seawall_translate::Json;

use crate::answer::ChunkReader;

/// Reads one stream. An event that cannot be parsed is skipped: if that lost the end, the host takes the stream as cut.
/// The API sends no end marker.
#[derive(Debug, Default)]
pub(crate) struct ChunkDecoder {
    reader: ChunkReader,
}

impl Decoder for ChunkDecoder {
    fn feed(&mut self, events: Vec<WireEvent>) -> Vec<StreamEvent> {
        let mut out = Vec::new();
        for event in events {
            match Json::parse(&event.data) {
                Ok(Json::List(chunks)) => {
                    for chunk in &chunks {
                        self.reader.chunk(chunk, &mut out);
                    }
                }
                Ok(chunk) => self.reader.chunk(&chunk, &mut out),
                Err(_) => {}
            }
        }
        out
    }

    fn finish(&mut self) -> Vec<StreamEvent> {
        let mut out = Vec::new();
        self.reader.close(&mut out);
        out
    }
}
