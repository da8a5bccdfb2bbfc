//! Going on behind a stream that broke: who is asked, how, and what is made of the answer.
//!
//! It obeys what every attempt obeys: gates, breaker, the request's budget and deadline, first-token and stall limits.
//! Nothing of an attempt reaches the client before it is past the seam, so an attempt that fails or says something else
//! is simply followed by the next.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};

use super::label::{Mode, Splice};
use super::{Joint, estimated_tokens, split_blanks};
use crate::attempt::{Attempt, Ended, attempt_limit};
use crate::body::RequestBody;
use crate::budget::{AttemptKind, RequestBudget};
use crate::cascade::{Bodies, Candidate, Case};
use crate::class::{Class, Failure};
use crate::ledger::Ledger;
use crate::protocol;
use crate::reading::{Reading, Remains};
use crate::record::Purpose;
use crate::reply::Degraded;
use crate::request::Request;
use crate::route::{self, Onward};
use crate::rule::NextTarget;
use crate::target::TargetId;
use crate::targets::Permit;
use crate::trace::Leg;

/// What a committed stream takes along for the case that it breaks.
pub(crate) struct Continuation {
    case: Case,
    candidates: Arc<[Candidate]>,
    /// Who has been called.
    called: Vec<bool>,
    /// Who writes now.
    current: usize,
    writes: TargetId,
    budget: RequestBudget,
    degraded: Degraded,
}

/// A stream that goes on: past its seam, with what is new so far.
pub(crate) struct Next {
    pub(crate) first: BytesMut,
    pub(crate) reading: Box<Reading>,
    pub(crate) permit: Permit,
    pub(crate) began: Instant,
    pub(crate) number: u32,
    pub(crate) stall: Duration,
}

/// One call.
struct Call {
    mode: Mode,
    candidate: Candidate,
    permit: Permit,
    number: u32,
    began: Instant,
}

/// One way to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    candidate: usize,
    mode: Mode,
}

/// What came of one attempt.
enum Tried {
    GoesOn(Box<Next>),
    /// The candidate may be asked in another way.
    NotThisWay,
    /// The candidate is out, and this is what its failure leaves to others; none: it could not be asked.
    Failed(Option<NextTarget>),
}

/// The bodies that a continuation may be asked for with, each made when first wanted.
struct Asked {
    told: Box<str>,
    cap: Option<u32>,
    prefilled: Option<Option<Arc<RequestBody>>>,
}

/// Whether a stream of this request could be gone on with at all, as far as that is known before it begins.
pub(crate) fn may_be_spliced(request: &Request) -> bool {
    !request.strict && !request.facts.side_effects && request.facts.choices == 1
}

impl Continuation {
    /// For a stream that `current` writes; `called` says of each candidate whether it was called.
    pub(crate) fn new(
        case: &Case,
        candidates: Arc<[Candidate]>,
        current: usize,
        called: Vec<bool>,
        budget: RequestBudget,
    ) -> Option<Box<Self>> {
        if !may_be_spliced(&case.request) {
            return None;
        }
        let writer = candidates.get(current)?.clone();
        Some(Box::new(Self {
            case: case.clone(),
            candidates,
            called,
            current,
            writes: writer.target().clone(),
            budget,
            degraded: writer.degraded,
        }))
    }

    /// Whether a stream that broke like this may be gone on with.
    pub(crate) fn applies(&self, failure: &Failure) -> bool {
        let rule = failure.class.rule().next_target;
        self.candidates.iter().any(|next| self.may_follow(rule, next))
            && self.case.engine.clock.now() < self.case.deadline
    }

