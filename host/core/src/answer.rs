//! A committed stream on its way to the client: every byte that the upstream gives, and at the end either the honest
//! end or a typed error. Dropping it (the client left) ends the upstream call and counts for nobody.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::class::{Class, Failure};
use crate::ledger::Ledger;
use crate::note::Outcome;
use crate::protocol;
use crate::reading::{Batch, Reading};
use crate::reply::{AnswerStream, ClientError};
use crate::request::Protocol;
use crate::targets::Permit;

/// What a committed stream carries along.
pub(crate) struct Committed {
    pub(crate) first: Bytes,
    pub(crate) reading: Box<Reading>,
    pub(crate) permit: Permit,
    pub(crate) ledger: Ledger,
    pub(crate) client: Protocol,
    pub(crate) stall: Duration,
    pub(crate) deadline: Instant,
}

impl Committed {
    /// The stream that the client reads.
    pub(crate) fn into_stream(self) -> AnswerStream {
        let timer = Box::pin(sleep_until(self.deadline));
        let state = Flow {
            reading: self.reading,
            permit: Some(self.permit),
            ledger: self.ledger,
            client: self.client,
            stall: self.stall,
            deadline: self.deadline,
            quiet_since: None,
            timer,
        };
        let first = self.first;
        Box::pin(stream::unfold((Some(first), Some(state)), |(first, state)| async move {
            if let Some(first) = first {
                return Some((first, (None, state)));
            }
            let mut flow = state?;
            let (bytes, ended) = flow.step().await;
            Some((bytes, (None, (!ended).then_some(flow))))
        }))
    }
}

struct Flow {
    reading: Box<Reading>,
    permit: Option<Permit>,
    ledger: Ledger,
    client: Protocol,
    stall: Duration,
    deadline: Instant,
    /// When the last content came; comments and pings do not count.
    quiet_since: Option<Instant>,
    /// One timer for the stream's life: arming a new one per event costs more than the event.
    timer: Pin<Box<Sleep>>,
}

impl Flow {
    /// The next bytes for the client, and whether they are the last.
    async fn step(&mut self) -> (Bytes, bool) {
        loop {
            let batch = self.next_batch().await;
            if batch.content {
                let now = self.ledger.now();
                let since = self.quiet_since.replace(now);
                if let (Some(permit), Some(since)) = (&mut self.permit, since) {
                    permit.paused(now.saturating_duration_since(since));
                }
            }
            match batch.end {
                None if batch.bytes.is_empty() => {}
                None => return (batch.bytes.freeze(), false),
                Some(Ok(())) => {
                    self.finish();
                    return (batch.bytes.freeze(), true);
                }
                Some(Err(failure)) => {
                    let mut bytes = batch.bytes;
                    bytes.extend_from_slice(&self.interrupt(&failure));
                    return (bytes.freeze(), true);
                }
            }
        }
    }

    async fn next_batch(&mut self) -> Batch {
        let quiet_since = *self.quiet_since.get_or_insert_with(|| self.ledger.now());
        let stalls_at = quiet_since + self.stall;
        let limit = stalls_at.min(self.deadline);
        if self.timer.deadline() != limit {
            self.timer.as_mut().reset(limit);
        }
        tokio::select! {
            biased;
            batch = self.reading.next() => batch,
            () = self.timer.as_mut() => {
                let failure = if limit == self.deadline {
                    Failure::new(Class::TimeoutTotal, "the request's deadline passed")
                } else {
                    Failure::new(Class::TimeoutStall, "the provider fell silent")
                };
                Batch { end: Some(Err(failure)), ..Batch::default() }
            }
        }
    }

    fn finish(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.finished();
        }
        self.ledger.answered(self.reading.usage().cloned());
    }

    /// The typed error that ends a broken stream: no finish reason, no terminator.
    fn interrupt(&mut self, failure: &Failure) -> Bytes {
        if let Some(permit) = self.permit.take() {
            permit.failed(failure);
        }
        self.ledger.ended(Outcome::Interrupted, Some(failure.class));
        let message = format!("the answer was interrupted: {}", failure.message);
        protocol::error_event(self.client, &ClientError::new(502, "stream_interrupted", message))
    }
}
