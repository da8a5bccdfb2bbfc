//! What happens during an experiment, as the core's notes tell it. One short lock a note, and only while one runs; every
//! list has a bound.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::scenario::Scenario;
use crate::availability::{self, Availability};
use crate::note::{Circuit, Note, Outcome};
use crate::record::{Attempted, Record};
use crate::settings::Alias;
use crate::target::TargetId;

/// Points of the plot.
const BUCKETS: u32 = 120;
/// Times that a point's percentiles stand on.
const TIMES_CAP: usize = 256;
/// Targets that were hit and are remembered.
const HIT_CAP: usize = 1_024;
/// Moments of the timeline.
const MOMENTS_CAP: usize = 500;

/// What was heard.
pub(super) struct Watch {
    began: Instant,
    /// Of one point.
    width: Duration,
    name: Arc<str>,
    /// Whose clients are watched; all, if missing.
    alias: Option<Arc<str>>,
    /// Judges by everything that happens, injected or not.
    availability: Availability,
    book: Mutex<Book>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A point of the plot.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) primary: u64,
    pub(super) fallback: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) injected: u64,
    /// Milliseconds.
    pub(super) times: Vec<u32>,
    seen: usize,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentMoment)]
pub struct Moment {
    /// From the experiment's beginning.
    pub at_ms: u64,
    /// `armed`, `ended`, `circuit`, `gate`, `aborted`, `stopped`, `done`.
    pub what: Cow<'static, str>,
    /// In words.
    pub text: String,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) primary: u64,
    pub(super) fallback: u64,
    pub(super) failed: u64,
    pub(super) own_fault: u64,
    pub(super) cancelled: u64,
    pub(super) touched: u64,
    pub(super) touched_answered: u64,
    pub(super) harmed: u64,
    pub(super) attempts: u64,
    pub(super) asked: u64,
    pub(super) hedges: u64,
    pub(super) twins: u64,
    pub(super) splices: u64,
    pub(super) injected: u64,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) buckets: Vec<Bucket>,
    pub(super) sums: Sums,
    pub(super) moments: Vec<Moment>,
    pub(super) first_injection: Option<Instant>,
    pub(super) detected: Option<Instant>,
    pub(super) opened: Option<Instant>,
    /// Targets that were hit.
    hit: BTreeSet<TargetId>,
    /// Of those, the ones that are away.
    pub(super) away: BTreeSet<TargetId>,
    pub(super) last_return: Option<Instant>,
}

