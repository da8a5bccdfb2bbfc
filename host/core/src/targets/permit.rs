//! The right to make one call, and the only way to say how it went.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::lesson::Lesson;
use super::{Ask, TargetState};
use crate::breaker::{Admission, Ticket, Weight};
use crate::class::{Class, Failure, Side};
use crate::gate::{CREDENTIAL_PAUSE, MISSING_MODEL_PAUSE, RATE_HINT_CAP};
use crate::note::{Gate, Note};
use crate::outlook::{CallKind, Evidence, Gaps, Place};
use crate::request::RequestId;
use crate::rule::{GateAction, Vote};
use crate::target::TargetId;

/// What a caller adds to the first-token time to get a lease.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
/// A fourth of the first-token time is enough to blame silence on the target.
const PATIENT_PART: u32 = 4;

/// One admitted call. Ends in [`Permit::finished`], [`Permit::failed`] or by being dropped, which says nothing about
/// the target: the client left, or another target was first.
#[derive(Debug)]
#[must_use = "dropping a permit gives the call up"]
pub struct Permit {
    state: Arc<TargetState>,
    /// Taken when the vote is cast.
    ticket: Option<Ticket>,
    request: RequestId,
    admitted: Instant,
    lease: Duration,
    holds_last_resort: bool,
    kind: CallKind,
    /// Taken when the call no longer waits.
    place: Option<Place>,
    /// Made with the first pause: most calls have none, and a permit is moved often.
    gaps: Option<Box<Gaps>>,
    /// Only while faults are armed; holds the place then.
    lesson: Option<Arc<Lesson>>,
}

impl Permit {
    pub(super) fn new(
        state: Arc<TargetState>,
        ticket: Ticket,
        ask: &Ask,
        admitted: Instant,
        place: Place,
    ) -> Self {
        let holds_last_resort = ticket.admission() == Admission::LastResort;
        let Ask { request, lease, kind, .. } = *ask;
        Self {
            state,
            ticket: Some(ticket),
            request,
            admitted,
            lease,
            holds_last_resort,
            kind,
            place: Some(place),
            gaps: None,
            lesson: None,
        }
    }

    /// The target called.
    pub fn target(&self) -> &TargetId {
        self.state.id()
    }

