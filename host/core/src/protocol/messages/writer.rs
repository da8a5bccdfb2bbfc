//! Writing a message's events.

use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;

use super::blocks::{Blocks, TooMuchInterleaved, frame};
use super::{WrittenUsage, finish_word, is_signature};
use crate::event::{Event, Finish, FinishReason, StreamEvent, Usage};
use crate::protocol::reader::Place;
use crate::protocol::writer::{Labels, WriterContext};
use crate::reply::ClientError;

/// One stream. The protocol has one choice; events of others are left out.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Writer {
    started: bool,
    blocks: Blocks,
    usage: Option<Usage>,
    /// Held until the end, because it goes out together with the usage.
    finish: Option<Finish>,
    /// The extension member of the end.
    label: Option<String>,
}

impl Writer {
    /// Behind a stream whose start and first blocks the client has had.
    pub(in crate::protocol) fn behind_relay(place: Place) -> Self {
        Self { started: true, blocks: Blocks::behind(place), ..Self::default() }
    }

    /// Another upstream goes on: its usage and its end replace the other's.
    pub(in crate::protocol) fn go_on(&mut self, labels: Labels) {
        (self.usage, self.finish) = (None, None);
        self.blocks.label = labels.first;
        self.label = labels.last;
    }

    pub(in crate::protocol) fn write(
        &mut self,
        event: &StreamEvent,
        context: &WriterContext,
        out: &mut BytesMut,
    ) -> Result<(), ClientError> {
        if let Event::Usage(usage) = &event.what {
            self.usage = Some(usage.clone());
            return Ok(());
        }
        if event.choice != 0 {
            return Ok(());
        }
        let added = match &event.what {
            Event::Text(text) if !text.is_empty() => self.blocks.text(text),
            Event::Reasoning { text, opaque } => {
                let signature = opaque.as_deref().filter(|state| is_signature(state));
                if text.is_empty() && signature.is_none() {
                    return Ok(());
                }
                self.blocks.thinking(text, signature)
            }
            Event::ToolCall(delta) => self.blocks.tool(delta),
            Event::Finish(finish) => {
                self.finish = Some(finish.clone());
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.start(context, out);
        self.blocks.write(&context.id, out);
        added.map_err(|TooMuchInterleaved| {
            ClientError::new(
                502,
                "stream_interrupted",
                "the model's tool calls came mixed beyond what can be put in order",
            )
        })
    }

    /// Everything but the end marker.
    pub(in crate::protocol) fn finish(&mut self, context: &WriterContext, out: &mut BytesMut) {
        self.start(context, out);
        self.blocks.finish(&context.id, out);
        let finish = self.finish.take();
        let reason = match finish.as_ref().map_or(FinishReason::Other, |finish| finish.reason) {
            FinishReason::Stop | FinishReason::Other if self.blocks.has_tools() => FinishReason::ToolCalls,
            reason => reason,
        };
        let stop_sequence = finish.as_ref().and_then(|finish| finish.stop_sequence.as_deref());
        let usage = self.usage.clone().unwrap_or_default();
        frame(
            out,
            "message_delta",
            &MessageDelta {
                kind: "message_delta",
                delta: StopDelta { stop_reason: finish_word(reason), stop_sequence },
                usage: WrittenUsage::from(&usage),
                seawall: self.label.take().and_then(|label| RawValue::from_string(label).ok()),
            },
        );
    }

    fn start(&mut self, context: &WriterContext, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        // Nothing is known of the output yet, often nothing of the input either; the end tells both.
        let usage = Usage { output_tokens: 0, ..self.usage.clone().unwrap_or_default() };
        let message = Message {
            id: &context.id,
            kind: "message",
            role: "assistant",
            model: &context.model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: WrittenUsage::from(&usage),
        };
        frame(out, "message_start", &MessageStart { kind: "message_start", message });
    }
}

#[derive(Serialize)]
struct MessageStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [u8; 0],
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: WrittenUsage,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: StopDelta<'a>,
    usage: WrittenUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    seawall: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct StopDelta<'a> {
    stop_reason: &'a str,
    stop_sequence: Option<&'a str>,
}
