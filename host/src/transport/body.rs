//! The answer's bytes as they arrive: up to a cap, and gathered.
//!
//! HTTP hands a body over chunk by chunk, and between two chunks that one read of the socket brought the connection's
//! task must run once. Whoever passes each chunk on by itself therefore works, and writes to its own socket, once per
//! event in a burst. Here one turn of the scheduler is given away before chunks are handed on: what is there already
//! arrives together, and nothing ever waits for bytes that are not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use seawall_core::ports::{ByteSource, TransportFailure};

use super::failure;

/// More is not gathered: a write of this size is worth its system call.
const ENOUGH: usize = 16 << 10;

type Piece = Option<Result<Bytes, TransportFailure>>;

/// An answer's body. What came before a failure is handed on before the failure is.
pub(super) struct AnswerBody<S> {
    chunks: Chunks<S>,
    held: Held,
    gave_turn: bool,
    end: Option<Piece>,
}

impl<S> AnswerBody<S> {
    /// A body of which so many bytes were announced, if any were.
    pub(super) fn new(body: S, announced: Option<u64>, limit: usize) -> Self {
        let chunks = Chunks { body, announced, left: limit, limit };
        Self { chunks, held: Held::Nothing, gave_turn: false, end: None }
    }
}

impl<S> ByteSource for AnswerBody<S>
where
    S: Stream<Item = reqwest::Result<Bytes>> + Send + Unpin,
{
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        loop {
            match self.chunks.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.held.add(bytes);
                    self.gave_turn = false;
                    // Of a body whose length was announced the end is known with its last byte: no turn is given away.
                    if self.chunks.is_over() {
                        self.end = Some(None);
                    } else if self.held.len() < ENOUGH {
                        continue;
                    }
                }
                Poll::Ready(end) if self.held.len() == 0 => return Poll::Ready(end),
                Poll::Ready(end) => self.end = Some(end),
                Poll::Pending if self.held.len() == 0 => return Poll::Pending,
                Poll::Pending if !self.gave_turn => {
                    self.gave_turn = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => {}
            }
            self.gave_turn = false;
            return Poll::Ready(Some(Ok(self.held.take())));
        }
    }
}

/// A single chunk, the usual case, is not copied.
enum Held {
    Nothing,
    One(Bytes),
    More(BytesMut),
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::More(bytes) => bytes.len(),
        }
    }

    fn add(&mut self, bytes: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(bytes),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(4 * (first.len() + bytes.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&bytes);
                Self::More(joined)
            }
            Self::More(mut joined) => {
                joined.extend_from_slice(&bytes);
                Self::More(joined)
            }
        };
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::More(joined) => joined.freeze(),
        }
    }
}

/// Non-empty chunks up to the cap. Trailers say nothing that a provider's API defines, and are left out by the library.
struct Chunks<S> {
    body: S,
    announced: Option<u64>,
    left: usize,
    limit: usize,
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Chunks<S> {
    fn is_over(&self) -> bool {
        self.announced == Some((self.limit - self.left) as u64)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            let bytes = match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::inside_body(&error)))),
                Some(Ok(bytes)) => bytes,
            };
            if bytes.is_empty() {
                continue;
            }
            let Some(left) = self.left.checked_sub(bytes.len()) else {
                self.left = 0;
                return Poll::Ready(Some(Err(TransportFailure::TooLarge { limit_bytes: self.limit })));
            };
            self.left = left;
            return Poll::Ready(Some(Ok(bytes)));
        }
    }
}
