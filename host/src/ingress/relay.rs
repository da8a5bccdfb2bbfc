//! The slow reader of an HTTP/2 stream. Its connection is alive, perhaps busy with other streams, so that no write ever
//! waits; only this stream's window stays shut, and then its body is not asked any more and could not even notice.
//!
//! So a stream of unknown length is carried over by a task of its own, which gives up when the other end has not taken
//! a piece in time. What it gives up is reset, never ended as if it were whole. HTTP/1.1 needs none of this: there a
//! stream is its connection, and the listener watches that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Body as _, Frame};
use tokio::sync::mpsc;

use crate::tasks::Tasks;

/// Between the task and the connection: one piece on its way.
const ON_THE_WAY: usize = 1;

enum Piece {
    Bytes(Bytes),
    End,
}

/// The same body, given up when nobody takes its bytes for this long.
pub(crate) fn relayed(body: Body, tasks: &Tasks, limit: Duration) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let (out, pieces) = mpsc::channel(ON_THE_WAY);
    tasks.spawn("http2 answer", carry(body.into_data_stream(), out, limit));
    Body::new(Relay { pieces, ended: false })
}

async fn carry(mut body: BodyDataStream, out: mpsc::Sender<Piece>, limit: Duration) {
    loop {
        let next = tokio::select! {
            biased;
            () = out.closed() => return,
            next = body.next() => next,
        };
        let (piece, last) = match next {
            Some(Ok(bytes)) => (Piece::Bytes(bytes), false),
            Some(Err(_)) => return,
            None => (Piece::End, true),
        };
        if out.send_timeout(piece, limit).await.is_err() {
            tracing::debug!("an HTTP/2 client takes no bytes of its answer, which is given up");
            return;
        }
        if last {
            return;
        }
    }
}

/// The connection's end.
struct Relay {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(cx));
        self.ended = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            // Given up: the stream is reset.
            None => Some(Err(io::ErrorKind::TimedOut.into())),
        })
    }
}
