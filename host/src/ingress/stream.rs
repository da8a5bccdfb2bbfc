//! Streamed answers. The response's head is held until the gateway knows how the request goes, so that a failure can
//! still be a status. A client (or a proxy on the way) does not wait for ever: after [`PATIENCE`] the stream begins with
//! comments, and a failure after that is an event.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use seawall_core::protocol;
use seawall_core::reply::{AnswerStream, ClientError, Reply};
use seawall_core::request::{Protocol, RequestId};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::{Handling, answer};

/// How long a head is held, and the pause between comments afterwards.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a request that asked for a stream.
pub(super) async fn answer(protocol: Protocol, id: RequestId, mut handling: Handling) -> Response {
    match timeout(PATIENCE, &mut handling).await {
        Ok(reply) => answer::from_reply(protocol, reply),
        Err(_) => answer::undecided(protocol, id, StreamBody::undecided(protocol, handling)),
    }
}

/// The bytes of a stream, one frame an item.
pub(super) struct StreamBody(Stage);

enum Stage {
    Undecided { protocol: Protocol, handling: Handling, comments: Interval },
    Committed(AnswerStream),
    Ended,
}

impl StreamBody {
    pub(super) fn committed(stream: AnswerStream) -> Self {
        Self(Stage::Committed(stream))
    }

    /// Its first comment goes out at once.
    fn undecided(protocol: Protocol, handling: Handling) -> Self {
        let mut comments = interval(PATIENCE);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Stage::Undecided { protocol, handling, comments })
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match &mut self.0 {
                Stage::Ended => return Poll::Ready(None),
                Stage::Committed(stream) => {
                    let item = ready!(stream.as_mut().poll_next(cx));
                    if item.is_none() {
                        self.0 = Stage::Ended;
                    }
                    return Poll::Ready(item.map(|bytes| Ok(Frame::data(bytes))));
                }
                Stage::Undecided { protocol, handling, comments } => {
                    let Poll::Ready(reply) = handling.as_mut().poll(cx) else {
                        ready!(comments.poll_tick(cx));
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(protocol::KEEP_ALIVE)))));
                    };
                    let event = match reply {
                        Reply::Stream { body, .. } => {
                            self.0 = Stage::Committed(body);
                            continue;
                        }
                        Reply::Failed { error, .. } => protocol::error_event(*protocol, &error),
                        Reply::Plain { .. } => protocol::error_event(*protocol, &not_a_stream()),
                    };
                    self.0 = Stage::Ended;
                    return Poll::Ready(Some(Ok(Frame::data(event))));
                }
            }
        }
    }
}

/// The gateway answers a request for a stream with a stream; this is what a client sees should that ever break.
fn not_a_stream() -> ClientError {
    ClientError::new(502, "not_a_stream", "the answer came in one piece after the stream had begun")
}
