//! When nobody answered: calls to those who rest, an empty answer that was kept, or one honest error.

use std::sync::Arc;

use futures_util::stream;

use super::Walk;
use super::flight::Won;
use crate::attempt::EmptyAnswer;
use crate::class::Class;
use crate::note::Outcome;
use crate::reply::{ClientError, Reply};
use crate::rule;

impl Walk {
    /// Everybody who was admitted has failed: those who rest are asked after all, once and in their order, as far as their
    /// credit goes. To move on comes before asking anybody again.
    pub(super) async fn last_resorts(&mut self) -> Option<Won> {
        let candidates = Arc::clone(&self.candidates);
        let resting = self.turns.iter().filter(|turn| turn.rests).count();
        for (index, candidate) in candidates.iter().enumerate() {
            if !self.turns.get_mut(index).is_some_and(|turn| std::mem::take(&mut turn.rests) && !turn.called)
                || !self.may_follow(index)
                || !self.budget.has_attempts()
                || self.case.engine.clock.now() >= self.content_by
            {
                continue;
            }
            let last = !self.turns.iter().any(|turn| turn.rests);
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
        self.ledger.ended(Outcome::Failed, class);
        Reply::Failed { error, trail: self.ledger.trail() }
    }
}
