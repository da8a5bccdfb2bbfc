//! Hedges: a call that is late is doubled on another target, and the client gets whichever has content first. Only before
//! the commit point, so that the client never sees two answers; never where a second call would do something twice.
//!
//! A call is late when 95 of 100 calls to its target would have come. Doubles of healthy targets cost a token of the
//! alias' bucket (a twentieth of its traffic). Where the target is suspect, because many of its calls are late at once,
//! the double is a *rescue*: failover ahead of the failure, and free.
//!
//! The race is two futures in the walk: the loser is dropped in the very step in which the winner has content. What it
//! says about its target is what every given-up call says: nothing, but that it took longer than this.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, timeout_at};

use super::flight::{Flight, Won};
use super::limits::ENOUGH_SAMPLES;
use super::{Candidate, Case, Walk};
use crate::attempt::{Attempt, Ended};
use crate::budget::AttemptKind;
use crate::class::{Class, Failure};
use crate::note::{HedgeEnd, Note};
use crate::outlook::CallKind;
use crate::record::Purpose;

/// No call is late earlier: below this a double costs more than it saves.
const SOONEST: Duration = Duration::from_millis(300);
/// A streamed call is late after this at the latest.
const LATEST: Duration = Duration::from_secs(6);
/// Prompts larger than this are not sent twice.
const LARGEST_PROMPT_TOKENS: u32 = 32_768;

/// Nobody won.
pub(super) struct Miss {
    pub(super) class: Class,
    pub(super) retry_after: Option<Duration>,
    /// No other call ran beside it.
    pub(super) alone: bool,
}

impl Miss {
    fn new(failure: &Failure, alone: bool) -> Self {
        Self { class: failure.class, retry_after: failure.retry_after, alone }
    }
}

/// When to look after a call.
struct Watch {
    at: Instant,
    /// Between two looks, as long as no double may be made.
    pause: Duration,
}

/// A double under way.
struct Double {
    flight: Flight,
    call: Pin<Box<dyn Future<Output = Ended> + Send>>,
}

