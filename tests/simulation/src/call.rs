//! One call that a provider has taken: its body as it comes, and the book that it is entered in.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use seawall_core::ports::{ByteSource, TransportFailure};
use tokio::time::{Sleep, sleep};

use crate::dice::seconds;
use crate::log::{CallEnd, Event};
use crate::upstream::Providers;

/// What a body does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Waits, in seconds.
    Wait(f64),
    /// Hands these bytes over.
    Send(Bytes),
    /// The same, and they are the first content.
    First(Bytes),
    /// The connection breaks.
    Break,
    /// Nothing more comes.
    Stall,
    /// A comment now and then, for ever.
    Drip,
}

/// A call under way. Ends in the log, whoever ends it.
#[derive(Debug)]
pub(crate) struct OpenCall {
    providers: Arc<Providers>,
    provider: usize,
    number: u64,
    end: CallEnd,
}

impl OpenCall {
    pub(crate) fn new(providers: Arc<Providers>, provider: usize, number: u64) -> Self {
        Self { providers, provider, number, end: CallEnd::Dropped }
    }

    /// The provider has nothing more to say.
    pub(crate) fn said(&mut self) {
        self.end = CallEnd::Said;
    }

    fn started(&self) {
        self.providers.log.write(Event::CallStarted { call: self.number });
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if let Some(mut desk) = self.providers.desk(self.provider) {
            desk.under_way = desk.under_way.saturating_sub(1);
        }
        self.providers.log.write(Event::CallEnded { call: self.number, end: self.end });
    }
}

/// A reply's body.
pub(crate) struct Pieces {
    steps: VecDeque<Step>,
    timer: Option<Pin<Box<Sleep>>>,
    call: OpenCall,
}

impl Pieces {
    pub(crate) fn new(steps: VecDeque<Step>, call: OpenCall) -> Self {
        Self { steps, timer: None, call }
    }
}

impl ByteSource for Pieces {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFailure>>> {
        const DRIP_S: f64 = 1.0;
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.steps.pop_front() {
                None => {
                    self.call.said();
                    return Poll::Ready(None);
                }
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Step::First(bytes)) => {
                    self.call.started();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Step::Wait(time)) => self.timer = Some(Box::pin(sleep(seconds(time)))),
                Some(Step::Break) => {
                    self.call.said();
                    return Poll::Ready(Some(Err(TransportFailure::Body("broke".to_owned()))));
                }
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Drip) => {
                    self.steps.push_front(Step::Drip);
                    self.steps.push_front(Step::Send(Bytes::from_static(crate::speech::COMMENT)));
                    self.steps.push_front(Step::Wait(DRIP_S));
                }
            }
        }
    }
}
