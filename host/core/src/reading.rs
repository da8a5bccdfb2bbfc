//! Reading a stream: upstream bytes in, bytes for the client out, and the few marks that decisions need.
//!
//! Three ways, chosen once: *relay* (the upstream speaks the client's protocol: events keep their bytes), *translate*
//! (the host reads one protocol and writes the other), *decode* (the adapter reads its own format). Whatever one read
//! of the socket brought is handled in one go and leaves as one write.
//!
//! A reading never invents an end: without a finish from upstream it ends in a failure. It can also go on in a stream
//! that another one began; then it always writes, and what the client has had is left out.

mod output;
mod ways;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use self::output::{Moment, Output};
use self::ways::{Pen, relay, translate, watch};
use crate::atomic::Hold;
use crate::class::{Class, Failure, Side};
use crate::event::{FinishReason, Usage};
use crate::frame::{Framed, Framer};
use crate::ports::{
    Adapter, AdapterTarget, ByteSource, Decoder, Framing, PluginFault, RawFailure, ReplyFormat,
    TransportFailure,
};
use crate::protocol::{self, Reader, Writer, WriterContext};
use crate::request::{Protocol, RequestId};
use crate::settings::Atomic;
use crate::splice::{Account, Delivered, Join, Joint};

/// What a reading is made of.
pub(crate) struct ReadingSetup {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) target: AdapterTarget,
    pub(crate) format: ReplyFormat,
    /// Present for `Watched` and `Custom`.
    pub(crate) decoder: Option<Box<dyn Decoder>>,
    /// The protocol of the body that the adapter was given.
    pub(crate) spoken: Protocol,
    pub(crate) client: Protocol,
    pub(crate) include_usage: bool,
    /// Asked for by the client.
    pub(crate) choices: u32,
    pub(crate) report_model: Option<Arc<str>>,
    /// Names the answer where the upstream does not.
    pub(crate) fallback_id: RequestId,
    pub(crate) created_s: u64,
    pub(crate) max_event_bytes: usize,
    pub(crate) headers: HeaderMap,
    pub(crate) source: Box<dyn ByteSource>,
    /// What the client gets only whole.
    pub(crate) atomic: Atomic,
    /// The answer was asked for as JSON.
    pub(crate) wants_json: bool,
    /// Remembers what is delivered, so that another upstream could go on.
    pub(crate) follows: bool,
    /// The stream that this one goes on in.
    pub(crate) joint: Option<Joint>,
}

/// What a stream that broke leaves to whoever goes on.
pub(crate) struct Remains {
    pub(crate) delivered: Delivered,
    /// Stands where the client does.
    pub(crate) writer: Writer,
    pub(crate) account: Account,
}

/// What one step brought.
#[derive(Default)]
pub(crate) struct Batch {
    /// For the client.
    pub(crate) bytes: BytesMut,
    /// Content, reasoning or a tool call is among them.
    pub(crate) content: bool,
    /// The stream is over: as it should be, or not.
    pub(crate) end: Option<Result<(), Failure>>,
}

/// One upstream stream being read for one client.
pub(crate) struct Reading {
    adapter: Arc<dyn Adapter>,
    target: AdapterTarget,
    source: Box<dyn ByteSource>,
    framer: Framer,
    framed: Vec<Framed>,
    way: Way,
    seen: Seen,
    output: Output,
    join: Option<Join>,
    /// An end that was read together with content and is still to be told.
    put_back: Option<Result<(), Failure>>,
}

enum Way {
    Relay { reader: Reader, watcher: Option<Box<dyn Decoder>>, naming: Naming, keep_usage: bool },
    Translate { reader: Reader, watcher: Option<Box<dyn Decoder>>, writer: Writer },
    Decode { decoder: Box<dyn Decoder>, writer: Writer },
}

/// What a relay needs only to have another upstream go on behind it.
struct Naming {
    client: Protocol,
    fallback_id: RequestId,
    created_s: u64,
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    /// Why the answer ended; set when the last of its choices has.
    finish: Option<FinishReason>,
    /// Choices that have ended, and how many there are: those asked for, or more where more were seen.
    finished: BTreeSet<u32>,
    choices: u32,
    /// The upstream's own terminator.
    done: bool,
    usage: Option<Usage>,
    malformed_events: u32,
    /// It does not go on where the other broke off.
    diverged: bool,
}

