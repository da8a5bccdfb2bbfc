//! Credit: how many calls a resting target gets, of requests that have nobody else to go to.
//!
//! A breaker says that a target fails too often to be asked first. It cannot say whether the target is dead or only
//! unreliable, and where everybody else has failed that is the question: a dead one should be left alone, one that
//! answers every other call is the difference between an answer and an error. Only its answers tell. So there may be as
//! many calls past a resting breaker at once as there is credit; an answer earns three, and a failure costs one.
//!
//! - A target that answers more than a quarter of such calls serves everybody who needs it: credit grows with the calls that
//!   are made, to four times as many as wait.
//! - A dead one gets twenty calls, and then one for every hundred requests that are refused for want of credit (to all
//!   resting targets of a request together): a share of the traffic. It shows the end of an outage early, and even though
//!   a provider asked for a long rest.
//!
//! A target whose credit has fallen below fifteen is likely dead: before it is asked, everybody else may be asked once more.
//!
//! Nobody begins with more than twenty, and what was earned beyond is halved every minute: an outage is never met with the
//! credit of better days.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{Mutex, MutexGuard};

/// What a target has as long as nothing is known against it.
const USUAL: f64 = 20.0;
/// With less, nearly all of the latest calls have failed.
const TRUSTED: f64 = 15.0;
/// What an answer earns.
const ANSWER: f64 = 3.0;
/// Credit grows to so many times the calls that wait.
const AHEAD: f64 = 4.0;
/// Requests refused that are worth one call.
const REQUESTS: f64 = 100.0;
/// What is above the usual is halved in this time.
const HALVED: Duration = Duration::from_mins(1);
/// Hundredths do not add up exactly.
const ROUNDING: f64 = 1e-6;

/// One target's credit.
#[derive(Debug, Default)]
pub(super) struct Credit(Mutex<Account>);

#[derive(Debug)]
struct Account {
    credit: f64,
    /// Up to when it was halved; none before the first word.
    settled: Option<Instant>,
    /// Calls on credit that wait for content.
    waiting: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self { credit: USUAL, settled: None, waiting: 0 }
    }
}

impl Account {
    fn settle(&mut self, now: Instant) {
        let before = self.settled.replace(now);
        if self.credit > USUAL
            && let Some(before) = before
        {
            let passed = now.saturating_duration_since(before).as_secs_f64() / HALVED.as_secs_f64();
            self.credit = USUAL + (self.credit - USUAL) * (-passed).exp2();
        }
    }

    fn is_left(&self) -> bool {
        self.credit + ROUNDING >= f64::from(self.waiting) + 1.0
    }
}

impl Credit {
    /// Whether a call could be made, and is likely to be answered.
    pub(super) fn is_trusted(&self) -> bool {
        let account = self.lock();
        account.is_left() && account.credit >= TRUSTED
    }

