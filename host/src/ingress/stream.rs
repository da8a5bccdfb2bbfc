//! Streamed answers. The response's head is held until the gateway knows how the request goes, so that a failure can
//! still be a status. A client (or a proxy on the way) does not wait for ever: after [`PATIENCE`] the stream begins with
//! comments, and a failure after that is an event. So is the gateway's own end: a stream is never just cut.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use seawall_core::protocol;
use seawall_core::reply::{AnswerStream, ClientError, Reply};
use seawall_core::request::Protocol;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Handling;
use super::stay::Stay;
use crate::shutdown::{Phase, PhaseWatch};

/// How long a head is held, and the pause between comments afterwards.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of a stream, one frame an item.
pub(super) struct StreamBody {
    protocol: Protocol,
    stage: Stage,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    _stay: Stay,
}

enum Stage {
    Undecided { handling: Handling, comments: Interval },
    Committed(AnswerStream),
    Ended,
}

impl StreamBody {
    pub(super) fn committed(protocol: Protocol, stream: AnswerStream, phase: PhaseWatch, stay: Stay) -> Self {
        Self::new(protocol, Stage::Committed(stream), phase, stay)
    }

    /// Its first comment goes out at once.
    pub(super) fn undecided(protocol: Protocol, handling: Handling, phase: PhaseWatch, stay: Stay) -> Self {
        let mut comments = interval(PATIENCE);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::new(protocol, Stage::Undecided { handling, comments }, phase, stay)
    }

    fn new(protocol: Protocol, stage: Stage, mut phase: PhaseWatch, stay: Stay) -> Self {
        let closing = Box::pin(async move { phase.reached(Phase::Closing).await });
        Self { protocol, stage, closing, _stay: stay.answered(200) }
    }

    /// What there is to send now; `None` at the end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.stage {
                Stage::Ended => return Poll::Ready(None),
                Stage::Committed(stream) => {
                    let item = ready!(stream.as_mut().poll_next(cx));
                    if item.is_none() {
                        self.stage = Stage::Ended;
                    }
                    return Poll::Ready(item);
                }
                Stage::Undecided { handling, comments } => {
                    let Poll::Ready(reply) = handling.as_mut().poll(cx) else {
                        ready!(comments.poll_tick(cx));
                        return Poll::Ready(Some(Bytes::from_static(protocol::KEEP_ALIVE)));
                    };
                    let error = match reply {
                        Reply::Stream { body, .. } => {
                            self.stage = Stage::Committed(body);
                            continue;
                        }
                        Reply::Failed { error, .. } => error,
                        Reply::Plain { .. } => not_a_stream(),
                    };
                    return Poll::Ready(Some(self.end_with(&error)));
                }
            }
        }
    }

    /// The last event of a stream that did not finish; whatever was under way upstream is dropped.
    fn end_with(&mut self, error: &ClientError) -> Bytes {
        self.stage = Stage::Ended;
        protocol::error_event(self.protocol, error)
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.poll_bytes(cx) {
            Poll::Ready(bytes) => bytes,
            Poll::Pending => {
                ready!(self.closing.as_mut().poll(cx));
                Some(self.end_with(&interrupted()))
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn interrupted() -> ClientError {
    ClientError::new(503, "stream_interrupted", "the answer was interrupted: this gateway is shutting down")
}

/// The gateway answers a request for a stream with a stream; this is what a client sees should that ever break.
fn not_a_stream() -> ClientError {
    ClientError::new(502, "not_a_stream", "the answer came in one piece after the stream had begun")
}