impl Seen {
    fn ended(&mut self, choice: u32, reason: FinishReason) {
        /// More than any provider offers; a decoder that invents choices must not fill the memory.
        const CHOICES_CAP: usize = 1024;
        if self.finished.len() < CHOICES_CAP {
            self.finished.insert(choice);
        }
        if self.finished.len() >= usize::try_from(self.choices).unwrap_or(usize::MAX) {
            self.finish = Some(reason);
        }
    }
}

impl Reading {
    pub(crate) fn new(setup: ReadingSetup) -> Self {
        let kind = setup.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let framing = match setup.format {
            ReplyFormat::Same | ReplyFormat::Watched => Framing::Sse,
            ReplyFormat::Custom(framing) => framing,
        };
        let framer = Framer::new(framing, kind, setup.max_event_bytes);
        let signs = setup.client == Protocol::Messages && setup.spoken == Protocol::Messages;
        let (written, delivered, join) = match setup.joint {
            None => (None, setup.follows.then(Delivered::default), None),
            Some(Joint { delivered, writer, mode, account }) => {
                let join = Join::new(setup.client, mode, &delivered, account);
                (Some(writer), Some(delivered), Some(join))
            }
        };
        let new_writer = || {
            let model = setup.report_model.clone().unwrap_or_else(|| Arc::clone(&setup.target.model));
            let context = WriterContext {
                id: protocol::answer_id(setup.client, setup.fallback_id),
                model: model.to_string(),
                pin_model: setup.report_model.is_some(),
                created_s: setup.created_s,
                include_usage: setup.include_usage,
            };
            Writer::new(setup.client, context)
        };
        let reader = || Reader::new(setup.spoken).expecting(setup.choices);
        let custom = matches!(setup.format, ReplyFormat::Custom(_));
        let way = match (setup.decoder, written) {
            (Some(decoder), written) if custom => {
                Way::Decode { decoder, writer: written.unwrap_or_else(new_writer) }
            }
            (watcher, None) if setup.spoken == setup.client && setup.report_model.is_none() => Way::Relay {
                reader: reader(),
                watcher,
                naming: Naming {
                    client: setup.client,
                    fallback_id: setup.fallback_id,
                    created_s: setup.created_s,
                },
                keep_usage: setup.include_usage,
            },
            (watcher, written) => {
                Way::Translate { reader: reader(), watcher, writer: written.unwrap_or_else(new_writer) }
            }
        };
        let hold = Hold::new(setup.atomic, signs, setup.wants_json);
        Self {
            adapter: setup.adapter,
            target: setup.target,
            source: setup.source,
            framer,
            framed: Vec::new(),
            way,
            seen: Seen { choices: setup.choices, ..Seen::default() },
            output: Output { hold, delivered, back: None, opening: None, opened: false },
            join,
            put_back: None,
        }
    }

    /// Why the answer ended, once it has.
    pub(crate) fn finish_reason(&self) -> Option<FinishReason> {
        self.seen.finish
    }

