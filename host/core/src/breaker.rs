//! The breaker: whether a target is healthy enough to be called.
//!
//! A pure state machine behind one short lock; time and chance are arguments. Every change of state makes a new
//! *generation*, and a call may only vote on the generation that admitted it: answers of language models take up to
//! minutes, so results of calls from before a change are the normal case, and letting them vote is how breakers close
//! on a dead upstream or reopen on a healed one.
//!
//! | state | event | next |
//! |---|---|---|
//! | CLOSED | third counted failure in a run, not all of one request; or half of at least twenty calls in 30 s | OPEN |
//! | OPEN | call before the time is over | refused, with the time |
//! | OPEN | call after it | HALF-OPEN, the call is the probe |
//! | OPEN, HALF-OPEN | last-resort call of a request that has nobody else | admitted |
//! | OPEN | last-resort call brings content | HALF-OPEN with one good probe |
//! | HALF-OPEN | call while no probe is under way | admitted as the probe, under a lease |
//! | HALF-OPEN | call while one is | refused |
//! | HALF-OPEN | probe's first content | slot free; the third good probe: CLOSED, traffic ramps up |
//! | HALF-OPEN | probe fails, breaks later, or outlives its lease | OPEN for longer |
//! | HALF-OPEN | probe is dropped, or ends in a way that says nothing about health | slot free |
//! | any | vote of another generation | ignored |
//! | FORCED-CLOSED | what would have opened | FORCED-CLOSED, told and counted |
//! | any | forced open, forced closed (with expiry), reset | FORCED-OPEN, FORCED-CLOSED, CLOSED |
//! | FORCED-OPEN | expiry or release | HALF-OPEN |
//! | FORCED-CLOSED | expiry or release | CLOSED, nothing counted yet |
//!
//! Two *runs* are kept, each opens at three: calls that failed before content (ended by any first content), and
//! streams that broke (ended by a stream that finished). One run alone would hide fast failures among slow streams, or
//! a target whose streams start well and always break. In the window a call counts once: the good start of a stream
//! that breaks is taken back. One request alone opens nothing: it may be asked again at once and once more in a second
//! round, and a request that fails everywhere must not close a target for everybody.
//!
//! Nothing here fails or waits; a refusal allocates nothing. Events are returned to the caller, who reports them after
//! the lock is gone.

mod machine;
#[cfg(test)]
mod tests;
pub(crate) mod window;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::note::Circuit;
use crate::random::Random;
use crate::request::RequestId;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use machine::Machine;

/// What an operator can set about breakers. The defaults are the design's.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Counted failures in a row that open.
    pub consecutive: u32,
    /// Share of bad calls in the window that opens, 0 to 1.
    pub failure_rate: f64,
    /// Calls in the window below which the rate says nothing.
    pub rate_minimum: u32,
    /// What the rate looks at.
    pub window: Duration,
    /// First open time; doubles with each opening.
    pub open_base: Duration,
    /// Where the doubling ends. Short, because a single probe is cheap and a long rest delays recovery.
    pub open_cap: Duration,
    /// How far a provider's retry hint may extend the open time.
    pub hint_cap: Duration,
    /// Good probes that close.
    pub probes: u32,
    /// How long traffic takes from a tenth to all after closing.
    pub ramp: Duration,
    /// Closed time that forgives one opening.
    pub forgive: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive: 3,
            failure_rate: 0.5,
            rate_minimum: 20,
            window: Duration::from_secs(30),
            open_base: Duration::from_secs(5),
            open_cap: Duration::from_secs(15),
            hint_cap: Duration::from_mins(5),
            probes: 3,
            ramp: Duration::from_secs(10),
            forgive: Duration::from_mins(1),
        }
    }
}

/// How an admitted call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As any other.
    Normal,
    /// It decides about a half-open target.
    Probe,
    /// The target rests and nobody else can serve.
    LastResort,
}

