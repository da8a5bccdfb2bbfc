//! When nobody answered: calls to those who rest, an empty answer that was kept, or one honest error.

use std::sync::Arc;

use futures_util::stream;

use super::Walk;
use super::flight::Won;
use crate::attempt::EmptyAnswer;
use crate::class::Class;
use crate::reply::{ClientError, Reply};
use crate::rule;

/// Whom to ask of those who rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Who is likely to answer: to move on comes before asking anybody again.
    Earned,
    /// Anybody: there is nothing else left.
    Any,
}

impl Walk {
    /// Everybody who was admitted has failed: those who rest are asked after all, each once and in their order, as far as
    /// their credit goes.
    pub(super) async fn last_resorts(&mut self, trust: Trust) -> Option<Won> {
        let candidates = Arc::clone(&self.candidates);
        let resting = self.turns.iter().filter(|turn| turn.rests).count();
        for (index, candidate) in candidates.iter().enumerate() {
            let Some(turn) = self.turns.get(index).filter(|turn| turn.rests && !turn.called) else {
                continue;
            };
            let wanted = trust == Trust::Any || candidate.state.is_trusted();
            if turn.out || !wanted || !self.may_follow(index) {
                continue;
            }
            if !self.budget.has_attempts() || self.case.engine.clock.now() >= self.content_by {
                break;
            }
            let last = trust == Trust::Any && !self.turns.iter().skip(index + 1).any(|turn| turn.rests);
            if let Some(permit) = candidate.state.try_last_resort(&self.case.ask(candidate, true), resting)
                && let Some(won) = self.call(index, permit, last).await
            {
                return Some(won);
            }
        }
        None
    }

    /// The empty answer if there is one, else one honest error.
    pub(super) fn give_up(mut self) -> Reply {
        let Some((index, translated, answer)) = self.spare.take() else {
            let (error, class) = rule::final_error(&self.failures, &self.refusals);
            return self.refuse(error, class);
        };
        self.commit(index, translated);
        self.ledger.answered(None);
        let trail = self.ledger.trail();
        match answer {
            EmptyAnswer::Plain(body) => Reply::Plain { body, trail },
            EmptyAnswer::Stream(bytes) => Reply::Stream { body: Box::pin(stream::iter([bytes])), trail },
        }
    }

    pub(super) fn refuse(mut self, error: ClientError, class: Option<Class>) -> Reply {
        self.ledger.failed(error.status, class);
        Reply::Failed { error, trail: self.ledger.trail() }
    }
}