    /// Estimate of the prompt's tokens, where no upstream told them.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        self.case.request.facts.input_tokens_estimate.into()
    }

    fn may_follow(&self, rule: NextTarget, next: &Candidate) -> bool {
        let Some(current) = self.candidates.get(self.current) else { return false };
        let onward = Onward {
            facts: &self.case.request.facts,
            reroute_content_filter: self.case.alias.reroute_content_filter,
        };
        route::may_follow(rule, &current.capabilities, &next.capabilities, onward)
    }

    /// Looks for somebody who goes on; none if nobody does.
    pub(crate) async fn go_on(
        &mut self,
        ledger: &mut Ledger,
        mut remains: Remains,
        failure: &Failure,
    ) -> Option<Next> {
        let text = remains.delivered.text().unwrap_or_default().to_owned();
        let at_char = text.chars().count();
        let (told, _) = split_blanks(&text);
        let mut asked = Asked { told: told.into(), cap: self.cap_behind(&text), prefilled: None };
        let mut rule = failure.class.rule().next_target;
        let mut out = vec![false; self.candidates.len()];
        let plans = self.plans(!asked.told.is_empty(), may_ask_again(failure.class));
        for (position, plan) in plans.iter().enumerate() {
            if self.case.engine.clock.now() >= self.case.deadline {
                break;
            }
            let candidate = self.candidates.get(plan.candidate).cloned()?;
            if out.get(plan.candidate).is_none_or(|out| *out) || !self.may_follow(rule, &candidate) {
                continue;
            }
            let Some(body) = self.body(plan.mode, &candidate, &mut asked) else { continue };
            let splice = Splice {
                from: self.writes.clone(),
                to: candidate.target().clone(),
                at_char,
                mode: plan.mode,
            };
            let last = position + 1 == plans.len();
            match self.ask(ledger, *plan, body, &splice, &mut remains, last).await {
                Tried::GoesOn(next) => {
                    self.current = plan.candidate;
                    self.writes = candidate.target().clone();
                    self.degraded = worse(self.degraded, candidate.degraded);
                    ledger.spliced(&splice, self.degraded);
                    return Some(*next);
                }
                Tried::NotThisWay => {}
                Tried::Failed(next) => {
                    rule = next.unwrap_or(rule);
                    if let Some(out) = out.get_mut(plan.candidate) {
                        *out = true;
                    }
                }
            }
        }
        None
    }

    /// Who is asked in which way, in this order: others that continue a text, others from the beginning, whoever broke
    /// off, and in words only if the operator wants that.
    fn plans(&self, has_text: bool, own_too: bool) -> Vec<Plan> {
        let count = self.candidates.len();
        let others = || (self.current + 1..count).chain(0..self.current);
        let continues = |index: &usize| {
            let candidate = self.candidates.get(*index);
            has_text
                && candidate.is_some_and(|candidate| {
                    candidate.capabilities.continues_assistant_prefix && !candidate.state.refuses_prefill()
                })
        };
        let plan = |mode: Mode| move |candidate: usize| Plan { candidate, mode };
        let own = own_too.then_some(self.current).into_iter();
        let streams = self.case.alias.streams;
        // Where nothing has been delivered, to begin anew is all there is.
        let restarts = streams.restart || !has_text;
        let mut plans: Vec<Plan> = Vec::new();
        if streams.prefill {
            plans.extend(others().filter(continues).map(plan(Mode::Prefill)));
        }
        if restarts {
            plans.extend(others().map(plan(Mode::Restart)));
        }
        if streams.prefill {
            plans.extend(own.clone().filter(continues).map(plan(Mode::Prefill)));
        }
        if restarts {
            plans.extend(own.clone().map(plan(Mode::Restart)));
        }
        if has_text && streams.instruct {
            plans.extend(others().chain(own).map(plan(Mode::Instruct)));
        }
        plans
    }

    /// The client's request, said in this way.
    fn body(&self, mode: Mode, candidate: &Candidate, asked: &mut Asked) -> Option<Arc<RequestBody>> {
        let own = &self.case.request.body;
        match mode {
            Mode::Restart => Some(Arc::clone(own)),
            // It may have been found out since the plan was made.
            Mode::Prefill if candidate.state.refuses_prefill() => None,
            Mode::Prefill => {
                let Asked { told, cap, prefilled } = asked;
                let make = || protocol::prefilled(own, told, *cap).map(Arc::new);
                prefilled.get_or_insert_with(make).clone()
            }
            Mode::Instruct => protocol::instructed(own, &asked.told, asked.cap).map(Arc::new),
        }
    }

    /// What the client's cap on tokens leaves, at least one.
    fn cap_behind(&self, text: &str) -> Option<u32> {
        let used = u32::try_from(estimated_tokens(text.len())).unwrap_or(u32::MAX);
        self.case.request.facts.max_output_tokens.map(|cap| cap.saturating_sub(used).max(1))
    }

    /// Asks one candidate in one way.
    async fn ask(
        &mut self,
        ledger: &mut Ledger,
        plan: Plan,
        body: Arc<RequestBody>,
        splice: &Splice,
        remains: &mut Remains,
        last: bool,
    ) -> Tried {
        let (candidates, called) = (Arc::clone(&self.candidates), self.called.get_mut(plan.candidate));
        let (Some(candidate), Some(called)) = (candidates.get(plan.candidate), called) else {
            return Tried::Failed(None);
        };
        let again = std::mem::replace(called, true);
        let Some(permit) = self.admit(ledger, candidate, last) else {
            if !again {
                self.budget.passed_over();
            }
            return Tried::Failed(None);
        };
        let kind = if again { AttemptKind::Again } else { AttemptKind::First };
        let Ok(leave) = self.budget.attempt(kind) else { return Tried::Failed(None) };
        let began = self.case.engine.clock.now();
        let injection = self.case.engine.chaos.injection();
        let number = ledger.attempt(candidate, Purpose::Splice, permit.is_probe(), injection.clone());
        let mut call = Call { mode: plan.mode, candidate: candidate.clone(), permit, number, began };
        let ended = match self.case.body(&mut Bodies::new(body), &call.candidate) {
            Err(failure) => Ended::Failed(failure),
            Ok(body) => {
                let patience = self.case.patience(&call.candidate);
                let attempt = Attempt {
                    case: self.case_of(plan.mode, remains),
                    candidate: call.candidate.clone(),
                    body,
                    leg: Leg::Attempt(number),
                    until: attempt_limit(began, self.case.deadline, patience, last),
                    joint: Some(Box::new(self.joint(&call, splice, remains))),
                    injection,
                    lesson: self.case.lesson(&mut call.permit),
                };
                Box::pin(attempt.run()).await
            }
        };
        drop(leave);
        self.settle(ledger, call, ended, remains).await
    }

    fn admit(&self, ledger: &mut Ledger, candidate: &Candidate, last: bool) -> Option<Permit> {
        let permit = candidate.state.try_acquire(&self.case.ask(candidate, last));
        permit.inspect_err(|refusal| ledger.skipped(candidate.target(), refusal.gate, refusal.retry_in)).ok()
    }

    /// The case as the attempt sees it: behind a delivered text less is left of the client's cap.
    fn case_of(&self, mode: Mode, remains: &Remains) -> Case {
        let mut case = self.case.clone();
        if mode != Mode::Restart {
            let mut request = (*case.request).clone();
            request.facts.max_output_tokens = self.cap_behind(remains.delivered.text().unwrap_or_default());
            case.request = Arc::new(request);
        }
        case
    }

    fn joint(&self, call: &Call, splice: &Splice, remains: &Remains) -> Joint {
        let mut writer = remains.writer.clone();
        let degraded = worse(self.degraded, call.candidate.degraded);
        writer.go_on(&call.candidate.target().model, splice.labels(call.number, degraded));
        let (delivered, account) = (remains.delivered.clone(), remains.account.clone());
        Joint { delivered, writer, mode: call.mode, account }
    }

    /// Books how a call ended.
    async fn settle(&self, ledger: &mut Ledger, call: Call, ended: Ended, remains: &mut Remains) -> Tried {
        let Call { mode, candidate, mut permit, number, began } = call;
        let failure = match ended {
            Ended::Stream { first, mut reading } => {
                permit.first_content(self.case.engine.clock.now().saturating_duration_since(began));
                let stall = self.case.stall(&candidate);
                match self.to_the_seam(first, &mut reading, stall).await {
                    Ok(first) => {
                        let next = Next { first, reading, permit, began, number, stall };
                        return Tried::GoesOn(Box::new(next));
                    }
                    Err(failure) => {
                        let diverged = reading.diverged();
                        remains.account = reading.into_account(self.prompt_tokens());
                        if diverged {
                            // It answered as it should, only not the same: the permit is dropped without a vote.
                            ledger.let_go(number);
                            return Tried::NotThisWay;
                        }
                        failure
                    }
                }
            }
            // Asked to go on it had no more to say, which may be right or wrong; nobody can tell.
            Ended::Empty(_) if mode != Mode::Restart => {
                ledger.let_go(number);
                return Tried::NotThisWay;
            }
            Ended::Empty(_) | Ended::Answer { .. } => {
                Failure::new(Class::EmptyAnswer, "the provider gave an empty answer")
            }
            Ended::Failed(failure) => failure,
        };
        permit.failed(&failure);
        ledger.attempt_failed(candidate.target(), number, &failure, began);
        let is_refusal = matches!(failure.class, Class::BadRequest | Class::UnsupportedParameter);
        match mode {
            Mode::Prefill if is_refusal => {
                candidate.state.learn_refused_prefill();
                Tried::NotThisWay
            }
            _ => Tried::Failed(Some(match failure.class.rule().next_target {
                NextTarget::No if !is_refusal => NextTarget::No,
                NextTarget::OptIn => NextTarget::OptIn,
                // The request as such was good enough for whoever broke off.
                _ => NextTarget::Yes,
            })),
        }
    }

    /// Reads on until what comes is new to the client.
    async fn to_the_seam(
        &self,
        mut first: BytesMut,
        reading: &mut Reading,
        stall: Duration,
    ) -> Result<BytesMut, Failure> {
        let mut quiet_since = self.case.engine.clock.now();
        while !reading.is_past_seam() {
            let limit = (quiet_since + stall).min(self.case.deadline);
            let Ok(batch) = timeout_at(limit, reading.next()).await else {
                return Err(Failure::new(Class::TimeoutStall, "the provider fell silent"));
            };
            if batch.content {
                quiet_since = self.case.engine.clock.now();
            }
            first.extend_from_slice(&batch.bytes);
            match batch.end {
                None => {}
                Some(Err(failure)) if !reading.is_past_seam() => return Err(failure),
                end => reading.put_back(end),
            }
        }
        Ok(first)
    }
}

/// Whether whoever broke off like this may be asked to go on itself. Where it was silent, it would only cost the same
/// time once more.
fn may_ask_again(class: Class) -> bool {
    matches!(class, Class::StreamBroken | Class::ServerError | Class::Overloaded | Class::ToolCallInvalid)
}

fn worse(a: Degraded, b: Degraded) -> Degraded {
    if a == Degraded::None { b } else { a }
}