/// The right to vote, handed out with each admission. Whoever holds it gives it back exactly once.
#[derive(Debug)]
pub(crate) struct Ticket {
    generation: u64,
    admission: Admission,
    request: RequestId,
    started: bool,
    /// In which tick of the window its good start was counted.
    counted: Option<u64>,
}

impl Ticket {
    /// How the call was admitted.
    pub(crate) fn admission(&self) -> Admission {
        self.admission
    }

    /// Whether content has come.
    pub(crate) fn started(&self) -> bool {
        self.started
    }
}

/// How much a failure weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Counts in its run and in the window.
    Full,
    /// Counts in the window only: one odd request repeated three times must not close a target for everybody. A probe
    /// that ends so has still not proved health.
    Soft,
}

/// What watchers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// One change of state.
    Changed {
        /// Before.
        from: Circuit,
        /// After.
        to: Circuit,
        /// Why, low-cardinality.
        reason: &'static str,
        /// How long it stays open.
        open_for: Option<Duration>,
        /// The requests that caused it, oldest first, at most three.
        causes: Vec<RequestId>,
    },
    /// It would have opened now, were it not forced closed. Counting starts afresh.
    WouldOpen {
        /// Why, low-cardinality.
        reason: &'static str,
        /// The requests that would have caused it, oldest first, at most three.
        causes: Vec<RequestId>,
    },
}

/// The breaker as it is now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// State.
    pub(crate) circuit: Circuit,
    /// Counts changes.
    pub(crate) generation: u64,
    /// How often it opened.
    pub(crate) opens: u64,
    /// Until a call may pass; none when it may pass now.
    pub(crate) retry_in: Option<Duration>,
    /// The operator's words while forced.
    pub(crate) forced_reason: Option<Arc<str>>,
    /// Votes ignored because their generation was over.
    pub(crate) stale_votes: u64,
    /// Times it would have opened, had it not been forced closed.
    pub(crate) would_open: u64,
}

/// What can be said to a call without a look inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Every call passes; the generation it votes in.
    Free(u64),
    /// No call passes until then.
    Shut(Instant),
    /// It depends.
    Ask,
}

impl Door {
    /// In one word, so that it changes in one step: odd = the generation, even = nanoseconds after the epoch, 0 = ask.
    fn packed(self, epoch: Instant) -> u64 {
        match self {
            Self::Free(generation) => generation.saturating_mul(2) | 1,
            Self::Shut(until) => nanos(epoch, until).saturating_mul(2) & !1,
            Self::Ask => 0,
        }
    }
}

fn nanos(epoch: Instant, moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}

/// The breaker of one target.
#[derive(Debug)]
pub(crate) struct Breaker {
    epoch: Instant,
    /// A [`Door`]: while all calls pass or none does, asking costs one load, however many ask.
    door: AtomicU64,
    machine: Mutex<Machine>,
}

/// What an operation gave, and the events to report.
pub(crate) type Told<T> = (T, Vec<Event>);

impl Breaker {
    /// A closed breaker with nothing counted.
    pub(crate) fn new(settings: BreakerSettings, now: Instant, random: Arc<Random>) -> Self {
        let machine = Machine::new(settings, now, random);
        Self { epoch: now, door: AtomicU64::new(machine.door().packed(now)), machine: Mutex::new(machine) }
    }

    /// Admits or refuses one call; a refusal says when to come back. `lease` bounds a probe. `only_one_left`: the
    /// caller has no other candidate, so the ramp after closing does not refuse.
    pub(crate) fn try_acquire(
        &self,
        now: Instant,
        request: RequestId,
        lease: Duration,
        only_one_left: bool,
    ) -> Told<Result<Ticket, Duration>> {
        let door = self.door.load(Ordering::Acquire);
        if door & 1 == 1 {
            let (generation, admission) = (door >> 1, Admission::Normal);
            return (
                Ok(Ticket { generation, admission, request, started: false, counted: None }),
                Vec::new(),
            );
        }
        let shut = (door >> 1).saturating_sub(nanos(self.epoch, now));
        if shut != 0 {
            return (Err(Duration::from_nanos(shut)), Vec::new());
        }
        self.with(|machine| machine.acquire(now, request, lease, only_one_left))
    }