    /// Tokens of the answer as the client got it: as the upstream counted them, or put together.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let Some(join) = &self.join else { return self.counted() };
        Some(join.for_client(self.seen.usage.as_ref()?))
    }

    /// Tokens as the upstream that is read counted them.
    pub(crate) fn counted(&self) -> Option<Usage> {
        self.seen.usage.as_ref().map(Usage::numbers)
    }

    /// Tokens that all upstreams of this answer cost together, where there was more than one.
    pub(crate) fn spent(&self) -> Option<Usage> {
        Some(self.join.as_ref()?.account().spent(self.seen.usage.as_ref()))
    }

    /// Whether something waits for its end before it goes out.
    pub(crate) fn is_holding(&self) -> bool {
        self.output.hold.is_holding()
    }

    /// Whether all that comes is new to the client; true for a stream that goes on in no other.
    pub(crate) fn is_past_seam(&self) -> bool {
        self.join.as_ref().is_none_or(Join::passed)
    }

    /// Whether it failed because it does not go on where the other broke off.
    pub(crate) fn diverged(&self) -> bool {
        self.seen.diverged
    }

    /// Closes a stream that says no more although its answer has ended.
    pub(crate) fn conclude(&mut self) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.terminate(&mut bytes);
        bytes
    }

    /// The account of a stream that broke. `prompt` is an estimate of the prompt's tokens.
    pub(crate) fn into_account(mut self, prompt: u64) -> Account {
        self.close_account(prompt)
    }

    fn close_account(&mut self, prompt: u64) -> Account {
        let text = self.output.delivered.as_ref().and_then(Delivered::text);
        let whole = || (Account::default(), text.map_or(0, str::len));
        let (mut account, wrote) = self.join.take().map_or_else(whole, Join::into_account);
        account.broke(self.seen.usage.as_ref(), wrote, prompt);
        account
    }

    /// What is left of a stream that broke, for another upstream to go on with; none where none can.
    pub(crate) fn into_remains(mut self, prompt: u64) -> Option<Remains> {
        let account = self.close_account(prompt);
        let Self { way, output, .. } = self;
        let held = output.hold.is_holding();
        let back = output.back.filter(|_| held);
        let mut delivered = output.delivered?;
        let (moment, writer) = match back {
            Some(back) => {
                delivered.back_to(back.moment.mark);
                (Some(back.moment), back.writer)
            }
            None => (None, None),
        };
        if !delivered.may_go_on() {
            return None;
        }
        let writer = match way {
            Way::Relay { reader, naming, keep_usage, .. } => {
                let begun = output.opening.is_some();
                let moment = moment.unwrap_or(Moment { place: reader.place(), begun, ..Moment::default() });
                naming.writer(moment, output.opening.as_ref(), keep_usage)
            }
            Way::Translate { writer: now, .. } | Way::Decode { writer: now, .. } => writer.unwrap_or(now),
        };
        Some(Remains { delivered, writer, account })
    }

    /// Remembers an end for the next call of [`Self::next`].
    pub(crate) fn put_back(&mut self, end: Option<Result<(), Failure>>) {
        self.put_back = end;
    }

    /// The next step. After an end it must not be called again.
    pub(crate) async fn next(&mut self) -> Batch {
        if let Some(end) = self.put_back.take() {
            return Batch { end: Some(end), ..Batch::default() };
        }
        let mut batch = Batch::default();
        let closed = self.read_what_is_there().await;
        let handled = self.handle_events(&mut batch).await;
        batch.end = match (handled, closed) {
            (Err(failure), _) => Some(Err(failure)),
            (Ok(()), None) if self.seen.done => Some(Ok(())),
            (Ok(()), None) => None,
            (Ok(()), Some(close)) => Some(self.close(close, &mut batch).await),
        };
        if let Some(Ok(())) = batch.end {
            // A watcher may have known of an end that the events did not tell.
            match self.output.hold.end(self.seen.finish, &mut batch.bytes) {
                Ok(()) => self.terminate(&mut batch.bytes),
                Err(failure) => batch.end = Some(Err(failure)),
            }
        }
        batch
    }

    /// Waits for bytes and takes along all that are already there, so that a burst costs one round. Says how the source
    /// closed, if it did.
    async fn read_what_is_there(&mut self) -> Option<Result<(), TransportFailure>> {
        const ENOUGH_BYTES: usize = 64 * 1024;
        let (source, framer, framed) = (&mut self.source, &mut self.framer, &mut self.framed);
        let mut taken = 0;
        std::future::poll_fn(|cx| {
            loop {
                match source.poll_bytes(cx) {
                    Poll::Pending if taken == 0 => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(None),
                    Poll::Ready(None) => {
                        framer.finish(framed);
                        return Poll::Ready(Some(Ok(())));
                    }
                    Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(Err(failure))),
                    Poll::Ready(Some(Ok(bytes))) => {
                        taken += bytes.len();
                        if let Err(error) = framer.push(bytes, framed) {
                            return Poll::Ready(Some(Err(TransportFailure::Body(error.to_string()))));
                        }
                        if taken >= ENOUGH_BYTES {
                            return Poll::Ready(None);
                        }
                    }
                }
            }
        })
        .await
    }

    async fn handle_events(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let mut framed = std::mem::take(&mut self.framed);
        let (seen, output) = (&mut self.seen, &mut self.output);
        let join = self.join.as_mut();
        let failed = match &mut self.way {
            Way::Relay { reader, watcher, keep_usage, .. } => {
                if let Some(watcher) = watcher {
                    let events = framed.iter().cloned().filter_map(Framed::into_event).collect();
                    watch(watcher.feed(events).await, true, seen)?;
                }
                relay(&framed, reader, *keep_usage, seen, output, batch)?
            }
            Way::Translate { reader, watcher, writer } => {
                if let Some(watcher) = watcher {
                    let events = framed.iter().cloned().filter_map(Framed::into_event).collect();
                    watch(watcher.feed(events).await, false, seen)?;
                }
                translate(&framed, reader, Pen { writer, seen, join, output }, batch)?
            }
            Way::Decode { decoder, writer } => {
                let events = framed.drain(..).filter_map(Framed::into_event).collect();
                let events = decoder.feed(events).await.map_err(broken_decoder)?;
                Pen { writer, seen, join, output }.write(events, batch)?;
                None
            }
        };
        self.framed = framed;
        self.framed.clear();
        match failed {
            None => Ok(()),
            Some(data) => Err(classify(&self.adapter, &self.target, data).await),
        }
    }

    /// The source closed: an end is only honest if a finish was seen.
    async fn close(&mut self, close: Result<(), TransportFailure>, batch: &mut Batch) -> Result<(), Failure> {
        if let (Ok(()), Way::Decode { decoder, writer }) = (&close, &mut self.way) {
            let events = decoder.finish().await.map_err(broken_decoder)?;
            let (seen, output) = (&mut self.seen, &mut self.output);
            Pen { writer, seen, join: self.join.as_mut(), output }.write(events, batch)?;
        }
        match close {
            _ if self.seen.finish.is_some() => Ok(()),
            Ok(()) => {
                Err(Failure::new(Class::StreamBroken, "the provider's stream ended before the answer did"))
            }
            Err(TransportFailure::TooLarge { .. }) => Err(Failure::new(
                Class::StreamBroken,
                "the provider's answer is larger than the configured limit",
            )),
            Err(_) => Err(Failure::new(Class::StreamBroken, "the provider's stream broke off")),
        }
    }

    /// Adds whatever the client's protocol wants at the end and has not had yet.
    fn terminate(&mut self, out: &mut BytesMut) {
        match &mut self.way {
            Way::Relay { naming, .. } => {
                if !self.seen.done {
                    out.extend_from_slice(protocol::terminator(naming.client));
                }
            }
            Way::Translate { writer, .. } | Way::Decode { writer, .. } => writer.finish(out),
        }
    }
}

