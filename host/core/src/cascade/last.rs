//! When nobody answered: one last real attempt, an empty answer that was kept, or one honest error.

use futures_util::stream;

use super::Walk;
use super::flight::Won;
use crate::attempt::EmptyAnswer;
use crate::class::Class;
use crate::note::{Gate, Outcome};
use crate::reply::{ClientError, Reply};
use crate::rule;

impl Walk {
    /// Every target was refused by its breaker: one real attempt, at the first of those that open soonest which may take
    /// one.
    pub(super) async fn last_resort(&mut self) -> Option<Won> {
        if self.ledger.attempts() > 0 {
            return None;
        }
        let by_breaker = self.refusals.iter().filter(|(_, gate, _)| *gate == Gate::Breaker);
        let mut soonest: Vec<_> = by_breaker.map(|(target, _, wait)| (*wait, target)).collect();
        soonest.sort_by_key(|(wait, _)| *wait);
        let (index, permit) = soonest.into_iter().find_map(|(_, target)| {
            let index = self.candidates.iter().position(|candidate| candidate.target() == target)?;
            let ask = self.case.ask(self.candidates.get(index)?, true);
            let permit = self.case.engine.targets.try_last_resort(target, &self.case.alias.name, &ask)?;
            Some((index, permit))
        })?;
        self.call(index, permit, true).await
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