impl Watch {
    pub(super) fn new<'a>(
        scenario: &Scenario,
        name: Arc<str>,
        aliases: impl IntoIterator<Item = &'a Arc<Alias>>,
        now: Instant,
    ) -> Self {
        let availability = Availability::of_everything();
        availability.configure(aliases, now);
        let width = (scenario.lasts / BUCKETS).max(Duration::from_millis(50));
        let alias = scenario.alias.as_deref().map(Arc::from);
        Self { began: now, width, name, alias, availability, book: Mutex::default() }
    }

    /// Takes in what happened.
    pub(super) fn note(&self, note: &Note, now: Instant) {
        self.availability.note(note, now);
        match note {
            Note::FaultInjected { target, experiment: Some(experiment), .. }
                if **experiment == *self.name =>
            {
                let mut book = self.book();
                book.sums.injected += 1;
                book.at(self.place(now), |bucket| bucket.injected += 1);
                book.first_injection.get_or_insert(now);
                if book.hit.len() < HIT_CAP {
                    book.hit.insert(target.clone());
                }
            }
            Note::AttemptFailed { target, .. } => {
                let mut book = self.book();
                if book.hit.contains(target) {
                    book.detected.get_or_insert(now);
                }
            }
            Note::HedgeStarted { .. } => self.book().sums.hedges += 1,
            Note::TwinStarted { .. } => self.book().sums.twins += 1,
            Note::Spliced { .. } => self.book().sums.splices += 1,
            Note::CircuitChanged { target, from, to, reason, .. } => {
                self.circuit(target, (*from, *to), reason, now);
            }
            Note::GateClosed { target, gate, .. } => {
                self.tell("gate", format!("{target}: {}", gate.label()), now);
            }
            Note::RequestEnded(record)
                if self.alias.as_deref().is_none_or(|alias| *alias == *record.model) =>
            {
                let touched = self.is_touched(record);
                self.book().ended(record, touched, self.place(now));
            }
            _ => {}
        }
    }

    fn is_touched(&self, record: &Record) -> bool {
        let mut injected = record.attempts.iter().filter_map(Attempted::injected);
        injected.any(|injected| injected.experiment.as_deref().is_some_and(|name| *name == *self.name))
    }

    fn circuit(&self, target: &TargetId, (from, to): (Circuit, Circuit), reason: &str, now: Instant) {
        self.tell("circuit", format!("{target}: {} to {} ({reason})", from.label(), to.label()), now);
        let mut book = self.book();
        if !book.hit.contains(target) {
            return;
        }
        match to {
            Circuit::Open | Circuit::ForcedOpen => {
                book.opened.get_or_insert(now);
                book.away.insert(target.clone());
            }
            Circuit::Closed | Circuit::ForcedClosed => {
                if book.away.remove(target) {
                    book.last_return = Some(now);
                }
            }
            Circuit::HalfOpen => {}
        }
    }

    /// Adds a moment to the timeline.
    pub(super) fn tell(&self, what: &'static str, text: String, now: Instant) {
        let at_ms = self.ms(now);
        let moments = &mut self.book().moments;
        if moments.len() < MOMENTS_CAP {
            moments.push(Moment { at_ms, what: what.into(), text });
        }
    }

    /// Requests that ended within this time, and how many of them were answered.
    pub(super) fn lately(&self, window: Duration, now: Instant) -> (u64, u64) {
        let book = self.book();
        let (last, first) = (self.place(now), self.place(now.checked_sub(window).unwrap_or(self.began)));
        let recent = book.buckets.iter().take(last + 1).skip(first);
        recent.fold((0, 0), |(all, good), bucket| {
            let answered = bucket.primary + bucket.fallback;
            (all + answered + bucket.failed, good + answered)
        })
    }

    /// From the experiment's beginning, in ms.
    pub(super) fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    pub(super) fn width(&self) -> Duration {
        self.width
    }

    pub(super) fn availability(&self) -> &Availability {
        &self.availability
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, now: Instant) -> usize {
        let buckets = now.saturating_duration_since(self.began).as_nanos() / self.width.as_nanos().max(1);
        // What is late counts for the last point.
        usize::try_from(buckets).unwrap_or(usize::MAX).min(BUCKETS as usize)
    }
}

impl Book {
    fn at(&mut self, place: usize, count: impl FnOnce(&mut Bucket)) {
        if self.buckets.len() <= place {
            self.buckets.resize_with(place + 1, Bucket::default);
        }
        self.buckets.get_mut(place).map(count);
    }

    fn ended(&mut self, record: &Record, touched: bool, place: usize) {
        let (outcome, good) = (record.outcome, availability::seen(record.outcome, record.class));
        let attempts = record.attempts.len() as u64;
        self.sums.attempts += attempts;
        self.sums.asked += u64::from(attempts > 0);
        self.sums.touched += u64::from(touched);
        self.sums.touched_answered += u64::from(touched && good == Some(true));
        self.sums.harmed += u64::from(touched && good == Some(false));
        let sums = &mut self.sums;
        match (outcome, good) {
            (Outcome::Primary, _) => sums.primary += 1,
            (Outcome::Fallback, _) => sums.fallback += 1,
            (Outcome::Cancelled, _) => sums.cancelled += 1,
            (Outcome::Failed | Outcome::Interrupted, Some(false)) => sums.failed += 1,
            // The request would have failed everywhere.
            (Outcome::Failed | Outcome::Interrupted, _) => sums.own_fault += 1,
        }
        self.at(place, |bucket| {
            match (outcome, good) {
                (Outcome::Primary, _) => bucket.primary += 1,
                (Outcome::Fallback, _) => bucket.fallback += 1,
                (Outcome::Cancelled, _) => bucket.cancelled += 1,
                (Outcome::Failed | Outcome::Interrupted, Some(false)) => bucket.failed += 1,
                (Outcome::Failed | Outcome::Interrupted, _) => {}
            }
            if let Some(after) = record.committed {
                bucket.time(after);
            }
        });
    }
}

impl Bucket {
    /// The latest ones stand for all.
    fn time(&mut self, after: Duration) {
        let ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        let place = self.seen % TIMES_CAP;
        self.seen += 1;
        match self.times.get_mut(place) {
            Some(slot) => *slot = ms,
            None => self.times.push(ms),
        }
    }
}

/// The time that this share of them is within; none of none.
pub(super) fn percentile(times: &mut [u32], share: f64) -> Option<u32> {
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let place = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(place).copied()
}
