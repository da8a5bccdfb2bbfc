//! The ledger of one request: who was tried, how it ended, told to the observer exactly once, even when the client
//! leaves in the middle.

use std::sync::Arc;

use tokio::time::Instant;

use crate::class::{Class, Failure};
use crate::event::Usage;
use crate::note::{Gate, Note, Outcome};
use crate::ports::{Clock, Observer};
use crate::reply::{Degraded, Trail};
use crate::request::{Request, RequestId};
use crate::splice::Splice;
use crate::target::TargetId;

/// Keeps one request's account.
pub(crate) struct Ledger {
    id: RequestId,
    started: Instant,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    attempts: u32,
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
            started: clock.now(),
            clock,
            observer,
            attempts: 0,
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

    pub(crate) fn skipped(&self, target: &TargetId, gate: Gate, retry_in: Option<std::time::Duration>) {
        self.observer.note(Note::Skipped { id: self.id, target: target.clone(), gate, retry_in });
    }

    /// Counts an attempt; its number from 1.
    pub(crate) fn attempt(&mut self, target: &TargetId, probe: bool) -> u32 {
        self.attempts += 1;
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

    pub(crate) fn attempt_failed(&self, target: &TargetId, number: u32, failure: &Failure, began: Instant) {
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
        self.observer.note(Note::RequestEnded {
            id: self.id,
            outcome,
            target: self.answered_by.as_ref().map(|(target, _)| target.clone()),
            attempts: self.attempts,
            after: self.now().saturating_duration_since(self.started),
            class,
            spent: self.spent.take().or_else(|| usage.clone()),
            usage,
        });
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
