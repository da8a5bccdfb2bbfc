//! A reply that runs through a fault component frame by frame.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::HeaderMap;
use tokio::time::sleep;

use crate::event::WireEvent;
use crate::frame::{Framed, Framer};
use crate::ports::{Adapter, ByteSource, FaultStep, Framing, Shape, Transform, TransportFailure, WireReply};

/// Larger events than this pass as an error: chaos is not meant to hold big bodies.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Filler comes in blocks of this size.
const FILLER: &[u8; 64 * 1024] = &[b' '; 64 * 1024];

/// The same reply with its body transformed and these headers in place of its own.
pub(super) fn rewritten(
    reply: WireReply,
    transform: Box<dyn Transform>,
    adapter: Arc<dyn Adapter>,
    replaced: &HeaderMap,
) -> WireReply {
    let WireReply { status, mut headers, body } = reply;
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let framer = Framer::new(Framing::Auto, kind, MAX_EVENT_BYTES);
    let dress = Dress::of(kind.unwrap_or_default());
    let state = Rewriting { body, framer, dress, transform, adapter, steps: VecDeque::new(), closed: false };
    for (name, value) in replaced {
        headers.insert(name.clone(), value.clone());
    }
    // The body may have another length now.
    headers.remove(http::header::CONTENT_LENGTH);
    let stream = stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        match state.next().await {
            Next::Bytes(bytes) => Some((Ok(bytes), Some(state))),
            Next::Cut => Some((Err(TransportFailure::Body("injected".to_owned())), None)),
            Next::Failed(failure) => Some((Err(failure), None)),
            Next::End => None,
        }
    });
    WireReply { status, headers, body: Box::new(StreamSource(Box::pin(stream))) }
}

struct Rewriting {
    body: Box<dyn ByteSource>,
    framer: Framer,
    dress: Dress,
    transform: Box<dyn Transform>,
    adapter: Arc<dyn Adapter>,
    steps: VecDeque<FaultStep>,
    closed: bool,
}

/// How the reply frames its events.
#[derive(Clone, Copy)]
enum Dress {
    Sse,
    Lines,
    /// One document, which is its own frame.
    Document,
}

impl Dress {
    fn of(content_type: &str) -> Self {
        let kind = content_type.to_ascii_lowercase();
        if kind.contains("event-stream") {
            Self::Sse
        } else if kind.contains("ndjson") || kind.contains("jsonl") {
            Self::Lines
        } else {
            Self::Document
        }
    }

    fn put_on(self, event: WireEvent) -> Bytes {
        match self {
            Self::Sse => as_sse(&event),
            Self::Lines => [&event.data[..], b"\n"].concat().into(),
            Self::Document => event.data,
        }
    }
}

enum Next {
    Bytes(Bytes),
    Cut,
    Failed(TransportFailure),
    End,
}

impl Rewriting {
    async fn next(&mut self) -> Next {
        loop {
            match self.steps.pop_front() {
                Some(FaultStep::Wait(time)) => sleep(time).await,
                Some(FaultStep::Raw(bytes)) => return Next::Bytes(bytes),
                Some(FaultStep::Fill(0)) => {}
                Some(FaultStep::Fill(left)) => {
                    let block = usize::try_from(left).map_or(FILLER.len(), |left| left.min(FILLER.len()));
                    self.steps.push_front(FaultStep::Fill(left.saturating_sub(block as u64)));
                    return Next::Bytes(Bytes::from_static(FILLER).slice(..block));
                }
                Some(FaultStep::Send(event)) => return Next::Bytes(self.dress.put_on(event)),
                Some(FaultStep::Fail(class)) => {
                    let shape = Shape::Failure { class, retry_after: None, in_stream: true };
                    let rendered = self.adapter.render(shape).await.ok().flatten();
                    self.steps.clear();
                    self.steps.push_back(FaultStep::End);
                    if let Some(reply) = rendered {
                        return Next::Bytes(reply.body);
                    }
                }
                Some(FaultStep::Stall) => std::future::pending().await,
                Some(FaultStep::Cut) => return Next::Cut,
                Some(FaultStep::End) => return Next::End,
                None if self.closed => return Next::End,
                None => {
                    if let Err(failure) = self.refill().await {
                        return Next::Failed(failure);
                    }
                }
            }
        }
    }

    /// Reads on and asks the component what becomes of it; one that fails ends the stream where it is.
    async fn refill(&mut self) -> Result<(), TransportFailure> {
        let body = &mut self.body;
        let mut framed = Vec::new();
        match std::future::poll_fn(|cx| body.poll_bytes(cx)).await {
            Some(bytes) => {
                let pushed = self.framer.push(bytes?, &mut framed);
                pushed.map_err(|error| TransportFailure::Body(error.to_string()))?;
            }
            None => {
                self.closed = true;
                self.framer.finish(&mut framed);
            }
        }
        let frames: Vec<WireEvent> = framed.into_iter().filter_map(Framed::into_event).collect();
        let broken = |_| TransportFailure::Body("injected".to_owned());
        if !frames.is_empty() {
            self.steps.extend(self.transform.piece(frames).await.map_err(broken)?);
        }
        if self.closed {
            self.steps.extend(self.transform.finish().await.map_err(broken)?);
        }
        Ok(())
    }
}

fn as_sse(event: &WireEvent) -> Bytes {
    let mut out = BytesMut::with_capacity(event.data.len() + 32);
    if let Some(name) = &event.event {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    for line in event.data.split(|byte| *byte == b'\n') {
        out.put_slice(b"data: ");
        out.put_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}

/// A stream as a byte source.
struct StreamSource(Pin<Box<dyn Stream<Item = Result<Bytes, TransportFailure>> + Send>>);

impl ByteSource for StreamSource {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        self.0.as_mut().poll_next(cx)
    }
}