impl Naming {
    /// Writes on behind what was relayed.
    fn writer(&self, moment: Moment, opening: Option<&Bytes>, include_usage: bool) -> Writer {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Opening {
            id: Option<String>,
            model: Option<String>,
            created: Option<u64>,
        }
        let opening =
            opening.filter(|_| moment.begun).and_then(|data| serde_json::from_slice::<Opening>(data).ok());
        let opening = opening.unwrap_or_default();
        let own = || protocol::answer_id(self.client, self.fallback_id);
        let context = WriterContext {
            id: opening.id.filter(|id| !id.is_empty()).unwrap_or_else(own),
            model: opening.model.unwrap_or_default(),
            pin_model: false,
            created_s: opening.created.unwrap_or(self.created_s),
            include_usage,
        };
        if moment.begun {
            Writer::behind_relay(self.client, context, moment.place)
        } else {
            Writer::new(self.client, context)
        }
    }
}

/// What an error event means.
async fn classify(adapter: &Arc<dyn Adapter>, target: &AdapterTarget, data: Bytes) -> Failure {
    let raw = RawFailure { status: None, headers: HeaderMap::new(), data, in_stream: true };
    adapter.classify(target, raw).await.unwrap_or_else(broken_decoder)
}

fn broken_decoder(fault: PluginFault) -> Failure {
    Failure {
        code: Some(fault.code.to_owned()),
        ..Failure::new(Class::PluginFault, "the provider's adapter could not read the answer")
    }
    .on(Side::Plugin)
}
