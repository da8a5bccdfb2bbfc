//! The cascade: the walk over candidates until one attempt is committed. A failing target is replaced by the next
//! before the client notices; what can be tried again where is decided by the class of the failure alone.
//!
//! It ends in exactly one of three ways: a plain answer, a stream that has begun, or a typed error in bounded time.
//!
//! | room | what is decided there |
//! |---|---|
//! | `candidates` | who may be asked, and in which order |
//! | `rounds` | whose turn it is, and whether it is worth asking again |
//! | `limits` | how long a call may take |
//! | `flight` | what is said about a call when it ends |
//! | `hedge` | when a late call gets another one beside it |
//! | `twin` | hidden calls, behind the answer |
//! | `last` | who is asked when everybody else has failed, and what is said when nobody answered |

mod bodies;
mod candidates;
mod case;
mod engine;
mod flight;
mod hedge;
mod last;
mod limits;
mod rounds;
#[cfg(test)]
mod tests;
mod twin;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::answer::Committed;
use crate::attempt::EmptyAnswer;
use crate::budget::{AttemptKind, Purse, RequestBudget};
use crate::class::{Class, Failure};
use crate::ledger::Ledger;
use crate::note::Gate;
use crate::record::Purpose;
use crate::reply::Reply;
use crate::request::Request;
use crate::route;
use crate::rule::NextTarget;
use crate::settings::Alias;
use crate::splice::Continuation;
use crate::target::{Capabilities, TargetId};
use crate::targets::Permit;

pub(crate) use bodies::Bodies;
pub(crate) use candidates::Candidate;
pub(crate) use case::Case;
pub use engine::{Engine, Limits};
use flight::Won;
use last::Trust;
use rounds::Turn;

/// Answers one request from the targets of its alias.
pub async fn answer(engine: &Arc<Engine>, request: Arc<Request>, alias: Arc<Alias>) -> Reply {
    let mut ledger = Ledger::open(&request, &alias, Arc::clone(&engine.clock), Arc::clone(&engine.observer));
    let plugins = engine.plugins.current();
    let total = request.deadline.map_or(alias.timeouts.total, |wish| wish.min(alias.timeouts.total));
    let candidates = candidates::in_order(engine, &plugins, &request, &alias).await;
    ledger.routed(candidates.routing);
    let bodies = Bodies::new(Arc::clone(&request.body));
    let deadline = ledger.started() + total;
    let case = Case { engine: Arc::clone(engine), plugins, request, alias, deadline };
    let walk = Walk {
        content_by: case.content_by(ledger.started(), &candidates.tried),
        turns: vec![Turn::default(); candidates.tried.len()],
        round: 1,
        calls_before: 0,
        waited: Duration::ZERO,
        budget: engine.budget.request(candidates.tried.len()),
        purse: (candidates.tried.len() > 1).then(|| engine.budget.purse(&case.alias.name)).flatten(),
        candidates: candidates.tried.into(),
        case,
        bodies,
        failures: candidates.broken,
        refusals: Vec::new(),
        barred: Vec::new(),
        spare: None,
        ledger,
    };
    match candidates.unfit {
        Some(need) if walk.candidates.is_empty() => {
            walk.refuse(route::unsupported(need), Some(Class::UnsupportedParameter))
        }
        _ => walk.run().await,
    }
}

/// One request's way over its candidates. It owns what it walks over, so that it can go on behind a committed stream.
struct Walk {
    case: Case,
    candidates: Arc<[Candidate]>,
    /// One for each candidate.
    turns: Vec<Turn>,
    /// From 1; a round in which everybody was refused is not counted.
    round: u32,
    /// Calls before this round.
    calls_before: u32,
    /// Spent between rounds.
    waited: Duration,
    /// When the client must have content.
    content_by: Instant,
    budget: RequestBudget,
    /// What the alias may spend on calls beside those that clients wait for; none where there is nobody else to call.
    purse: Option<Arc<Purse>>,
    bodies: Bodies,
    failures: Vec<(TargetId, Failure)>,
    refusals: Vec<(TargetId, Gate, Option<Duration>)>,
    /// Failures that not every candidate may follow, with what the failed one can.
    barred: Vec<(NextTarget, Arc<Capabilities>)>,
    /// An empty but complete answer, sent if nobody does better: by whom, whether translated.
    spare: Option<(usize, bool, EmptyAnswer)>,
    ledger: Ledger,
}

impl Walk {
    async fn run(mut self) -> Reply {
        loop {
            if let Some(won) = self.once_around().await {
                return self.deliver(won);
            }
            if let Some(won) = self.last_resorts(Trust::Earned).await {
                return self.deliver(won);
            }
            if !self.another_round().await {
                break;
            }
        }
        match self.last_resorts(Trust::Any).await {
            Some(won) => self.deliver(won),
            None => self.give_up(),
        }
    }

