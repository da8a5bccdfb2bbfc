//! The ledger of one request: who was tried, how it ended, told to the observer exactly once, even when the client
//! leaves in the middle.

use std::sync::Arc;

use tokio::time::Instant;

use crate::class::{Class, Failure};
use crate::event::Usage;
use crate::note::{Gate, Note, Outcome, Tried, Verdict};
use crate::ports::{Clock, Observer};
use crate::reply::{Degraded, Trail};
use crate::request::{Request, RequestId};
use crate::splice::Splice;
use crate::target::TargetId;

/// Keeps one request's account.
pub(crate) struct Ledger {
    id: RequestId,
    model: String,
    started: Instant,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    attempts: u32,
    tried: Vec<Tried>,
    /// Of those, the ones that had their turn before this round.
    settled: usize,
    /// A better target than the next one could not be called.
    prompted: bool,
    answered_by: Option<(TargetId, Degraded)>,
    lost: Vec<&'static str>,
    spent: Option<Usage>,
    ended: bool,
}

impl Ledger {
    /// Opens the account and says so.
    pub(crate) fn open(request: &Request, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Self {
        observer.note(Note::RequestStarted {
            id: request.id,
            protocol: request.protocol,
            model: request.facts.model.clone(),
            stream: request.facts.stream,
        });
        Self {
            id: request.id,
            model: request.facts.model.clone(),
            started: clock.now(),
            clock,
            observer,
            attempts: 0,
            tried: Vec::new(),
            settled: 0,
            prompted: false,
            answered_by: None,
            lost: Vec::new(),
            spent: None,
            ended: false,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn skipped(&mut self, target: &TargetId, gate: Gate, retry_in: Option<std::time::Duration>) {
        self.prompted = true;
        self.observer.note(Note::Skipped { id: self.id, target: target.clone(), gate, retry_in });
    }

    /// A better target rests, and is passed over without being asked.
    pub(crate) fn passed_over(&mut self) {
        self.prompted = true;
    }

    /// Counts an attempt; its number from 1.
    pub(crate) fn attempt(&mut self, target: &TargetId, probe: bool) -> u32 {
        self.attempts += 1;
        match self.tried.iter().position(|tried| tried.target == *target) {
            // A retry at once belongs to the target's turn; what a later round brings is the cascade's merit.
            Some(turn) if turn >= self.settled && turn + 1 == self.tried.len() => {
                self.tried.last_mut().into_iter().for_each(|tried| tried.verdict = Verdict::Unknown);
            }
            Some(_) => {}
            None => self.tried.push(Tried {
                target: target.clone(),
                unprompted: !std::mem::replace(&mut self.prompted, true),
                verdict: Verdict::Unknown,
            }),
        }
        self.observer.note(Note::AttemptStarted {
            id: self.id,
            target: target.clone(),
            number: self.attempts,
            probe,
        });
        self.attempts
    }

    /// Upstream calls so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn attempt_failed(
        &mut self,
        target: &TargetId,
        number: u32,
        failure: &Failure,
        began: Instant,
    ) {
        self.judge(target, Verdict::Failed(failure.class));
        self.observer.note(Note::AttemptFailed {
            id: self.id,
            target: target.clone(),
            number,
            failure: failure.clone(),
            after: self.now().saturating_duration_since(began),
        });
    }

    /// From now on the client gets this target's answer.
    pub(crate) fn commit(&mut self, target: &TargetId, degraded: Degraded, lost: &[&'static str]) {
        self.answered_by = Some((target.clone(), degraded));
        self.lost = lost.to_vec();
        self.observer.note(Note::Committed {
            id: self.id,
            target: target.clone(),
            after: self.now().saturating_duration_since(self.started),
        });
    }

    /// Another target goes on in the answer that the client has had a part of.
    pub(crate) fn spliced(&mut self, splice: &Splice, degraded: Degraded) {
        self.answered_by = Some((splice.to.clone(), degraded));
        self.observer.note(Note::Spliced { id: self.id, splice: splice.clone() });
    }

    /// The answer is complete. `spent`: what all upstreams cost together, where more than one wrote it.
    pub(crate) fn streamed(&mut self, usage: Option<Usage>, spent: Option<Usage>) {
        self.spent = spent;
        self.answered(usage);
    }

    /// The answer is complete.
    pub(crate) fn answered(&mut self, usage: Option<Usage>) {
        let outcome = match &self.answered_by {
            Some((_, Degraded::None)) | None => Outcome::Primary,
            Some((_, Degraded::Fallback)) => Outcome::Fallback,
        };
        self.close(outcome, None, usage);
    }

    /// The request ended without a complete answer.
    pub(crate) fn ended(&mut self, outcome: Outcome, class: Option<Class>) {
        self.close(outcome, class, None);
    }

    /// Only the first call counts.
    fn close(&mut self, outcome: Outcome, class: Option<Class>, usage: Option<Usage>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some((target, _)) = self.answered_by.clone() {
            match (outcome, class) {
                (Outcome::Primary | Outcome::Fallback, _) => self.judge(&target, Verdict::Served),
                (Outcome::Interrupted, Some(class)) => self.judge(&target, Verdict::Failed(class)),
                _ => {}
            }
        }
        self.observer.note(Note::RequestEnded {
            id: self.id,
            model: std::mem::take(&mut self.model),
            outcome,
            target: self.answered_by.as_ref().map(|(target, _)| target.clone()),
            attempts: self.attempts,
            tried: std::mem::take(&mut self.tried),
            after: self.now().saturating_duration_since(self.started),
            class,
            spent: self.spent.take().or_else(|| usage.clone()),
            usage,
        });
    }

    /// Once more from the beginning: what targets did in their first turns stands.
    pub(crate) fn new_round(&mut self) {
        self.settled = self.tried.len();
    }

    /// The first word about the last call of a turn counts: an empty answer that is handed on in the end is none.
    fn judge(&mut self, target: &TargetId, verdict: Verdict) {
        let turn = self.tried.iter_mut().skip(self.settled).find(|tried| tried.target == *target);
        if let Some(turn) = turn.filter(|turn| turn.verdict == Verdict::Unknown) {
            turn.verdict = verdict;
        }
    }

    /// What is known for the headers.
    pub(crate) fn trail(&self) -> Trail {
        let (target, degraded) = match &self.answered_by {
            Some((target, degraded)) => (Some(target.clone()), *degraded),
            None => (None, Degraded::None),
        };
        Trail { id: self.id, target, attempts: self.attempts, degraded, lost: self.lost.clone() }
    }
}

impl Drop for Ledger {
    /// Nobody closed it: the client left.
    fn drop(&mut self) {
        self.ended(Outcome::Cancelled, None);
    }
}
