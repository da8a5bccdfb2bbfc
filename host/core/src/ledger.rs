//! The ledger of one request: who was tried, how it ended, told to the observer exactly once, even when the client
//! leaves in the middle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cascade::Candidate;
use crate::class::{Class, Failure};
use crate::event::Usage;
use crate::note::{Gate, Note, Outcome, Tried, Verdict};
use crate::ports::{Clock, Observer};
use crate::record::{Attempted, End, Injection, Purpose, Record, Routing, Skipped, Spliced};
use crate::reply::{Degraded, Trail};
use crate::request::{Request, RequestId};
use crate::settings::Alias;
use crate::splice::Splice;
use crate::target::TargetId;

/// Keeps one request's account.
pub(crate) struct Ledger {
    /// Nobody else holds it until the end, so that it is written in place and handed over without a copy.
    record: Arc<Record>,
    started: Instant,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// Of the targets tried, the ones that had their turn before this round.
    settled: usize,
    /// A better target than the next one could not be called.
    prompted: bool,
    degraded: Degraded,
    lost: Vec<&'static str>,
    ended: bool,
}

impl Ledger {
    /// Opens the account and says so.
    pub(crate) fn open(
        request: &Request,
        alias: &Alias,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        // Nearly every client names the alias as it is written.
        let model = if request.facts.model == *alias.name {
            Arc::clone(&alias.name)
        } else {
            Arc::from(request.facts.model.as_str())
        };
        observer.note(Note::RequestStarted {
            id: request.id,
            protocol: request.protocol,
            model: Arc::clone(&model),
            stream: request.facts.stream,
        });
        let record = Record {
            started: clock.wall(),
            trace: request.trace.clone(),
            tenant: Arc::clone(&request.tenant),
            protocol: request.protocol,
            stream: request.facts.stream,
            ..Record::new(request.id, model)
        };
        Self {
            record: Arc::new(record),
            started: clock.now(),
            clock,
            observer,
            settled: 0,
            prompted: false,
            degraded: Degraded::None,
            lost: Vec::new(),
            ended: false,
        }
    }

    fn id(&self) -> RequestId {
        self.record.id
    }