    /// Calls that could be made at once, beside those that wait.
    pub(super) fn left(&self, now: Instant) -> u32 {
        let mut account = self.lock();
        account.settle(now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded down, and 0 if negative"
        )]
        let all = (account.credit + ROUNDING) as u32;
        all.saturating_sub(account.waiting)
    }

    /// Takes the place of one call, until it is given back. A request that gets none pays in for those that come later: its
    /// part, where it meets so many resting targets.
    pub(super) fn take(&self, now: Instant, among: usize) -> bool {
        let mut account = self.lock();
        account.settle(now);
        if account.is_left() {
            account.waiting += 1;
            return true;
        }
        let among = u32::try_from(among).unwrap_or(u32::MAX).max(1);
        account.credit += (REQUESTS * f64::from(among)).recip();
        false
    }

    /// A call on credit no longer waits.
    pub(super) fn give_back(&self) {
        let mut account = self.lock();
        account.waiting = account.waiting.saturating_sub(1);
    }

    /// Any call was answered.
    pub(super) fn answered(&self, now: Instant) {
        let mut account = self.lock();
        account.settle(now);
        let most = USUAL.max(AHEAD * f64::from(account.waiting));
        if account.credit < most {
            account.credit = most.min(account.credit + ANSWER);
        }
    }

    /// Any call failed.
    pub(super) fn failed(&self, now: Instant) {
        let mut account = self.lock();
        account.settle(now);
        account.credit = (account.credit - 1.0).max(0.0);
    }

    /// Nothing is known against the target.
    pub(super) fn reset(&self) {
        let mut account = self.lock();
        *account = Account { waiting: account.waiting, ..Account::default() };
    }

    /// Each step leaves a valid account, so a lock poisoned by a foreign panic is still good.
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Calls made and answered on credit, of so many requests that need one at a time, where this share is answered.
    fn calls(requests: u32, at_once: usize, share: f64) -> (u32, u32) {
        let (credit, random, now) = (Credit::default(), Random::seeded(5), Instant::now());
        let (mut made, mut answered) = (0, 0);
        for _ in 0..requests / u32::try_from(at_once).unwrap() {
            let admitted = (0..at_once).filter(|_| credit.take(now, 1)).count();
            for _ in 0..admitted {
                made += 1;
                if random.unit() < share {
                    answered += 1;
                    credit.answered(now);
                } else {
                    credit.failed(now);
                }
                credit.give_back();
            }
        }
        (made, answered)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_target_gets_twenty_calls_and_a_hundredth() {
        assert_eq!(calls(20, 1, 0.0).0, 20);
        assert_eq!(calls(20 + 100, 1, 0.0).0, 20);
        assert_eq!(calls(20 + 101, 1, 0.0).0, 21);
        assert_eq!(calls(20 + 100 * 101, 1, 0.0).0, 120);
        let (made, _) = calls(10_000, 50, 0.0);
        assert!((110..=120).contains(&made), "however many come at once: {made}");
    }

    #[tokio::test(start_paused = true)]
    async fn dead_targets_share_the_hundredth() {
        let now = Instant::now();
        let all: Vec<Credit> = (0..4).map(|_| Credit::default()).collect();
        (0..20).for_each(|_| all.iter().for_each(|of| of.failed(now)));
        let mut calls = 0;
        for _ in 0..40_000 {
            for credit in all.iter().filter(|of| of.take(now, 4)) {
                calls += 1;
                credit.failed(now);
                credit.give_back();
            }
        }
        assert!((380..=400).contains(&calls), "{calls}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreliable_target_serves_everybody_who_needs_it() {
        for (at_once, share) in [(1, 0.5), (1, 0.8), (100, 0.5), (1_000, 0.6)] {
            let (made, _) = calls(200_000, at_once, share);
            assert!(made > 190_000, "{at_once} at once, {share} answered: {made}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_answers_less_than_a_quarter_gets_a_small_share() {
        for share in [0.05, 0.1, 0.15] {
            let (made, answered) = calls(100_000, 10, share);
            assert!(made < 4_000, "{share}: {made} calls, {answered} answers");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_not_met_with_the_credit_of_better_days() {
        let credit = Credit::default();
        let at_once = || {
            let taken = (0..10_000).take_while(|_| credit.take(Instant::now(), 1)).count();
            (0..taken).for_each(|_| credit.give_back());
            taken
        };
        (0..1_000).for_each(|_| credit.answered(Instant::now()));
        assert_eq!(at_once(), 20, "nobody needed more");
        for _ in 0..20 {
            let taken = (0..200).filter(|_| credit.take(Instant::now(), 1)).count();
            (0..taken).for_each(|_| credit.answered(Instant::now()));
            (0..taken).for_each(|_| credit.give_back());
        }
        assert_eq!(at_once(), 800, "two hundred were answered at once");
        tokio::time::advance(HALVED).await;
        assert_eq!(at_once(), 20 + 780 / 2);
        tokio::time::advance(20 * HALVED).await;
        assert_eq!(at_once(), 20);
    }
}
