//! The cascade: the walk over candidates until one attempt is committed. A failing target is replaced by the next
//! before the client notices; what can be tried again where is decided by the class of the failure alone.
//!
//! It ends in exactly one of three ways: a plain answer, a stream that has begun, or a typed error in bounded time.

mod bodies;
mod candidates;
mod case;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::stream;
use tokio::time::{Instant, sleep};

use crate::answer::Committed;
use crate::attempt::{Attempt, EmptyAnswer, Ended, attempt_limit};
use crate::budget::{AttemptKind, Budget, RequestBudget};
use crate::class::{Class, Failure};
use crate::fault::Chaos;
use crate::ledger::Ledger;
use crate::note::{Gate, Outcome};
use crate::outlook::{CallKind, SizeFactor};
use crate::ports::{Background, Clock, Observer, PluginSource, Upstream};
use crate::random::Random;
use crate::reply::{ClientError, Degraded, Reply};
use crate::request::Request;
use crate::route::{self, Onward};
use crate::rule::{self, NextTarget};
use crate::settings::Alias;
use crate::target::TargetId;
use crate::targets::{Ask, Permit, Targets};

use bodies::Bodies;
pub(crate) use candidates::Candidate;
pub(crate) use case::Case;

/// Caps on what an upstream may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A whole plain answer.
    pub max_answer_bytes: usize,
    /// One event of a stream.
    pub max_event_bytes: usize,
}

impl Default for Limits {
    /// Generous beside real answers (images as base64 included), small beside a machine's memory.
    fn default() -> Self {
        Self { max_answer_bytes: 64 * 1024 * 1024, max_event_bytes: 16 * 1024 * 1024 }
    }
}

/// Everything requests share.
pub struct Engine {
    /// Health of every target.
    pub targets: Arc<Targets>,
    /// The way out.
    pub upstream: Arc<dyn Upstream>,
    /// The plugins that serve now.
    pub plugins: Arc<dyn PluginSource>,
    /// Armed faults.
    pub chaos: Arc<Chaos>,
    /// What retries and attempts may cost.
    pub budget: Arc<Budget>,
    /// Caps.
    pub limits: Limits,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter and sampling.
    pub random: Arc<Random>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Runs what outlives its request.
    pub background: Arc<dyn Background>,
}

