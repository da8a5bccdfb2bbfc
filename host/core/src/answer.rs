//! A committed stream on its way to the client: every byte that the upstream gives, and at the end either the honest
//! end or a typed error. Where the upstream breaks off, another one may go on in the same stream; until it does, and
//! while a unit is held back, comments keep the connection. Dropping it (the client left) ends the upstream call and
//! counts for nobody.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::class::{Class, Failure};
use crate::ledger::Ledger;
use crate::note::Outcome;
use crate::protocol;
use crate::reading::{Batch, Reading};
use crate::reply::{AnswerStream, ClientError};
use crate::request::Protocol;
use crate::splice::{Continuation, Next};
use crate::targets::Permit;

/// A client hears something at least this often.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// How long the provider may take from the answer's end to its usage and end marker.
const LONGEST_GOODBYE: Duration = Duration::from_secs(3);

/// What a committed stream carries along.
pub(crate) struct Committed {
    pub(crate) first: Bytes,
    pub(crate) reading: Box<Reading>,
    pub(crate) permit: Permit,
    /// When its attempt began, and which of the request's it is.
    pub(crate) began: Instant,
    pub(crate) number: u32,
    pub(crate) ledger: Ledger,
    pub(crate) client: Protocol,
    pub(crate) stall: Duration,
    pub(crate) deadline: Instant,
    /// None: when it breaks, it ends.
    pub(crate) continuation: Option<Box<Continuation>>,
}

impl Committed {
    /// The stream that the client reads.
    pub(crate) fn into_stream(self) -> AnswerStream {
        let timer = Box::pin(sleep_until(self.deadline));
        let flow = Flow::Live(Box::new(Live {
            reading: self.reading,
            permit: self.permit,
            began: self.began,
            number: self.number,
            ledger: self.ledger,
            client: self.client,
            stall: self.stall,
            deadline: self.deadline,
            continuation: self.continuation,
            quiet_since: None,
            silent_since: None,
            ended_at: None,
            timer,
        }));
        Box::pin(stream::unfold((self.first, Some(flow)), |(mut ready, mut flow)| async move {
            while ready.is_empty() {
                (ready, flow) = flow?.step().await;
            }
            Some((ready, (Bytes::new(), flow)))
        }))
    }
}

/// Where a stream is.
enum Flow {
    /// An upstream is being read.
    Live(Box<Live>),
    /// It broke, and another one is looked for.
    Between(Between),
}

/// Ends in a stream that goes on, with what is new so far, or in the last bytes for the client.
type Between = Pin<Box<dyn Future<Output = (Bytes, Option<Box<Live>>)> + Send>>;

impl Flow {
    /// The next bytes for the client, possibly none, and the flow unless they are the last.
    async fn step(self) -> (Bytes, Option<Self>) {
        match self {
            Self::Live(live) => live.step().await,
            Self::Between(mut between) => tokio::select! {
                biased;
                (bytes, live) = &mut between => (bytes, live.map(Self::Live)),
                () = sleep(LONGEST_SILENCE) => {
                    (Bytes::from_static(protocol::KEEP_ALIVE), Some(Self::Between(between)))
                }
            },
        }
    }
}

struct Live {
    reading: Box<Reading>,
    permit: Permit,
    began: Instant,
    number: u32,
    ledger: Ledger,
    client: Protocol,
    stall: Duration,
    deadline: Instant,
    continuation: Option<Box<Continuation>>,
    /// When the last content came; comments and pings do not count.
    quiet_since: Option<Instant>,
    /// Since when something is held and nothing goes to the client.
    silent_since: Option<Instant>,
    /// When the answer ended and its stream did not.
    ended_at: Option<Instant>,
    /// One timer for the stream's life: arming a new one per event costs more than the event.
    timer: Pin<Box<Sleep>>,
}

/// What came first.
enum Came {
    Batch(Batch),
    /// Nothing for the client for a while; the upstream may be busy.
    Silence,
}

