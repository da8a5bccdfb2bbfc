//! One call of the walk, from the permit to what is said about it when it ends.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{Candidate, Walk};
use crate::attempt::{Attempt, Ended, attempt_limit};
use crate::budget::Leave;
use crate::class::{Class, Failure};
use crate::event::Usage;
use crate::reading::Reading;
use crate::record::Purpose;
use crate::rule::NextTarget;
use crate::targets::Permit;
use crate::trace::Leg;

/// A call under way. Dropping it gives the call up and says nothing about its target.
pub(super) struct Flight {
    /// Which candidate.
    pub(super) index: usize,
    pub(super) permit: Permit,
    /// Its place in the budgets.
    pub(super) _leave: Leave,
    /// 1 for the request's first.
    pub(super) number: u32,
    pub(super) began: Instant,
    /// It carries a translation of the client's body.
    pub(super) translated: bool,
}

/// What the client gets.
pub(super) enum Won {
    /// A whole plain answer.
    Whole { index: usize, translated: bool, body: Bytes, usage: Option<Usage> },
    /// A stream at its commit point.
    Begun { flight: Flight, first: BytesMut, reading: Box<Reading> },
}

impl Won {
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Whole { index, .. } => *index,
            Self::Begun { flight, .. } => flight.index,
        }
    }

    pub(super) fn translated(&self) -> bool {
        match self {
            Self::Whole { translated, .. } => *translated,
            Self::Begun { flight, .. } => flight.translated,
        }
    }
}

impl Walk {
    /// Prepares a call, with the request in a protocol that the candidate takes.
    pub(super) fn take_off(
        &mut self,
        index: usize,
        candidate: &Candidate,
        mut permit: Permit,
        leave: Leave,
        purpose: Purpose,
        last: bool,
    ) -> (Flight, Result<Attempt, Failure>) {
        if let Some(turn) = self.turns.get_mut(index) {
            turn.asked = true;
            turn.called = true;
        }
        let began = self.case.engine.clock.now();
        if self.candidates.iter().any(|other| other.rank < candidate.rank && other.is_off()) {
            self.ledger.passed_over();
        }
        let injection = self.case.engine.chaos.injection();
        let number = self.ledger.attempt(candidate, purpose, permit.is_probe(), injection.clone());
        let lesson = self.case.lesson(&mut permit);
        let body = self.case.body(&mut self.bodies, candidate);
        let translated = body.as_ref().is_ok_and(|body| body.protocol() != self.case.request.body.protocol());
        let attempt = body.map(|body| Attempt {
            case: self.case.clone(),
            candidate: candidate.clone(),
            body,
            leg: Leg::Attempt(number),
            until: attempt_limit(began, self.content_by, self.case.patience(candidate), last),
            joint: None,
            injection,
            lesson,
        });
        (Flight { index, permit, _leave: leave, number, began, translated }, attempt)
    }

    /// Books how a call ended: what was won, or why not.
    pub(super) fn land(&mut self, flight: Flight, ended: Ended) -> Result<Won, Failure> {
        let candidates = Arc::clone(&self.candidates);
        let Some(candidate) = candidates.get(flight.index) else {
            return Err(Failure::new(Class::ServerError, "no such candidate"));
        };
        let Flight { index, mut permit, _leave, number, began, translated } = flight;
        let prompt = self.case.request.facts.input_tokens_estimate;
        let failure = match ended {
            Ended::Answer { body, usage } => {
                permit.finished();
                candidate.state.fitted(prompt);
                return Ok(Won::Whole { index, translated, body, usage });
            }
            Ended::Stream { first, reading } => {
                permit.first_content(self.case.engine.clock.now().saturating_duration_since(began));
                candidate.state.fitted(prompt);
                let flight = Flight { index, permit, _leave, number, began, translated };
                return Ok(Won::Begun { flight, first, reading });
            }
            Ended::Empty(answer) => {
                self.spare.get_or_insert((index, translated, answer));
                Failure::new(Class::EmptyAnswer, "the provider gave an empty answer")
            }
            Ended::Failed(failure) => failure,
        };
        if failure.class == Class::ContextLength {
            candidate.state.learn_context_window(prompt);
        }
        permit.failed(&failure);
        self.ledger.attempt_failed(candidate.target(), number, &failure, began);
        let rule = failure.class.rule();
        if rule.next_target != NextTarget::Yes {
            self.barred.push((rule.next_target, candidate.capabilities.clone()));
        }
        if let Some(turn) = self.turns.get_mut(index) {
            turn.out = !rule.may_pass();
        }
        self.failures.push((candidate.target().clone(), failure.clone()));
        Err(failure)
    }
}