impl Engine {
    pub(crate) fn wall_seconds(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Answers one request from the targets of its alias.
pub async fn answer(engine: &Arc<Engine>, request: Arc<Request>, alias: Arc<Alias>) -> Reply {
    let ledger = Ledger::open(&request, Arc::clone(&engine.clock), Arc::clone(&engine.observer));
    let plugins = engine.plugins.current();
    let total = request.deadline.map_or(alias.timeouts.total, |wish| wish.min(alias.timeouts.total));
    let candidates = candidates::in_order(engine, &plugins, &request, &alias).await;
    let walk = Walk {
        budget: engine.budget.request(candidates.tried.len()),
        bodies: Bodies::new(Arc::clone(&request.body)),
        case: Case {
            engine: Arc::clone(engine),
            plugins,
            request,
            alias,
            deadline: ledger.started() + total,
        },
        failures: candidates.broken,
        refusals: Vec::new(),
        spare: None,
        ledger,
    };
    match candidates.unfit {
        Some(need) if candidates.tried.is_empty() => {
            walk.refuse(route::unsupported(need), Some(Class::UnsupportedParameter))
        }
        _ => walk.run(&candidates.tried).await,
    }
}

/// One request's way over its candidates. It owns what it walks over, so that it can go on behind a committed stream.
struct Walk {
    case: Case,
    budget: RequestBudget,
    bodies: Bodies,
    failures: Vec<(TargetId, Failure)>,
    refusals: Vec<(TargetId, Gate, Option<Duration>)>,
    /// An empty but complete answer, sent if nobody does better.
    spare: Option<(TargetId, Degraded, EmptyAnswer)>,
    ledger: Ledger,
}

/// Where the walk goes after a candidate.
enum Turn {
    Done(Reply),
    /// Try the next that may follow.
    On(NextTarget),
}

impl Walk {
    async fn run(mut self, candidates: &[Candidate]) -> Reply {
        let mut failed: Option<(NextTarget, &Candidate)> = None;
        for (position, candidate) in candidates.iter().enumerate() {
            if self.case.engine.clock.now() >= self.case.deadline {
                break;
            }
            if failed.is_some_and(|(rule, before)| !self.may_follow(rule, before, candidate)) {
                self.budget.passed_over();
                continue;
            }
            let last = position + 1 == candidates.len();
            let Some(permit) = self.admit(candidate, last) else {
                self.budget.passed_over();
                continue;
            };
            match self.try_candidate(candidate, permit, last).await {
                Turn::Done(reply) => return reply,
                Turn::On(rule) => failed = Some((rule, candidate)),
            }
        }
        if self.failures.is_empty()
            && let Some(reply) = self.last_resort(candidates).await
        {
            return reply;
        }
        self.give_up()
    }

    fn may_follow(&self, rule: NextTarget, failed: &Candidate, next: &Candidate) -> bool {
        let onward = Onward {
            facts: &self.case.request.facts,
            reroute_content_filter: self.case.alias.reroute_content_filter,
        };
        route::may_follow(rule, &failed.capabilities, &next.capabilities, onward)
    }

    /// Asks gates and breaker.
    fn admit(&mut self, candidate: &Candidate, only_one_left: bool) -> Option<Permit> {
        match candidate.state.try_acquire(&self.ask(only_one_left)) {
            Ok(permit) => Some(permit),
            Err(refusal) => {
                self.ledger.skipped(candidate.target(), refusal.gate, refusal.retry_in);
                self.refusals.push((candidate.target().clone(), refusal.gate, refusal.retry_in));
                None
            }
        }
    }

    fn ask(&self, only_one_left: bool) -> Ask {
        /// Beyond the time to first content, so that the attempt's own timer strikes first.
        const LEASE_MARGIN: Duration = Duration::from_secs(1);
        let request = &self.case.request;
        Ask {
            request: request.id,
            lease: self.attempt_ceiling() + LEASE_MARGIN,
            only_one_left,
            kind: if request.facts.stream { CallKind::Streamed } else { CallKind::Plain },
            size: SizeFactor::of_tokens(request.facts.input_tokens_estimate),
        }
    }

    /// The longest an attempt may take to its first content, or plain to its whole answer.
    fn attempt_ceiling(&self) -> Duration {
        let timeouts = &self.case.alias.timeouts;
        if self.case.request.facts.stream { timeouts.first_token } else { timeouts.answer }
    }

    /// Calls one candidate, and once more where the class allows it.
    async fn try_candidate(&mut self, candidate: &Candidate, permit: Permit, last: bool) -> Turn {
        let Ok(mut leave) = self.budget.attempt(AttemptKind::First) else {
            return Turn::On(NextTarget::Yes);
        };
        let mut permit = permit;
        let mut first = true;
        loop {
            let began = self.case.engine.clock.now();
            let number = self.ledger.attempt(candidate.target(), permit.is_probe());
            let ended = self.attempt(candidate, number, began, last).await;
            drop(leave);
            let failure = match self.settle(candidate, permit, ended, began) {
                Ok(reply) => return Turn::Done(reply),
                Err(failure) => failure,
            };
            let rule = failure.class.rule();
            let left = self.case.deadline.saturating_duration_since(self.case.engine.clock.now());
            let pause = rule.same_target.pause(failure.retry_after, left, &self.case.engine.random);
            self.failures.push((candidate.target().clone(), failure));
            let Some(pause) = pause.filter(|_| std::mem::take(&mut first)) else {
                return Turn::On(rule.next_target);
            };
            // Asked before the pause: nobody waits for a retry that will not be made.
            let Ok(granted) = self.budget.attempt(AttemptKind::Retry) else {
                return Turn::On(rule.next_target);
            };
            leave = granted;
            sleep(pause).await;
            let Some(admitted) = self.admit(candidate, true) else {
                return Turn::On(rule.next_target);
            };
            permit = admitted;
        }
    }

    /// One upstream call, with the request in a protocol that the candidate takes.
    async fn attempt(&mut self, candidate: &Candidate, number: u32, began: Instant, last: bool) -> Ended {
        let body = match self.bodies.for_adapter(candidate.adapter.as_ref()) {
            Ok(body) => body,
            Err(error) => {
                let failure = Failure::new(Class::BadRequest, error.message);
                return Ended::Failed(Failure { param: error.param, ..failure });
            }
        };
        let attempt = Attempt {
            case: self.case.clone(),
            candidate: candidate.clone(),
            body,
            number,
            until: attempt_limit(began, self.case.deadline, self.attempt_ceiling(), last),
        };
        attempt.run().await
    }

    /// Books how an attempt ended: an answer goes out, a failure comes back.
    fn settle(
        &mut self,
        candidate: &Candidate,
        mut permit: Permit,
        ended: Ended,
        began: Instant,
    ) -> Result<Reply, Failure> {
        let failure = match ended {
            Ended::Answer { body, usage } => {
                permit.finished();
                candidate.state.fitted(self.case.request.facts.input_tokens_estimate);
                self.ledger.commit(candidate.target(), candidate.degraded, self.bodies.lost());
                self.ledger.answered(usage);
                return Ok(Reply::Plain { body, trail: self.ledger.trail() });
            }
            Ended::Stream { first, reading } => {
                permit.first_content(self.case.engine.clock.now().saturating_duration_since(began));
                candidate.state.fitted(self.case.request.facts.input_tokens_estimate);
                self.ledger.commit(candidate.target(), candidate.degraded, self.bodies.lost());
                let trail = self.ledger.trail();
                let committed = Committed {
                    first: first.freeze(),
                    reading,
                    permit,
                    ledger: self.ledger.hand_over(),
                    client: self.case.request.protocol,
                    stall: self.case.alias.timeouts.stall,
                    deadline: self.case.deadline,
                };
                return Ok(Reply::Stream { body: committed.into_stream(), trail });
            }
            Ended::Empty(answer) => {
                self.spare.get_or_insert((candidate.target().clone(), candidate.degraded, answer));
                Failure::new(Class::EmptyAnswer, "the provider gave an empty answer")
            }
            Ended::Failed(failure) => failure,
        };
        if failure.class == Class::ContextLength {
            candidate.state.learn_context_window(self.case.request.facts.input_tokens_estimate);
        }
        permit.failed(&failure);
        self.ledger.attempt_failed(candidate.target(), &failure, began);
        Err(failure)
    }

    /// Every target was refused by its breaker: one real attempt, at the first of those that open soonest which may take
    /// one.
    async fn last_resort(&mut self, candidates: &[Candidate]) -> Option<Reply> {
        let by_breaker = self.refusals.iter().filter(|(_, gate, _)| *gate == Gate::Breaker);
        let mut soonest: Vec<_> = by_breaker.map(|(target, _, wait)| (*wait, target)).collect();
        soonest.sort_by_key(|(wait, _)| *wait);
        let (candidate, permit) = soonest.into_iter().find_map(|(_, target)| {
            let candidate = candidates.iter().find(|candidate| candidate.target() == target)?;
            let alias = &self.case.alias.name;
            let permit = self.case.engine.targets.try_last_resort(target, alias, &self.ask(true))?;
            Some((candidate, permit))
        })?;
        match self.try_candidate(candidate, permit, true).await {
            Turn::Done(reply) => Some(reply),
            Turn::On(_) => None,
        }
    }

    /// Nobody answered: the empty answer if there is one, else one honest error.
    fn give_up(mut self) -> Reply {
        let Some((target, degraded, answer)) = self.spare.take() else {
            let (error, class) = rule::final_error(&self.failures, &self.refusals);
            return self.refuse(error, class);
        };
        self.ledger.commit(&target, degraded, self.bodies.lost());
        self.ledger.answered(None);
        let trail = self.ledger.trail();
        match answer {
            EmptyAnswer::Plain(body) => Reply::Plain { body, trail },
            EmptyAnswer::Stream(bytes) => Reply::Stream { body: Box::pin(stream::iter([bytes])), trail },
        }
    }

    fn refuse(mut self, error: ClientError, class: Option<Class>) -> Reply {
        self.ledger.ended(Outcome::Failed, class);
        Reply::Failed { error, trail: self.ledger.trail() }
    }
}
