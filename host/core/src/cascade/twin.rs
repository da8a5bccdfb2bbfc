//! Twins: hidden copies of a request that another target serves, so that no client waits while a target proves itself.
//!
//! A breaker whose open time is over gets its probe as a twin (unless the alias says `probe = "request"`). A target that
//! is passed over although it is better ranked gets one now and then, so that what is believed of it stays true; those
//! cost a token of the alias' twin bucket. A twin starts when the client has its answer begun elsewhere, runs to its
//! first content (a plain one to its answer) and is cancelled. Twins are attempts for the process' ceiling, but not the
//! request's: they have notes of their own, and no client reads of them in its headers.

use std::sync::Arc;
use std::time::Duration;

use super::bodies::Bodies;
use super::{Candidate, Case, Walk};
use crate::attempt::{Attempt, Ended};
use crate::class::{Class, Failure};
use crate::note::Note;
use crate::ports::Call;
use crate::record::{End, Injection, Purpose, Twin};
use crate::settings::Probe;
use crate::targets::{Lesson, Permit, TwinReason};
use crate::trace::Leg;

impl Walk {
    /// The client is served by this candidate: the others that need a call get one.
    pub(super) fn send_twins(&self, served: usize) {
        if self.candidates.len() < 2 || self.case.request.facts.side_effects {
            return;
        }
        let Some(serves) = self.candidates.get(served) else { return };
        let wish = |candidate: &Candidate| self.case.alias.targets.get(candidate.wish);
        for (index, candidate) in self.candidates.iter().enumerate() {
            let called = self.turns.get(index).is_none_or(|turn| turn.called);
            if called || !self.may_follow(index) {
                continue;
            }
            // Equals get their share of the traffic; nobody passes them over.
            let equals = wish(serves).zip(wish(candidate)).is_some_and(|(serves, wish)| serves.equals(wish));
            self.twin_if_needed(index, candidate, candidate.rank < serves.rank && !equals);
        }
    }

    fn twin_if_needed(&self, index: usize, candidate: &Candidate, better: bool) {
        let probes = candidate.is_off() && self.case.alias.probe == Probe::Twin;
        let samples = better && !candidate.is_off() && self.case.is_cheap_enough_to_repeat();
        if !probes && !samples {
            return;
        }
        let ask = self.case.ask(candidate, false);
        // Nobody needs to know how fast a target is that is ranked lower than the one that serves.
        let state = &candidate.state;
        let twin = if better {
            state.try_twin(&ask)
        } else {
            state.try_probe(&ask).map(|permit| (permit, TwinReason::Probe))
        };
        let Some((permit, reason)) = twin else { return };
        let probe = reason == TwinReason::Probe;
        // Nobody closes a breaker but its probes, and there is one at a time: they need no other bound.
        let paid = probe || self.purse.as_ref().is_some_and(|purse| purse.take_twin());
        if !paid || !self.case.engine.budget.twin(probe) {
            return;
        }
        let case = self.case.for_twin(candidate);
        // One twin a candidate: its place tells it apart.
        let leg = Leg::Twin(u32::try_from(index).unwrap_or(u32::MAX));
        self.case.engine.background.run("twin", Call::of(run(case, candidate.clone(), permit, reason, leg)));
    }
}

impl Case {
    /// The client's deadline is not the twin's.
    fn for_twin(&self, candidate: &Candidate) -> Self {
        /// Its own limit strikes first.
        const MARGIN: Duration = Duration::from_secs(1);
        let deadline = self.engine.clock.now() + self.patience(candidate) + MARGIN;
        Self { deadline, ..self.clone() }
    }
}

async fn run(case: Case, candidate: Candidate, mut permit: Permit, reason: TwinReason, leg: Leg) {
    let started = case.engine.clock.wall();
    let began = case.engine.clock.now();
    let (id, target) = (case.request.id, candidate.target().clone());
    let observer = case.engine.observer.clone();
    let injection = case.engine.chaos.injection();
    let purpose = Purpose::Twin(reason.label());
    let mut attempted = candidate.attempted(purpose, permit.is_probe(), Duration::ZERO, injection.clone());
    observer.note(Note::TwinStarted { id, target, reason: reason.label() });
    let lesson = case.lesson(&mut permit);
    let ended = call(case.clone(), &candidate, leg, injection, lesson).await;
    let after = case.engine.clock.now().saturating_duration_since(began);
    let end = match ended {
        Ended::Stream { .. } => {
            permit.first_content(after);
            End::Answered
        }
        Ended::Answer { .. } => {
            permit.finished();
            End::Answered
        }
        Ended::Empty(_) => {
            let failure = Failure::new(Class::EmptyAnswer, "the provider gave an empty answer");
            permit.failed(&failure);
            End::from(&failure)
        }
        Ended::Failed(failure) => {
            permit.failed(&failure);
            End::from(&failure)
        }
    };
    attempted.first_content = (end == End::Answered).then_some(after);
    attempted.ends(end, after);
    let request = &case.request;
    let twin = Twin {
        call: attempted,
        started,
        leg,
        protocol: request.protocol,
        stream: request.facts.stream,
        trace: request.trace.clone(),
    };
    observer.note(Note::TwinEnded { id, twin: Arc::new(twin) });
}

async fn call(
    case: Case,
    candidate: &Candidate,
    leg: Leg,
    injection: Option<Injection>,
    lesson: Option<Arc<Lesson>>,
) -> Ended {
    let mut bodies = Bodies::new(case.request.body.clone());
    let body = match case.body(&mut bodies, candidate) {
        Ok(body) => body,
        Err(failure) => return Ended::Failed(failure),
    };
    let until = case.engine.clock.now() + case.patience(candidate);
    // Its first and only call.
    let attempt =
        Attempt { case, candidate: candidate.clone(), body, leg, until, joint: None, injection, lesson };
    attempt.run().await
}
