//! One batch: what happened since the one before, as a message of the stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use seawall_core::note::Note;
use seawall_core::random::mix;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::event::{self, Object, Teller};

/// Events a second that are shown whatever happens. Beyond that, routine ones are shown of some requests only.
const SHOWN_PER_S: f64 = 2_000.0;

/// A message for all watchers.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of its first event.
    pub(super) first: u64,
    /// Of its last one; of an empty batch, of the last one before it.
    pub(super) last: u64,
    pub(super) events: usize,
    /// As it is sent.
    pub(super) message: Bytes,
}

/// A batch that is being filled.
#[derive(Debug)]
pub(super) struct Draft {
    room: usize,
    notes: Vec<(SystemTime, Note)>,
    routine: usize,
    lost: u64,
}

/// `data` of a `snapshot`: the whole, as it was behind an event.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSnapshot)]
pub(crate) struct Snapshot<'a, S: ?Sized> {
    /// Of what this is written in.
    pub(super) v: u32,
    pub(super) seq: u64,
    pub(super) state: &'a S,
}

/// `data` of a `gap`: a snapshot follows.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveGap)]
pub(crate) struct Gap {
    pub(super) missed_batches: u64,
}

/// `data` of a `batch`.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveBatch)]
pub(crate) struct Told<'a, A: ?Sized> {
    /// Of its last event.
    seq: u64,
    /// Each with `seq`, `at_ms`, `event` and the fields of its log line.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Box<RawValue>>,
    /// Of routine events, how many there were and how many are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampled: Option<Sampled>,
    /// Events lost to a full queue since the batch before.
    dropped: u64,
    /// Exact, whatever was left out of the events.
    agg: &'a A,
}

/// Of routine events, how many there were and how many are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LiveSampled)]
struct Sampled {
    routine: usize,
    shown: usize,
}

impl Draft {
    /// For what happened in this time; the first one has none behind it.
    pub(super) fn new(time: Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let room = (SHOWN_PER_S * time.max(super::BEAT).as_secs_f64()).round() as usize;
        Self { room, notes: Vec::new(), routine: 0, lost: 0 }
    }

    pub(super) fn take(&mut self, at: SystemTime, note: Note) {
        self.routine += usize::from(event::is_routine(&note));
        self.notes.push((at, note));
    }

    pub(super) fn lost(&mut self, count: u64) {
        self.lost += count;
    }

    pub(super) fn len(&self) -> usize {
        self.notes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.lost == 0
    }

    /// Whether anything here changes what is known of a target's health.
    pub(super) fn is_about_targets(&self) -> bool {
        self.notes
            .iter()
            .any(|(_, note)| matches!(note, Note::CircuitChanged { .. } | Note::GateClosed { .. }))
    }

    /// The message, with its events numbered from `next` on.
    pub(super) fn write(mut self, next: u64, boot: u32, sums: &RawValue) -> Batch {
        let sampled = self.sample();
        let mut seq = next;
        let mut events = Vec::with_capacity(self.notes.len());
        for (at, note) in &self.notes {
            if let Some(told) = told(seq, *at, note) {
                events.push(told);
                seq += 1;
            }
        }
        let last = seq.saturating_sub(1);
        let count = events.len();
        let body = Told { seq: last, events, sampled, dropped: self.lost, agg: sums };
        let message = message("batch", boot, last, &body);
        Batch { first: next, last, events: count, message }
    }

    /// Leaves some routine requests out, where there are too many events: all of a request's or none, so that whoever
    /// is shown is shown whole. A smaller share is part of a larger one, so this holds across batches, too.
    fn sample(&mut self) -> Option<Sampled> {
        let room = self.room.saturating_sub(self.notes.len() - self.routine);
        if self.routine <= room {
            return None;
        }
        let share = room as f64 / self.routine as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^32")]
        let limit = (share * f64::from(u32::MAX)) as u64;
        let mut shown = 0;
        self.notes.retain(|(_, note)| {
            if !event::is_routine(note) {
                return true;
            }
            let stays = note.request().is_none_or(|id| mix(id.0) >> 32 < limit);
            shown += usize::from(stays);
            stays
        });
        Some(Sampled { routine: self.routine, shown })
    }
}

fn told(seq: u64, at: SystemTime, note: &Note) -> Option<Box<RawValue>> {
    let mut object = Object::new();
    object.value("seq", &seq);
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    object.value("at_ms", &u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
    event::tell(note, &mut Teller::Json(&mut object));
    let text = String::from_utf8(object.finish()).ok()?;
    RawValue::from_string(text).ok()
}

/// One message of a stream of server-sent events. JSON holds no line end of its own.
pub(super) fn message(event: &str, boot: u32, seq: u64, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("id: {boot:08x}-{seq}\nevent: {event}\ndata: {data}\n\n").into()
}
