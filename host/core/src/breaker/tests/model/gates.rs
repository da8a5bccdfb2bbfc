//! Gates as the design's sentences say them. Times are distances from the start.

use std::time::Duration;

use super::book::{Book, Row};

const SECOND: Duration = Duration::from_secs(1);

/// What a resting target may still be asked.
pub(super) struct PlainCredit {
    credit: f64,
    settled: Option<Duration>,
    pub(super) waiting: u32,
}

impl Default for PlainCredit {
    fn default() -> Self {
        Self { credit: 20.0, settled: None, waiting: 0 }
    }
}

impl PlainCredit {
    fn settle(&mut self, now: Duration) {
        if let Some(before) = self.settled.filter(|_| self.credit > 20.0) {
            self.credit = 20.0 + (self.credit - 20.0) * (-(now - before).as_secs_f64() / 60.0).exp2();
        }
        self.settled = Some(now);
    }

    /// Calls that may be made at once.
    pub(super) fn left(&mut self, now: Duration) -> u32 {
        self.settle(now);
        (self.waiting + 1..).take_while(|calls| f64::from(*calls) <= self.credit + 1e-6).count() as u32
    }

    pub(super) fn take(&mut self, now: Duration, among: usize) -> bool {
        let admits = self.left(now) > 0;
        match admits {
            true => self.waiting += 1,
            false => self.credit += 0.01 / among as f64,
        }
        admits
    }

    pub(super) fn answered(&mut self, now: Duration) {
        self.settle(now);
        let most = f64::from(4 * self.waiting).max(20.0);
        self.credit = self.credit.max((self.credit + 3.0).min(most));
    }

    pub(super) fn failed(&mut self, now: Duration) {
        self.settle(now);
        self.credit = (self.credit - 1.0).max(0.0);
    }

    pub(super) fn reset(&mut self) {
        (self.credit, self.settled) = (20.0, None);
    }
}

/// Closed until a moment.
#[derive(Default)]
pub(super) struct PlainGate(Option<Duration>);

impl PlainGate {
    pub(super) fn left(&self, now: Duration) -> Option<Duration> {
        self.0.and_then(|until| until.checked_sub(now)).filter(|left| !left.is_zero())
    }

    /// `true` when it was open.
    pub(super) fn close(&mut self, now: Duration, time: Duration) -> bool {
        let was_open = self.left(now).is_none();
        self.0 = self.0.max(Some(now + time));
        was_open
    }

    pub(super) fn open(&mut self) {
        self.0 = None;
    }
}

/// A rate limit.
#[derive(Default)]
pub(super) struct PlainRate {
    pub(super) gate: PlainGate,
    doublings: u32,
    /// Limits without a hint since the last success.
    unhinted: Vec<Duration>,
    storm_told: Option<Duration>,
}

impl PlainRate {
    /// Whether the gate was open, and whether this limit makes a storm.
    pub(super) fn limited(&mut self, now: Duration, hint: Option<Duration>, book: &mut Book) -> (bool, bool) {
        if let Some(hint) = hint {
            book.hit(Row::RateHint);
            return (self.gate.close(now, hint.min(300 * SECOND)), false);
        }
        let lately = |moment: &Duration| now - *moment < 10 * SECOND;
        self.unhinted.push(now);
        let many = self.unhinted.iter().filter(|moment| lately(moment)).count() >= 5;
        let storm = many && !self.storm_told.as_ref().is_some_and(lately);
        if storm {
            self.storm_told = Some(now);
        }
        if self.gate.left(now).is_some() {
            book.hit(Row::RateBurst);
            return (false, storm);
        }
        book.hit(if self.doublings == 0 { Row::RateBackoff } else { Row::RateBackoffDoubled });
        let pause = (SECOND * 2_u32.pow(self.doublings.min(10))).min(60 * SECOND);
        self.doublings += 1;
        let pause = pause.mul_f64(book.random.between(0.8, 1.2)).min(60 * SECOND);
        (self.gate.close(now, pause), storm)
    }

    pub(super) fn succeeded(&mut self, book: &mut Book) {
        if self.doublings > 0 {
            book.hit(Row::BackoffForgotten);
        }
        self.doublings = 0;
        self.unhinted.clear();
    }

    pub(super) fn reset(&mut self, book: &mut Book) {
        self.gate.open();
        self.succeeded(book);
    }
}

/// Whether a credential is accepted and has an allowance left.
#[derive(Default)]
pub(super) struct PlainCredential {
    pub(super) refused: PlainGate,
    pub(super) used_up: PlainGate,
}

impl PlainCredential {
    pub(super) fn reset(&mut self) {
        self.refused.open();
        self.used_up.open();
    }
}
