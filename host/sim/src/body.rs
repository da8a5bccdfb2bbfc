//! The response body: bytes that are there at once, or a script that plays over time. Holding the ticket, it knows how
//! much was handed over and whether the client stayed to the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::connection::Line;
use crate::lane::Ticket;
use crate::log::Outcome;
use crate::script::Step;

/// Lets what was sent reach the client before the connection breaks: a reset throws away what is still queued.
const GRACE: Duration = Duration::from_millis(10);

/// A fault ends this body early; the server then breaks the connection instead of ending the body properly.
#[derive(Debug)]
pub(crate) struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault cut the body off")
    }
}

impl std::error::Error for CutOff {}

pub(crate) enum SimBody {
    /// One piece with a content length. Control answers have no ticket.
    Whole {
        bytes: Option<Bytes>,
        ticket: Option<Ticket>,
    },
    Script(Box<Player>),
}

/// Plays steps.
pub(crate) struct Player {
    steps: Arc<[Step]>,
    place: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Bytes of the present `Fill` that were sent.
    filled: u64,
    line: Arc<Line>,
    ticket: Ticket,
}

impl SimBody {
    pub(crate) fn whole(bytes: Bytes, ticket: Option<Ticket>) -> Self {
        Self::Whole { bytes: Some(bytes), ticket }
    }

    pub(crate) fn script(steps: Arc<[Step]>, line: Arc<Line>, ticket: Ticket) -> Self {
        Self::Script(Box::new(Player { steps, place: 0, sleep: None, filled: 0, line, ticket }))
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Whole { bytes, ticket } => {
                let bytes = bytes.take();
                if let Some(ticket) = ticket {
                    ticket.sent(bytes.as_ref().map_or(0, Bytes::len));
                    ticket.close(Outcome::Finished);
                }
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Script(player) => player.poll(context).map(|next| next.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, .. } => bytes.is_none(),
            Self::Script(player) => player.place >= player.steps.len(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Script(_) => SizeHint::default(),
        }
    }
}

impl Player {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, CutOff>>> {
        loop {
            let Some(step) = self.steps.get(self.place) else {
                self.ticket.close(Outcome::Finished);
                return Poll::Ready(None);
            };
            match step {
                Step::Send(bytes) => {
                    let bytes = bytes.clone();
                    self.place += 1;
                    return self.hand_over(bytes);
                }
                Step::Wait(time) => {
                    ready!(wait(&mut self.sleep, *time, context));
                    self.place += 1;
                }
                Step::Beat(bytes, time) => {
                    let bytes = bytes.clone();
                    ready!(wait(&mut self.sleep, *time, context));
                    return self.hand_over(bytes);
                }
                Step::Fill(total) => {
                    static NOTHING: [u8; 64 << 10] = [b'x'; 64 << 10];
                    let left = usize::try_from(total - self.filled).unwrap_or(usize::MAX).min(NOTHING.len());
                    if left == 0 {
                        self.place += 1;
                        continue;
                    }
                    self.filled += left as u64;
                    let mut bytes = Bytes::from_static(&NOTHING);
                    bytes.truncate(left);
                    return self.hand_over(bytes);
                }
                Step::Silence => return Poll::Pending,
                Step::Cut { reset } => {
                    let reset = *reset;
                    ready!(wait(&mut self.sleep, GRACE, context));
                    self.ticket.close(Outcome::Cut);
                    if reset {
                        self.line.reset();
                        return Poll::Pending;
                    }
                    self.place = self.steps.len();
                    return Poll::Ready(Some(Err(CutOff)));
                }
            }
        }
    }

    fn hand_over(&mut self, bytes: Bytes) -> Poll<Option<Result<Bytes, CutOff>>> {
        self.ticket.sent(bytes.len());
        if self.place >= self.steps.len() {
            self.ticket.close(Outcome::Finished);
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

fn wait(sleep: &mut Option<Pin<Box<Sleep>>>, time: Duration, context: &mut Context<'_>) -> Poll<()> {
    let running = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
    ready!(running.as_mut().poll(context));
    *sleep = None;
    Poll::Ready(())
}