impl Live {
    async fn step(mut self: Box<Self>) -> (Bytes, Option<Flow>) {
        loop {
            let Came::Batch(batch) = self.next().await else {
                self.silent_since = None;
                return (Bytes::from_static(protocol::KEEP_ALIVE), Some(Flow::Live(self)));
            };
            if batch.content {
                let now = self.ledger.now();
                let since = self.quiet_since.replace(now);
                if let Some(since) = since {
                    self.permit.paused(now.saturating_duration_since(since));
                }
            }
            match batch.end {
                None if batch.bytes.is_empty() => {}
                None => {
                    self.silent_since = None;
                    return (batch.bytes.freeze(), Some(Flow::Live(self)));
                }
                Some(Ok(())) => return (self.finish(batch.bytes), None),
                // The client has had the whole answer; what was to come behind it would only have been counts.
                Some(Err(_)) if self.reading.finish_reason().is_some() => {
                    let mut bytes = batch.bytes;
                    bytes.extend_from_slice(&self.reading.conclude());
                    return (self.finish(bytes), None);
                }
                Some(Err(failure)) => return self.broken(batch.bytes, failure),
            }
        }
    }

    async fn next(&mut self) -> Came {
        let quiet_since = *self.quiet_since.get_or_insert_with(|| self.ledger.now());
        let mut limit = (quiet_since + self.stall).min(self.deadline);
        if self.reading.finish_reason().is_some() {
            let ended_at = *self.ended_at.get_or_insert_with(|| self.ledger.now());
            limit = limit.min(ended_at + LONGEST_GOODBYE);
        }
        let mut speaks_at = None;
        if self.reading.is_holding() {
            let silent_since = *self.silent_since.get_or_insert_with(|| self.ledger.now());
            speaks_at = Some(silent_since + LONGEST_SILENCE).filter(|at| *at < limit);
        }
        let wakes_at = speaks_at.unwrap_or(limit);
        if self.timer.deadline() != wakes_at {
            self.timer.as_mut().reset(wakes_at);
        }
        tokio::select! {
            biased;
            batch = self.reading.next() => Came::Batch(batch),
            () = self.timer.as_mut() => {
                if speaks_at.is_some() {
                    return Came::Silence;
                }
                let failure = if limit == self.deadline {
                    Failure::new(Class::TimeoutTotal, "the request's deadline passed")
                } else {
                    Failure::new(Class::TimeoutStall, "the provider fell silent")
                };
                Came::Batch(Batch { end: Some(Err(failure)), ..Batch::default() })
            }
        }
    }

    fn finish(self, bytes: BytesMut) -> Bytes {
        let Self { reading, permit, mut ledger, .. } = self;
        permit.finished();
        ledger.counted(reading.counted());
        ledger.streamed(reading.usage(), reading.spent());
        bytes.freeze()
    }

    /// The upstream broke off behind these bytes.
    fn broken(self: Box<Self>, bytes: BytesMut, failure: Failure) -> (Bytes, Option<Flow>) {
        let Self { reading, permit, began, number, ledger, client, deadline, continuation, timer, .. } =
            *self;
        permit.failed(&failure);
        let mut ledger = ledger;
        ledger.counted(reading.counted());
        ledger.stream_failed(number, &failure, began);
        let going_on =
            continuation.filter(|continuation| continuation.applies(&failure)).and_then(|continuation| {
                let remains = reading.into_remains(continuation.prompt_tokens())?;
                Some((continuation, remains))
            });
        let Some((mut continuation, remains)) = going_on else {
            return (interrupt(bytes, ledger, client, &failure), None);
        };
        let between = async move {
            let Some(next) = continuation.go_on(&mut ledger, remains, &failure).await else {
                return (interrupt(BytesMut::new(), ledger, client, &failure), None);
            };
            let Next { first, reading, permit, began, number, stall } = next;
            let live = Live {
                reading,
                permit,
                began,
                number,
                ledger,
                client,
                stall,
                deadline,
                continuation: Some(continuation),
                quiet_since: None,
                silent_since: None,
                ended_at: None,
                timer,
            };
            (first.freeze(), Some(Box::new(live)))
        };
        (bytes.freeze(), Some(Flow::Between(Box::pin(between))))
    }
}

/// The typed error that ends a broken stream, behind what was still to be sent: no finish reason, no terminator.
fn interrupt(mut bytes: BytesMut, mut ledger: Ledger, client: Protocol, failure: &Failure) -> Bytes {
    ledger.ended(Outcome::Interrupted, Some(failure.class));
    let message = format!("the answer was interrupted: {}", failure.message);
    let error = ClientError::new(502, "stream_interrupted", message);
    bytes.extend_from_slice(&protocol::error_event(client, &error));
    bytes.freeze()
}