    /// Whether this call decides about a half-open target.
    pub fn is_probe(&self) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| ticket.admission() == Admission::Probe)
    }

    /// A handle for whoever may inject a fault into this call.
    pub fn lesson(&mut self) -> Arc<Lesson> {
        let (state, kind, place) = (&self.state, self.kind, &mut self.place);
        let lesson =
            self.lesson.get_or_insert_with(|| Arc::new(Lesson::new(Arc::clone(state), kind, place.take())));
        Arc::clone(lesson)
    }

    fn teaches(&self) -> bool {
        self.lesson.as_ref().is_none_or(|lesson| lesson.teaches())
    }

    fn take_place(&mut self) -> Option<Place> {
        match &self.lesson {
            Some(lesson) => lesson.take_place(),
            None => self.place.take(),
        }
    }

    /// A stream was silent for this long between two pieces of content.
    pub fn paused(&mut self, gap: Duration) {
        self.gaps.get_or_insert_default().push(gap);
    }

    /// Content, reasoning or a tool call came `after` the call's start: the start is good, a probe's lease ends. For
    /// streams; a plain answer only finishes, for its time is another thing than a first token's.
    pub fn first_content(&mut self, after: Duration) {
        let now = self.state.outside.clock.now();
        let teaches = self.teaches();
        if let Some(ticket) = &mut self.ticket
            && !ticket.started()
        {
            if teaches {
                self.state.history().first_token(after);
            }
            self.state.announce(self.state.breaker.first_content(now, ticket));
            self.state.rate.succeeded();
            self.state.provider.rate.succeeded();
            self.came(now, after);
        }
        self.release_last_resort();
    }

    /// The answer is complete.
    pub fn finished(mut self) {
        let now = self.state.outside.clock.now();
        if let Some(ticket) = self.ticket.take() {
            if self.teaches() {
                self.state.history().ended(true);
            }
            self.came(now, now.saturating_duration_since(self.admitted));
            self.state.announce(self.state.breaker.finished(now, ticket));
            self.state.rate.succeeded();
            self.state.provider.rate.succeeded();
        }
    }

    /// The call failed: breaker and gates hear what the class's rule says.
    pub fn failed(mut self, failure: &Failure) {
        let now = self.state.outside.clock.now();
        let storm = self.close_gate(now, failure);
        self.slow_down(now, failure);
        let Some(ticket) = self.ticket.take() else { return };
        let weight = match failure.class.rule().vote {
            Vote::Fail => Some(Weight::Full),
            Vote::Soft => Some(Weight::Soft),
            Vote::IfFairShare => self.waited(now, &ticket, 1).then_some(Weight::Full),
            Vote::IfPatient => self.waited(now, &ticket, PATIENT_PART).then_some(Weight::Full),
            // A rate-limited probe has proved nothing; the rate gate keeps the next one waiting.
            Vote::None => (storm && ticket.admission() == Admission::Normal).then_some(Weight::Full),
        };
        self.waited_in_vain(now, failure, weight.is_some());
        let changes = match weight {
            Some(weight) => {
                self.state.credit.failed(now);
                if self.teaches() {
                    self.state.history().ended(false);
                }
                self.state.breaker.failed(now, ticket, weight, failure.retry_after)
            }
            None => self.state.breaker.neutral(now, ticket),
        };
        self.state.announce(changes);
    }

    /// The call no longer waits: what it waited for came.
    fn came(&mut self, now: Instant, after: Duration) {
        if let Some(place) = self.take_place() {
            self.state.outlook(self.kind).end(place, now, Evidence::Took(after), Some(false));
            self.state.limit.succeeded(self.admitted);
            self.state.credit.answered(now);
        }
    }

    /// The call failed: before it came, or later.
    fn waited_in_vain(&mut self, now: Instant, failure: &Failure, counts: bool) {
        let place = self.take_place();
        let outlook = self.state.outlook(self.kind);
        match place {
            Some(place) => {
                let age = now.saturating_duration_since(self.admitted);
                let evidence = match failure.class {
                    Class::TimeoutConnect | Class::TimeoutFirstToken | Class::TimeoutTotal => {
                        Evidence::Outlasted(age)
                    }
                    _ => Evidence::Silent,
                };
                outlook.end(place, now, evidence, counts.then_some(true));
            }
            None if counts && self.teaches() => outlook.broke(now),
            None => {}
        }
    }

    /// What the failure says about how much the target takes.
    fn slow_down(&self, now: Instant, failure: &Failure) {
        let is_the_targets = matches!(failure.side, Side::Upstream | Side::Chaos);
        if !self.teaches() || !is_the_targets {
            return;
        }
        match failure.class {
            Class::RateLimited => {
                self.state.pace.limited(now, self.admitted);
                self.state.limit.overloaded(now, self.admitted);
            }
            Class::Overloaded => self.state.limit.overloaded(now, self.admitted),
            _ => {}
        }
    }

    /// No content although the call had this part of its first-token time.
    fn waited(&self, now: Instant, ticket: &Ticket, part: u32) -> bool {
        let share = self.lease.saturating_sub(LEASE_MARGIN) / part;
        !ticket.started() && now.saturating_duration_since(self.admitted) >= share
    }

    /// `true` when a storm of rate limits is to be counted as a failure.
    fn close_gate(&self, now: Instant, failure: &Failure) -> bool {
        let state = &self.state;
        let (newly, gate, for_time, storm) = match failure.class.rule().gate {
            GateAction::None | GateAction::LearnWindow => return false,
            GateAction::Rate => {
                let gate = state.rate(failure.scope);
                let limited = gate.limited(now, failure.retry_after, &state.outside.random);
                (limited.newly, Gate::Rate, gate.left(now).unwrap_or(RATE_HINT_CAP), limited.storm)
            }
            GateAction::Quota => {
                let (newly, time) = state.credential(failure.scope).use_up(now, failure.retry_after);
                (newly, Gate::Quota, time, false)
            }
            GateAction::Credential => {
                (state.credential(failure.scope).refuse(now), Gate::Credential, CREDENTIAL_PAUSE, false)
            }
            GateAction::MissingModel => (state.bench(now), Gate::MissingModel, MISSING_MODEL_PAUSE, false),
        };
        if newly {
            let target = state.id().clone();
            state.outside.observer.note(Note::GateClosed { target, gate, for_time, id: self.request });
        }
        storm
    }

    fn release_last_resort(&mut self) {
        if std::mem::take(&mut self.holds_last_resort) {
            self.state.credit.give_back();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(place) = self.take_place() {
            let now = self.state.outside.clock.now();
            let age = now.saturating_duration_since(self.admitted);
            self.state.outlook(self.kind).end(place, now, Evidence::Outlasted(age), None);
        }
        let teaches = self.teaches();
        if let Some(gaps) = self.gaps.take().filter(|_| teaches) {
            self.state.outlook(self.kind).paused(&gaps);
        }
        if let Some(ticket) = self.ticket.take() {
            if ticket.started() && self.teaches() {
                self.state.history().ended(true);
            }
            if ticket.admission() != Admission::Normal {
                let now = self.state.outside.clock.now();
                self.state.announce(self.state.breaker.neutral(now, ticket));
            }
        }
        self.release_last_resort();
        self.state.limit.leave();
    }
}