    /// The record, to be written on.
    fn page(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.record)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.started)
    }

    /// In which order the candidates stand.
    pub(crate) fn routed(&mut self, routing: Routing) {
        self.page().routing = routing;
    }

    pub(crate) fn skipped(&mut self, target: &TargetId, gate: Gate, retry_in: Option<Duration>) {
        self.prompted = true;
        self.observer.note(Note::Skipped { id: self.id(), target: target.clone(), gate, retry_in });
        let skipped = &mut self.page().skipped;
        match skipped.iter_mut().find(|known| known.gate == gate && known.target == *target) {
            Some(known) => {
                known.retry_in = retry_in;
                known.times = known.times.saturating_add(1);
            }
            None => skipped.push(Skipped { target: target.clone(), gate, retry_in, times: 1 }),
        }
    }

    /// A better target rests, and is passed over without being asked.
    pub(crate) fn passed_over(&mut self) {
        self.prompted = true;
    }

    /// Counts an attempt; its number from 1.
    pub(crate) fn attempt(
        &mut self,
        candidate: &Candidate,
        purpose: Purpose,
        probe: bool,
        injection: Option<Injection>,
    ) -> u32 {
        let target = candidate.target();
        let turn = self.record.tried.iter().position(|tried| tried.target == *target);
        match turn {
            // A retry at once belongs to the target's turn; what a later round brings is the cascade's merit.
            Some(turn) if turn >= self.settled && turn + 1 == self.record.tried.len() => {
                self.page().tried.last_mut().into_iter().for_each(|tried| tried.verdict = Verdict::Unknown);
            }
            Some(_) => {}
            None => {
                let unprompted = !std::mem::replace(&mut self.prompted, true);
                let tried = Tried { target: target.clone(), unprompted, verdict: Verdict::Unknown };
                push(&mut self.page().tried, tried);
            }
        }
        let attempted = candidate.attempted(purpose, probe, self.elapsed(), injection);
        push(&mut self.page().attempts, attempted);
        let number = self.attempts();
        self.observer.note(Note::AttemptStarted { id: self.id(), target: target.clone(), number, probe });
        number
    }

    /// Upstream calls so far.
    pub(crate) fn attempts(&self) -> u32 {
        u32::try_from(self.record.attempts.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn attempt_failed(
        &mut self,
        target: &TargetId,
        number: u32,
        failure: &Failure,
        began: Instant,
    ) {
        self.judge(target, Verdict::Failed(failure.class));
        self.ends(number, failure.into());
        self.observer.note(Note::AttemptFailed {
            id: self.id(),
            target: target.clone(),
            number,
            failure: failure.clone(),
            after: self.now().saturating_duration_since(began),
        });
    }

    /// The committed stream of the attempt of this number broke, whatever is made of that.
    pub(crate) fn stream_failed(&mut self, number: u32, failure: &Failure, began: Instant) {
        if let Some(target) = self.record.target.clone() {
            self.attempt_failed(&target, number, failure, began);
        }
    }

    /// The attempt of this number is of no use, and that is not its target's fault.
    pub(crate) fn let_go(&mut self, number: u32) {
        self.ends(number, End::GivenUp);
    }

    fn ends(&mut self, number: u32, end: End) {
        let now = self.elapsed();
        let index = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(attempt) = self.page().attempts.get_mut(index) {
            attempt.ends(end, now);
        }
    }

    /// Tokens of the attempt that writes, as its upstream counted them.
    pub(crate) fn counted(&mut self, tokens: Option<Usage>) {
        if let (Some(tokens), Some(writer)) = (tokens, self.writer()) {
            writer.tokens = Some(tokens);
        }
    }

    /// From now on the client gets this target's answer.
    pub(crate) fn commit(&mut self, target: &TargetId, degraded: Degraded, lost: &[&'static str]) {
        self.lost = lost.to_vec();
        let after = self.writes(target, degraded);
        self.page().committed = Some(after);
        self.observer.note(Note::Committed { id: self.id(), target: target.clone(), after });
    }

    /// Another target goes on in the answer that the client has had a part of.
    pub(crate) fn spliced(&mut self, splice: &Splice, degraded: Degraded) {
        let at = self.writes(&splice.to, degraded);
        self.page().splices.push(Spliced { splice: splice.clone(), at });
        self.observer.note(Note::Spliced { id: self.id(), splice: splice.clone() });
    }

    /// This target has content first; when.
    fn writes(&mut self, target: &TargetId, degraded: Degraded) -> Duration {
        let now = self.elapsed();
        self.degraded = degraded;
        self.page().target = Some(target.clone());
        let mut found = false;
        // From the last, for a target that is called again has ended before.
        for attempt in self.page().attempts.iter_mut().rev().filter(|attempt| attempt.end == End::Open) {
            if !found && attempt.target == *target {
                found = true;
                attempt.first_content = Some(now.saturating_sub(attempt.began));
            } else {
                attempt.ends(End::Outrun, now);
            }
        }
        now
    }

    /// The attempt whose answer the client gets.
    fn writer(&mut self) -> Option<&mut Attempted> {
        let open = |attempt: &&mut Attempted| attempt.end == End::Open && attempt.first_content.is_some();
        self.page().attempts.iter_mut().rev().find(open)
    }

    /// The answer is complete. `spent`: what all upstreams cost together, where more than one wrote it.
    pub(crate) fn streamed(&mut self, usage: Option<Usage>, spent: Option<Usage>) {
        self.page().spent_together = spent;
        self.completed(usage);
    }

    /// The answer is complete.
    pub(crate) fn answered(&mut self, usage: Option<Usage>) {
        // What the provider wrote beside the numbers is nobody's business here.
        let usage = usage.map(|usage| Usage { native: None, ..usage });
        self.counted(usage.clone());
        self.completed(usage);
    }

    fn completed(&mut self, usage: Option<Usage>) {
        let outcome = match self.degraded {
            Degraded::None => Outcome::Primary,
            Degraded::Fallback => Outcome::Fallback,
        };
        self.close(outcome, None, usage);
    }

    /// The client is told an error, with this status unless its answer has begun already.
    pub(crate) fn failed(&mut self, status: u16, class: Option<Class>) {
        if let Some(trace) = &self.record.trace {
            trace.answers(status);
        }
        self.ended(Outcome::Failed, class);
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
        if let Some(target) = self.record.target.clone() {
            match (outcome, class) {
                (Outcome::Primary | Outcome::Fallback, _) => self.judge(&target, Verdict::Served),
                (Outcome::Interrupted, Some(class)) => self.judge(&target, Verdict::Failed(class)),
                _ => {}
            }
        }
        let now = self.elapsed();
        if matches!(outcome, Outcome::Primary | Outcome::Fallback)
            && let Some(writer) = self.writer()
        {
            writer.ends(End::Answered, now);
        }
        let record = self.page();
        for left in record.attempts.iter_mut().filter(|attempt| attempt.end == End::Open) {
            left.ends(End::GivenUp, now);
        }
        (record.outcome, record.class, record.after, record.usage) = (outcome, class, now, usage);
        self.observer.note(Note::RequestEnded(Arc::clone(&self.record)));
    }

    /// Once more from the beginning: what targets did in their first turns stands.
    pub(crate) fn new_round(&mut self) {
        self.settled = self.record.tried.len();
        self.page().rounds += 1;
    }

    /// The first word about the last call of a turn counts: an empty answer that is handed on in the end is none.
    fn judge(&mut self, target: &TargetId, verdict: Verdict) {
        let settled = self.settled;
        let turn = self.page().tried.iter_mut().skip(settled).find(|tried| tried.target == *target);
        if let Some(turn) = turn.filter(|turn| turn.verdict == Verdict::Unknown) {
            turn.verdict = verdict;
        }
    }

    /// What is known for the headers.
    pub(crate) fn trail(&self) -> Trail {
        Trail {
            id: self.id(),
            target: self.record.target.clone(),
            attempts: self.attempts(),
            degraded: self.degraded,
            lost: self.lost.clone(),
            faults: self.record.faults_met(),
        }
    }
}

impl Drop for Ledger {
    /// Nobody closed it: the client left.
    fn drop(&mut self) {
        self.ended(Outcome::Cancelled, None);
    }
}

/// One place at first: most requests have one attempt, and a vector would start with room for four.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
    list.push(item);
}