    /// Every candidate in its turn, until one has content.
    async fn once_around(&mut self) -> Option<Won> {
        while let Some(index) = self.next() {
            if self.case.engine.clock.now() >= self.content_by {
                break;
            }
            self.turns.get_mut(index)?.asked = true;
            let last = !self.is_anybody_left();
            let candidates = Arc::clone(&self.candidates);
            let candidate = candidates.get(index)?;
            let admitted = if self.is_too_slow(candidate, last) {
                self.ledger.skipped(candidate.target(), Gate::TooSlow, None);
                Err(Gate::TooSlow)
            } else {
                self.admit(candidate, last)
            };
            match admitted {
                Ok(permit) => {
                    if let Some(won) = self.call(index, permit, last).await {
                        return Some(won);
                    }
                }
                Err(gate) => {
                    let rests = gate == Gate::Breaker;
                    self.turns.get_mut(index)?.rests = rests;
                    // Its turn comes at the end of the round, if it is to have one.
                    if !rests || !candidate.state.is_trusted() {
                        self.budget.passed_over();
                    }
                }
            }
        }
        None
    }

    /// Asks gates and breaker.
    fn admit(&mut self, candidate: &Candidate, only_one_left: bool) -> Result<Permit, Gate> {
        candidate.state.try_acquire(&self.case.ask(candidate, only_one_left)).map_err(|refusal| {
            self.ledger.skipped(candidate.target(), refusal.gate, refusal.retry_in);
            self.refusals.retain(|(target, ..)| target != candidate.target());
            self.refusals.push((candidate.target().clone(), refusal.gate, refusal.retry_in));
            refusal.gate
        })
    }

    /// Calls one candidate, and once more where the class allows it.
    async fn call(&mut self, index: usize, mut permit: Permit, last: bool) -> Option<Won> {
        let candidates = Arc::clone(&self.candidates);
        let candidate = candidates.get(index)?;
        let called = self.turns.get(index)?.called;
        let kind = if called { AttemptKind::Again } else { AttemptKind::First };
        let mut leave = self.budget.attempt(kind).ok()?;
        let mut first = true;
        loop {
            let purpose = if first { Purpose::Turn } else { Purpose::Retry };
            let (flight, attempt) = self.take_off(index, candidate, permit, leave, purpose, last);
            let miss = match self.race(flight, attempt).await {
                Ok(won) => return Some(won),
                Err(miss) => miss,
            };
            let left = self.content_by.saturating_duration_since(self.case.engine.clock.now());
            let again = miss.class.rule().same_target;
            let pause = again.pause(miss.retry_after, left, &self.case.engine.random);
            let pause = pause.filter(|_| std::mem::take(&mut first) && miss.alone)?;
            // Asked before the pause: nobody waits for a retry that will not be made.
            let refusal = candidate.state.refusal().and_then(|refusal| refusal.retry_in);
            if refusal.is_some_and(|rest| rest > pause) {
                return None;
            }
            leave = self.budget.attempt(AttemptKind::Retry).ok()?;
            sleep(pause).await;
            let Ok(next) = self.admit(candidate, true) else {
                self.budget.give_back(leave);
                return None;
            };
            permit = next;
        }
    }

    /// The client gets this from now on.
    fn deliver(mut self, won: Won) -> Reply {
        self.commit(won.index(), won.translated());
        self.send_twins(won.index());
        let stall = self.candidates.get(won.index()).map(|candidate| self.case.stall(candidate));
        match won {
            Won::Whole { body, usage, .. } => {
                self.ledger.answered(usage);
                Reply::Plain { body, trail: self.ledger.trail() }
            }
            Won::Begun { flight, first, reading } => {
                let trail = self.ledger.trail();
                let called = self.turns.iter().map(|turn| turn.called).collect();
                let continuation =
                    Continuation::new(&self.case, self.candidates, flight.index, called, self.budget);
                let committed = Committed {
                    first: first.freeze(),
                    reading,
                    permit: flight.permit,
                    began: flight.began,
                    number: flight.number,
                    continuation,
                    ledger: self.ledger,
                    client: self.case.request.protocol,
                    stall: stall.unwrap_or(self.case.alias.timeouts.stall),
                    deadline: self.case.deadline,
                };
                Reply::Stream { body: committed.into_stream(), trail }
            }
        }
    }

    fn commit(&mut self, index: usize, translated: bool) {
        let Some(candidate) = self.candidates.get(index) else { return };
        let lost = if translated { self.bodies.lost() } else { &[] };
        self.ledger.commit(candidate.target(), candidate.degraded, lost);
    }
}