impl Walk {
    /// Makes a call, and while it is late another one beside it.
    pub(super) async fn race(
        &mut self,
        flight: Flight,
        attempt: Result<Attempt, Failure>,
    ) -> Result<Won, Miss> {
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(failure) => return self.landed(flight, Ended::Failed(failure), true),
        };
        let watch = self.watch(&flight, &attempt);
        let mut call = pin!(attempt.run());
        let Some(mut watch) = watch else {
            let ended = call.await;
            return self.landed(flight, ended, true);
        };
        let double = loop {
            if let Ok(ended) = timeout_at(watch.at, call.as_mut()).await {
                return self.landed(flight, ended, true);
            }
            match self.double(flight.index, flight.began) {
                Some(double) => break double,
                None if self.has_double(flight.index) => watch.at += watch.pause,
                None => {
                    let ended = call.await;
                    return self.landed(flight, ended, true);
                }
            }
        };
        let Double { flight: second, call: other } = double;
        // Boxed, so that the many calls without a double do not carry its room.
        match select(call, other).await {
            Either::Left((ended, other)) => Box::pin(self.first_ended(flight, ended, second, other)).await,
            Either::Right((ended, call)) => Box::pin(self.double_ended(second, ended, flight, call)).await,
        }
    }

    /// The late call ended before its double did.
    async fn first_ended(
        &mut self,
        flight: Flight,
        ended: Ended,
        second: Flight,
        other: Pin<Box<dyn Future<Output = Ended> + Send>>,
    ) -> Result<Won, Miss> {
        let failure = match self.land(flight, ended) {
            Ok(won) => {
                self.tell_double(&second, HedgeEnd::Lost);
                return Ok(won);
            }
            Err(failure) => failure,
        };
        // A verdict on the request counts for its double too.
        if !self.may_follow(second.index) {
            self.tell_double(&second, HedgeEnd::Lost);
            return Err(Miss::new(&failure, false));
        }
        let ended = other.await;
        self.double_landed(second, ended)
    }

    /// The double ended before the late call did.
    async fn double_ended(
        &mut self,
        second: Flight,
        ended: Ended,
        flight: Flight,
        call: impl Future<Output = Ended>,
    ) -> Result<Won, Miss> {
        match self.double_landed(second, ended) {
            Ok(won) => {
                drop(flight);
                Ok(won)
            }
            Err(_) => {
                let ended = call.await;
                self.landed(flight, ended, false)
            }
        }
    }

    fn landed(&mut self, flight: Flight, ended: Ended, alone: bool) -> Result<Won, Miss> {
        self.land(flight, ended).map_err(|failure| Miss::new(&failure, alone))
    }

    fn double_landed(&mut self, second: Flight, ended: Ended) -> Result<Won, Miss> {
        let index = second.index;
        let landed = self.landed(second, ended, false);
        let end = if landed.is_ok() { HedgeEnd::Won } else { HedgeEnd::Failed };
        self.tell_end(index, end);
        landed
    }

    /// When to double this call, if it may be doubled at all. Costs nothing but a few comparisons otherwise: no timer is
    /// armed for a target of which too little is known, or where nobody else could be called.
    fn watch(&self, flight: &Flight, attempt: &Attempt) -> Option<Watch> {
        if !self.case.may_double() || !self.has_double(flight.index) {
            return None;
        }
        let delay = self.case.late_after(self.candidates.get(flight.index)?)?;
        let at = flight.began + delay;
        (at < attempt.until).then_some(Watch { at, pause: delay.max(SOONEST) / 2 })
    }

    /// Whether somebody could be called beside this candidate.
    fn has_double(&self, late: usize) -> bool {
        (0..self.candidates.len()).any(|index| self.is_double(late, index))
    }

    /// Not called in this round, not likely to fail for the same reason. Who was refused a moment ago may be asked again:
    /// a pace or a limit leaves room for one call more long before a late call is given up.
    fn is_double(&self, late: usize, index: usize) -> bool {
        let targets = &self.case.alias.targets;
        let wish =
            |index: usize| self.candidates.get(index).and_then(|candidate| targets.get(candidate.wish));
        match (wish(late), wish(index)) {
            (Some(late), Some(other)) => {
                !late.shares_domain(other) && self.may_be_double(index) && self.may_follow(index)
            }
            _ => false,
        }
    }

    fn may_be_double(&self, index: usize) -> bool {
        self.turns.get(index).is_some_and(|turn| !turn.out && (!turn.asked || !turn.called))
    }

    /// Starts a call beside a late one, if budgets, gates and breakers allow one.
    fn double(&mut self, late: usize, began: Instant) -> Option<Double> {
        let kind = self.case.kind();
        let rescue = self.candidates.get(late)?.state.forecast(kind).suspect;
        let purse = self.purse.clone()?;
        if !rescue && !purse.may_hedge() {
            return None;
        }
        for index in 0..self.candidates.len() {
            let Some(candidate) = self.candidates.get(index).filter(|_| self.is_double(late, index)) else {
                continue;
            };
            if candidate.wants_probe() || candidate.state.forecast(kind).suspect {
                continue;
            }
            let candidate = candidate.clone();
            let Ok(permit) = candidate.state.try_acquire(&self.case.ask(&candidate, false)) else { continue };
            let called = self.turns.get(index).is_some_and(|turn| turn.called);
            let attempt_kind = match (called, rescue) {
                (true, _) => AttemptKind::Again,
                (false, true) => AttemptKind::First,
                (false, false) => AttemptKind::Hedge,
            };
            let leave = self.budget.attempt(attempt_kind).ok()?;
            if !rescue && !purse.take_hedge() {
                return None;
            }
            self.tell_start(late, &candidate, rescue, began);
            // Whoever may still be asked keeps a share of the time: both calls may be silent.
            let last = !(0..self.candidates.len())
                .any(|other| other != index && self.is_open(other) && self.may_follow(other));
            let purpose = if rescue { Purpose::Rescue } else { Purpose::Hedge };
            let (flight, attempt) = self.take_off(index, &candidate, permit, leave, purpose, last);
            return match attempt {
                Ok(attempt) => Some(Double { flight, call: Box::pin(async move { attempt.run().await }) }),
                Err(failure) => {
                    let _failed = self.double_landed(flight, Ended::Failed(failure));
                    None
                }
            };
        }
        None
    }

    fn tell_start(&self, late: usize, candidate: &Candidate, rescue: bool, began: Instant) {
        let Some(late) = self.candidates.get(late) else { return };
        let engine = &self.case.engine;
        engine.observer.note(Note::HedgeStarted {
            id: self.case.request.id,
            target: candidate.target().clone(),
            late: late.target().clone(),
            rescue,
            after: engine.clock.now().saturating_duration_since(began),
        });
    }

    fn tell_double(&self, double: &Flight, end: HedgeEnd) {
        self.tell_end(double.index, end);
    }

    /// Whoever is cancelled has been paid for its prompt.
    fn tell_end(&self, double: usize, end: HedgeEnd) {
        let Some(double) = self.candidates.get(double) else { return };
        let cancelled = matches!(end, HedgeEnd::Won | HedgeEnd::Lost);
        self.case.engine.observer.note(Note::HedgeEnded {
            id: self.case.request.id,
            target: double.target().clone(),
            end,
            wasted_tokens: if cancelled { self.case.request.facts.input_tokens_estimate } else { 0 },
        });
    }
}

impl Case {
    /// Whether a call of this request may have another one beside it.
    fn may_double(&self) -> bool {
        self.alias.hedge && !self.request.facts.side_effects && self.is_cheap_enough_to_repeat()
    }

    /// Whether its prompt may be paid for twice.
    pub(super) fn is_cheap_enough_to_repeat(&self) -> bool {
        self.request.facts.input_tokens_estimate <= LARGEST_PROMPT_TOKENS
    }

    /// How long a call to this candidate has to wait to be late; none while too little is known. What counts as slow is a
    /// bound for first tokens only: a long answer is no late one.
    fn late_after(&self, candidate: &Candidate) -> Option<Duration> {
        let forecast = &candidate.forecast;
        if forecast.samples < ENOUGH_SAMPLES {
            return None;
        }
        let usual = self.predicted(forecast.p95_s);
        Some(match self.kind() {
            CallKind::Streamed => {
                let slow = self.alias.slo.first_token.mul_f64(self.size().get());
                usual.min(slow).clamp(SOONEST, LATEST)
            }
            CallKind::Plain => usual.max(SOONEST),
        })
    }
}
