//! The ways of a reading: from events of the upstream to bytes for the client.

use bytes::{Bytes, BytesMut};

use super::output::{Back, Output};
use super::{Batch, Seen, broken_decoder};
use crate::class::{Class, Failure};
use crate::event::{Event, FinishReason, StreamEvent};
use crate::frame::Framed;
use crate::ports::PluginFault;
use crate::protocol::{Peek, Place, Reader, Writer};
use crate::splice::Join;

/// Copies events as they are; returns the data of an error event, behind which nothing counts.
pub(super) fn relay(
    framed: &[Framed],
    reader: &mut Reader,
    keep_usage: bool,
    seen: &mut Seen,
    output: &mut Output,
    batch: &mut Batch,
) -> Result<Option<Bytes>, Failure> {
    for frame in framed {
        let Framed::Event { event, raw } = frame else { continue };
        let moment = output.moment(reader.place());
        let peek = reader.read(event, output);
        if peek.error {
            return Ok(Some(event.data.clone()));
        }
        if peek.malformed {
            seen.malformed_events += 1;
            continue;
        }
        batch.content |= peek.content;
        seen.finish = peek.finish.or(seen.finish);
        if peek.usage.is_some() {
            seen.usage.clone_from(&peek.usage);
        }
        // A terminator without a finish is not passed on: it would make a cut look like an end.
        let premature = peek.done && seen.finish.is_none();
        if premature || (peek.usage_only && !keep_usage) {
            continue;
        }
        seen.done |= peek.done;
        if peek.provider_tool {
            output.fix();
        }
        if output.hold.before(&peek, &mut batch.bytes) {
            output.back = Some(Back { moment, writer: None });
        }
        output.hold.way(&mut batch.bytes).extend_from_slice(raw);
        output.relayed(&event.data, peek.content);
        behind(&peek, peek.finish, seen, output, &mut batch.bytes)?;
    }
    Ok(None)
}

pub(super) fn translate(
    framed: &[Framed],
    reader: &mut Reader,
    pen: Pen<'_>,
    batch: &mut Batch,
) -> Result<Option<Bytes>, Failure> {
    let mut events = Vec::new();
    let mut error = None;
    for frame in framed {
        let Framed::Event { event, .. } = frame else { continue };
        let peek = reader.decode(event, &mut events);
        if peek.error {
            error = Some(event.data.clone());
            break;
        }
        if peek.provider_tool {
            pen.output.fix();
        }
        pen.seen.malformed_events += u32::from(peek.malformed);
        pen.seen.done |= peek.done && pen.seen.finish.or(peek.finish).is_some();
    }
    pen.write(events, batch)?;
    Ok(error)
}

/// Everything that typed events pass on their way to the client.
pub(super) struct Pen<'a> {
    pub(super) writer: &'a mut Writer,
    pub(super) seen: &'a mut Seen,
    pub(super) join: Option<&'a mut Join>,
    pub(super) output: &'a mut Output,
}

impl Pen<'_> {
    /// Writes typed events for the client and remembers what decisions need.
    pub(super) fn write(self, events: Vec<StreamEvent>, batch: &mut Batch) -> Result<(), Failure> {
        let Self { writer, seen, mut join, output } = self;
        for event in events {
            match &event.what {
                Event::Failed(failure) => return Err(failure.clone()),
                Event::Usage(usage) => seen.usage = Some(usage.clone()),
                Event::Done => seen.done |= seen.finish.is_some(),
                what if what.is_content() => {
                    batch.content = true;
                    seen.choices = seen.choices.max(event.choice.saturating_add(1));
                }
                _ => {}
            }
            match &mut join {
                None => write_event(&event, writer, seen, output, batch)?,
                Some(join) => {
                    let taken = join.take(event).map_err(|_diverged| {
                        seen.diverged = true;
                        Failure::new(
                            Class::StreamBroken,
                            "the next answer does not go on where the other broke off",
                        )
                    })?;
                    for event in taken.iter().flatten() {
                        write_event(event, writer, seen, output, batch)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn write_event(
    event: &StreamEvent,
    writer: &mut Writer,
    seen: &mut Seen,
    output: &mut Output,
    batch: &mut Batch,
) -> Result<(), Failure> {
    let ended = match &event.what {
        Event::Finish(finish) => {
            seen.ended(event.choice, finish.reason);
            seen.finish
        }
        _ => None,
    };
    let peek = peek_of(&event.what);
    if output.hold.before(&peek, &mut batch.bytes) {
        output.back = Some(Back { moment: output.moment(Place::default()), writer: Some(writer.clone()) });
    }
    output.note(event.choice, &event.what);
    writer.write(event, output.hold.way(&mut batch.bytes));
    behind(&peek, ended, seen, output, &mut batch.bytes)
}

fn peek_of(what: &Event) -> Peek {
    Peek {
        content: what.is_content(),
        tool: matches!(what, Event::ToolCall(_)),
        reasoning: matches!(what, Event::Reasoning { .. }),
        signed: matches!(what, Event::Reasoning { opaque: Some(_), .. }),
        ..Peek::default()
    }
}

fn behind(
    peek: &Peek,
    ended: Option<FinishReason>,
    seen: &mut Seen,
    output: &mut Output,
    out: &mut BytesMut,
) -> Result<(), Failure> {
    if !output.hold.is_holding() {
        return Ok(());
    }
    // An end that belongs to something invalid is none.
    output.hold.behind(peek, ended, out).inspect_err(|_| seen.finish = None)?;
    if output.hold.was_too_large() {
        output.fix();
    }
    Ok(())
}

/// What a watching decoder says about a stream that is read without it. `finishes`: its word on the end counts.
pub(super) fn watch(
    events: Result<Vec<StreamEvent>, PluginFault>,
    finishes: bool,
    seen: &mut Seen,
) -> Result<(), Failure> {
    for event in events.map_err(broken_decoder)? {
        match event.what {
            Event::Failed(failure) => return Err(failure),
            Event::Finish(finish) if finishes => seen.ended(event.choice, finish.reason),
            Event::Usage(usage) => seen.usage = Some(usage),
            _ => {}
        }
    }
    Ok(())
}