    /// Whether it is closed and every call passes. Costs one load, where [`Breaker::view`] takes the lock.
    pub(crate) fn is_free(&self) -> bool {
        self.door.load(Ordering::Acquire) & 1 == 1
    }

    /// Admits a call although the target rests, because nobody else can serve. Refused while forced open. How many such
    /// calls there may be is the caller's to say.
    pub(crate) fn last_resort(
        &self,
        now: Instant,
        request: RequestId,
        lease: Duration,
    ) -> Told<Option<Ticket>> {
        self.with(|machine| machine.last_resort(now, request, lease))
    }

    /// The call brought content. Says nothing when repeated.
    pub(crate) fn first_content(&self, now: Instant, ticket: &mut Ticket) -> Vec<Event> {
        self.with(|machine| machine.first_content(now, ticket)).1
    }

    /// The call is complete. One without a separate first content was a plain answer: it proves nothing about streams.
    pub(crate) fn finished(&self, now: Instant, ticket: Ticket) -> Vec<Event> {
        self.with(|machine| machine.finished(now, ticket)).1
    }

    /// The call failed in a way that counts.
    pub(crate) fn failed(
        &self,
        now: Instant,
        ticket: Ticket,
        weight: Weight,
        hint: Option<Duration>,
    ) -> Vec<Event> {
        self.with(|machine| machine.failed(now, ticket, weight, hint)).1
    }

    /// The call ended without saying anything about health.
    pub(crate) fn neutral(&self, now: Instant, ticket: Ticket) -> Vec<Event> {
        if ticket.admission == Admission::Normal {
            return Vec::new();
        }
        self.with(|machine| machine.neutral(now, &ticket)).1
    }

    /// Held open for `ttl`, at most a day.
    pub(crate) fn force_open(&self, now: Instant, ttl: Duration, reason: &str) -> Vec<Event> {
        self.with(|machine| machine.force(now, Circuit::ForcedOpen, ttl, reason)).1
    }

    /// Held closed for `ttl`, at most a day.
    pub(crate) fn force_closed(&self, now: Instant, ttl: Duration, reason: &str) -> Vec<Event> {
        self.with(|machine| machine.force(now, Circuit::ForcedClosed, ttl, reason)).1
    }

    /// Ends a forced state early, as its expiry would.
    pub(crate) fn release(&self, now: Instant) -> Vec<Event> {
        self.with(|machine| machine.release(now)).1
    }

    /// Closed, everything forgotten.
    pub(crate) fn reset(&self, now: Instant) -> Vec<Event> {
        self.with(|machine| machine.reset(now)).1
    }

    /// The way to the target changed (new plugin, new settings): an open breaker may probe at once.
    pub(crate) fn may_probe_now(&self, now: Instant) -> Vec<Event> {
        self.with(|machine| machine.may_probe_now(now)).1
    }

    /// Other thresholds; state, generation and runs stay.
    pub(crate) fn set(&self, now: Instant, settings: BreakerSettings) -> Vec<Event> {
        self.with(|machine| machine.set(now, settings)).1
    }

    /// The breaker as it is; lapsed leases and forced states end here too.
    pub(crate) fn view(&self, now: Instant) -> Told<View> {
        self.with(|machine| machine.view(now))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> Told<T> {
        let mut machine = self.lock();
        let result = act(&mut machine);
        self.door.store(machine.door().packed(self.epoch), Ordering::Release);
        (result, machine.take_events())
    }

    /// The machine is valid after each step, so a lock poisoned by a foreign panic is still good.
    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
