//! Rounds: whose turn it is, and whether it is worth asking again.

use std::time::Duration;

use tokio::time::sleep;

use super::{Candidate, Walk};
use crate::note::{Gate, Note};
use crate::route::{self, Onward};
use crate::settings::Probe;

/// Most rounds in which somebody was called. Those in which everybody was refused are waits, and bounded by time alone.
const ROUNDS: u32 = 2;
/// With less time left another round would only end later.
const WORTH_IT: Duration = Duration::from_secs(1);
/// What failed everywhere may be over a moment later. Spread, so that requests that failed together do not come back
/// together.
const PAUSE_S: (f64, f64) = (0.2, 0.5);
/// A client that is told to come back later does so by itself; longer waits, all together, are left to it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Nor is more than this part of a request's time spent on waiting.
const LARGEST_SHARE: u32 = 4;

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// It had its turn in this round.
    pub(super) asked: bool,
    /// It was called in any round.
    pub(super) called: bool,
    /// Its turn is put off until everybody else has failed, for its breaker refuses.
    pub(super) rests: bool,
    /// It failed in a way that no waiting cures.
    pub(super) out: bool,
}

impl Walk {
    /// The next to be asked: the first in order, but those that need a probe only when nobody else is left, for then the
    /// request itself has to be it.
    pub(super) fn next(&self) -> Option<usize> {
        let twins = self.case.alias.probe == Probe::Twin && !self.case.request.facts.side_effects;
        let probes = |index: &usize| twins && self.candidates.get(*index).is_some_and(Candidate::wants_probe);
        self.waiting().find(|index| !probes(index)).or_else(|| self.waiting().next())
    }

    /// Whether somebody has not had a turn yet.
    pub(super) fn is_anybody_left(&self) -> bool {
        self.waiting().next().is_some()
    }

    fn waiting(&self) -> impl Iterator<Item = usize> {
        (0..self.candidates.len()).filter(|index| self.is_open(*index) && self.may_follow(*index))
    }

    /// It had no turn in this round, and may have one.
    pub(super) fn is_open(&self, index: usize) -> bool {
        self.turns.get(index).is_some_and(|turn| !turn.asked && !turn.out)
    }

    /// Whether what failed so far leaves room for this candidate.
    pub(super) fn may_follow(&self, index: usize) -> bool {
        let onward = Onward {
            facts: &self.case.request.facts,
            reroute_content_filter: self.case.alias.reroute_content_filter,
        };
        self.candidates.get(index).is_some_and(|next| {
            let mut barred = self.barred.iter();
            barred.all(|(rule, failed)| route::may_follow(*rule, failed, &next.capabilities, onward))
        })
    }

    /// Whether the candidate is not even expected to answer in the time left. Somebody has to be asked, so not the last.
    pub(super) fn is_too_slow(&self, candidate: &Candidate, last: bool) -> bool {
        let left = self.content_by.saturating_duration_since(self.case.engine.clock.now());
        !last && candidate.forecast.samples > 0 && self.case.predicted(candidate.forecast.p50_s) > left
    }

    /// Everybody had a turn: waits for the moment to ask again, or says that there is none.
    pub(super) async fn another_round(&mut self) -> bool {
        let called = self.ledger.attempts() > self.calls_before;
        if (called && self.round >= ROUNDS) || self.spare.is_some() {
            return false;
        }
        let left = self.content_by.saturating_duration_since(self.case.engine.clock.now());
        let all = self.content_by.saturating_duration_since(self.ledger.started());
        let Some(opens_in) = self.opens_in() else { return false };
        let (low, high) = PAUSE_S;
        let pause = opens_in.max(Duration::from_secs_f64(self.case.engine.random.between(low, high)));
        let waited = self.waited + pause;
        if waited > LONGEST_WAIT.min(all / LARGEST_SHARE) || left.saturating_sub(pause) < WORTH_IT {
            return false;
        }
        let open = |turn: &&mut Turn| !turn.out;
        self.turns.iter_mut().filter(open).for_each(|turn| (turn.asked, turn.rests) = (false, false));
        let untried = (0..self.turns.len()).filter(|index| self.is_untried(*index)).count();
        if !self.budget.new_round(untried) {
            return false;
        }
        self.round += u32::from(called);
        self.waited = waited;
        self.calls_before = self.ledger.attempts();
        self.ledger.new_round();
        self.case.engine.observer.note(Note::RoundStarted {
            id: self.case.request.id,
            round: self.round,
            pause,
        });
        sleep(pause).await;
        true
    }

    fn is_untried(&self, index: usize) -> bool {
        self.is_open(index)
            && self.may_follow(index)
            && self.turns.get(index).is_some_and(|turn| !turn.called)
    }

    /// When the first of those that may be asked again would be admitted. An open breaker is not waited for: there are
    /// last resorts, and clients are told when to come back.
    fn opens_in(&self) -> Option<Duration> {
        let waits =
            self.candidates.iter().zip(&self.turns).enumerate().filter_map(|(index, (candidate, turn))| {
                if turn.out || !self.may_follow(index) {
                    return None;
                }
                match candidate.state.refusal() {
                    None => Some(Duration::ZERO),
                    Some(refusal) => match refusal.gate {
                        Gate::Rate | Gate::Pace => refusal.retry_in,
                        Gate::Concurrency => Some(Duration::ZERO),
                        Gate::Breaker
                        | Gate::Credential
                        | Gate::Quota
                        | Gate::MissingModel
                        | Gate::TooSlow
                        | Gate::NoAdapter => None,
                    },
                }
            });
        waits.min()
    }
}
