//! Reading a stream: upstream bytes in, bytes for the client out, and the few marks that decisions need.
//!
//! Three ways, chosen once: *relay* (the upstream speaks the client's protocol: events keep their bytes), *translate*
//! (the host reads one protocol and writes the other), *decode* (the adapter reads its own format). Whatever one read
//! of the socket brought is handled in one go and leaves as one write.
//!
//! A reading never invents an end: without a finish from upstream it ends in a failure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::class::{Class, Failure, Side};
use crate::event::{Event, FinishReason, StreamEvent, Usage};
use crate::frame::{Framed, Framer};
use crate::ports::{
    Adapter, AdapterTarget, ByteSource, Decoder, Framing, PluginFault, RawFailure, ReplyFormat,
    TransportFailure,
};
use crate::protocol::{self, Reader, Writer, WriterContext};
use crate::request::{Protocol, RequestId};

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
    /// An end that was read together with content and is still to be told.
    put_back: Option<Result<(), Failure>>,
}

enum Way {
    Relay { reader: Reader, watcher: Option<Box<dyn Decoder>>, client: Protocol, keep_usage: bool },
    Translate { reader: Reader, writer: Writer },
    Decode { decoder: Box<dyn Decoder>, writer: Writer },
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
        let writer = |model: Arc<str>| {
            Writer::new(
                setup.client,
                WriterContext {
                    id: protocol::answer_id(setup.client, setup.fallback_id),
                    model: model.to_string(),
                    pin_model: setup.report_model.is_some(),
                    created_s: setup.created_s,
                    include_usage: setup.include_usage,
                },
            )
        };
        let model = setup.report_model.clone().unwrap_or_else(|| Arc::clone(&setup.target.model));
        let custom = matches!(setup.format, ReplyFormat::Custom(_));
        let way = match setup.decoder {
            Some(decoder) if custom => Way::Decode { decoder, writer: writer(model) },
            watcher if setup.spoken == setup.client && setup.report_model.is_none() => Way::Relay {
                reader: Reader::new(setup.spoken).expecting(setup.choices),
                watcher,
                client: setup.client,
                keep_usage: setup.include_usage,
            },
            _ => Way::Translate {
                reader: Reader::new(setup.spoken).expecting(setup.choices),
                writer: writer(model),
            },
        };
        Self {
            adapter: setup.adapter,
            target: setup.target,
            source: setup.source,
            framer,
            framed: Vec::new(),
            way,
            seen: Seen { choices: setup.choices, ..Seen::default() },
            put_back: None,
        }
    }

    /// Why the answer ended, once it has.
    pub(crate) fn finish_reason(&self) -> Option<FinishReason> {
        self.seen.finish
    }

    /// Tokens as the upstream counted them.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        self.seen.usage.as_ref()
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
            self.terminate(&mut batch.bytes);
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
        let failed = match &mut self.way {
            Way::Relay { reader, watcher, keep_usage, .. } => {
                if let Some(watcher) = watcher {
                    let events = framed.iter().cloned().filter_map(Framed::into_event).collect();
                    watch(watcher.feed(events).await, &mut self.seen)?;
                }
                relay(&framed, reader, *keep_usage, &mut self.seen, batch)
            }
            Way::Translate { reader, writer } => translate(&framed, reader, writer, &mut self.seen, batch)?,
            Way::Decode { decoder, writer } => {
                let events = framed.drain(..).filter_map(Framed::into_event).collect();
                let events = decoder.feed(events).await.map_err(broken_decoder)?;
                write_events(events, writer, &mut self.seen, batch)?;
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
            write_events(events, writer, &mut self.seen, batch)?;
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
            Way::Relay { client, .. } => {
                if !self.seen.done {
                    out.extend_from_slice(protocol::terminator(*client));
                }
            }
            Way::Translate { writer, .. } | Way::Decode { writer, .. } => writer.finish(out),
        }
    }
}

/// What an error event means.
async fn classify(adapter: &Arc<dyn Adapter>, target: &AdapterTarget, data: Bytes) -> Failure {
    let raw = RawFailure { status: None, headers: HeaderMap::new(), data, in_stream: true };
    adapter.classify(target, raw).await.unwrap_or_else(broken_decoder)
}

/// Copies events as they are; returns the data of an error event, behind which nothing counts.
fn relay(
    framed: &[Framed],
    reader: &mut Reader,
    keep_usage: bool,
    seen: &mut Seen,
    batch: &mut Batch,
) -> Option<Bytes> {
    for frame in framed {
        let Framed::Event { event, raw } = frame else { continue };
        let peek = reader.peek(event);
        if peek.error {
            return Some(event.data.clone());
        }
        if peek.malformed {
            seen.malformed_events += 1;
            continue;
        }
        batch.content |= peek.content;
        seen.finish = peek.finish.or(seen.finish);
        seen.usage = peek.usage.or_else(|| seen.usage.take());
        // A terminator without a finish is not passed on: it would make a cut look like an end.
        let premature = peek.done && seen.finish.is_none();
        if premature || (peek.usage_only && !keep_usage) {
            continue;
        }
        seen.done |= peek.done;
        batch.bytes.extend_from_slice(raw);
    }
    None
}

fn translate(
    framed: &[Framed],
    reader: &mut Reader,
    writer: &mut Writer,
    seen: &mut Seen,
    batch: &mut Batch,
) -> Result<Option<Bytes>, Failure> {
    let mut events = Vec::new();
    for frame in framed {
        let Framed::Event { event, .. } = frame else { continue };
        let peek = reader.decode(event, &mut events);
        if peek.error {
            write_events(events, writer, seen, batch)?;
            return Ok(Some(event.data.clone()));
        }
        seen.malformed_events += u32::from(peek.malformed);
        seen.done |= peek.done && seen.finish.or(peek.finish).is_some();
    }
    write_events(events, writer, seen, batch)?;
    Ok(None)
}

/// Writes typed events for the client and remembers what decisions need.
fn write_events(
    events: Vec<StreamEvent>,
    writer: &mut Writer,
    seen: &mut Seen,
    batch: &mut Batch,
) -> Result<(), Failure> {
    for event in events {
        match &event.what {
            Event::Failed(failure) => return Err(failure.clone()),
            Event::Finish(finish) => seen.ended(event.choice, finish.reason),
            Event::Usage(usage) => seen.usage = Some(usage.clone()),
            Event::Done => seen.done |= seen.finish.is_some(),
            what if what.is_content() => {
                batch.content = true;
                seen.choices = seen.choices.max(event.choice.saturating_add(1));
            }
            _ => {}
        }
        writer.write(&event, &mut batch.bytes);
    }
    Ok(())
}

/// What a watching decoder says about a relayed stream.
fn watch(events: Result<Vec<StreamEvent>, PluginFault>, seen: &mut Seen) -> Result<(), Failure> {
    for event in events.map_err(broken_decoder)? {
        match event.what {
            Event::Failed(failure) => return Err(failure),
            Event::Finish(finish) => seen.ended(event.choice, finish.reason),
            Event::Usage(usage) => seen.usage = Some(usage),
            _ => {}
        }
    }
    Ok(())
}

fn broken_decoder(fault: PluginFault) -> Failure {
    Failure {
        code: Some(fault.code.to_owned()),
        ..Failure::new(Class::PluginFault, "the provider's adapter could not read the answer")
    }
    .on(Side::Plugin)
}
