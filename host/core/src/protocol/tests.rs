//! Through the public doors of the module, from wire bytes to wire bytes.

mod answers;
mod corpus;
mod errors;
mod hostile;
mod reading;
mod requests;
mod system;
mod translation;
mod whole;
mod writing;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde_json::Value;

use super::{Reader, Writer, WriterContext, read_request};
use crate::body::RequestBody;
use crate::event::{Event, StreamEvent, WireEvent};
use crate::frame::{Framed, Framer};
use crate::ports::Framing;
use crate::reply::ClientError;
use crate::request::{Facts, Protocol};

fn request(protocol: Protocol, json: &str) -> Result<(Facts, RequestBody), ClientError> {
    read_request(protocol, Bytes::copy_from_slice(json.as_bytes()), HeaderMap::new(), 7)
}

/// The events of a stream's text.
fn wire(text: &[u8]) -> Vec<WireEvent> {
    let mut framer = Framer::new(Framing::Sse, None, 1 << 20);
    let mut framed = Vec::new();
    framer.push(Bytes::copy_from_slice(text), &mut framed).unwrap();
    framer.finish(&mut framed);
    let event = |framed| match framed {
        Framed::Event { event, .. } => Some(event),
        Framed::Comment(_) => None,
    };
    framed.into_iter().filter_map(event).collect()
}

fn decode(protocol: Protocol, text: &[u8]) -> Vec<StreamEvent> {
    let mut reader = Reader::new(protocol);
    let mut out = Vec::new();
    for event in wire(text) {
        reader.decode(&event, &mut out);
    }
    out
}

fn context() -> WriterContext {
    WriterContext {
        id: "id-1".to_owned(),
        model: "m".to_owned(),
        pin_model: false,
        created_s: 5,
        include_usage: true,
    }
}

/// What a client gets that asks for usage.
fn write(protocol: Protocol, events: &[StreamEvent]) -> String {
    let mut writer = Writer::new(protocol, context());
    let mut out = BytesMut::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    writer.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn first(what: Event) -> StreamEvent {
    StreamEvent { choice: 0, what }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}
