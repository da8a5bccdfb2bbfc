//! How many calls a target may have under way, learned from overload alone.
//!
//! Unlimited until a target keeps saying that it is overloaded or that there are too many; then half of what was under
//! way. Every limit-many good starts add one, and a limit far above what is used is forgotten. Latency does not move it: a
//! gateway is one of many customers, and a slow answer says little about how many calls are too many.
//!
//! A target that answers nobody between two falls is down, and says nothing by it of what it takes when it is well: after
//! that every good start adds one, up to what was under way before the first fall (as TCP starts). Without it, a busy
//! target needed a minute to be its old self.
//!
//! One stray overload lowers nothing. Halving at each would, with one in 300 calls as every provider has, hold a target at
//! about twenty calls for ever (1.2 / sqrt(share), as for a lossy TCP connection). And a burst of overloads is one overload:
//! calls that were under way when the limit fell do not lower it again.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering};

/// So many overloads in this time, and at least every tenth call, lower the limit.
const OVERLOADS: u32 = 3;
const SPAN: Duration = Duration::from_secs(10);
const ONE_OF: u32 = 10;
/// Never lower: with one, a single long answer would lock everybody out.
const LEAST: u32 = 2;
/// A limit is forgotten when it is this many times what was used since it last grew ...
const FAR_ABOVE: u32 = 4;
/// ... and at least this.
const FORGOTTEN_FROM: u32 = 8;

/// Calls under way, and how many there may be.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    under_way: AtomicU32,
    /// 0 = unlimited.
    most: AtomicU32,
    /// Most under way since the limit last changed.
    used: AtomicU32,
    /// Good starts since the limit last changed, or since the first overload that is counted.
    good: AtomicU32,
    learning: Mutex<Learning>,
}

#[derive(Debug, Default)]
struct Learning {
    /// When the first overload that is counted came, and how many since.
    overloads: Option<(Instant, u32)>,
    lowered: Option<Instant>,
    /// A call that was admitted since then has brought content.
    answers: bool,
    /// Under way when the limit fell while calls were answered.
    before: u32,
    /// Below this every good start adds one.
    steep_below: u32,
}

impl Limit {
    /// One more call, if there may be one.
    pub(crate) fn enter(&self) -> bool {
        let now_under_way = self.enter_anyway();
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return true;
        }
        if now_under_way > most {
            self.leave();
            return false;
        }
        self.used.fetch_max(now_under_way, Ordering::Relaxed);
        true
    }

    /// One more call, whatever the limit says.
    pub(crate) fn enter_anyway(&self) -> u32 {
        self.under_way.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// A call ended.
    pub(crate) fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls under way.
    pub(crate) fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// The limit, if there is one.
    pub(crate) fn most(&self) -> Option<u32> {
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most != 0)
    }

    /// Whether one more call would be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.most().is_some_and(|most| self.under_way() >= most)
    }

    /// A call admitted at `admitted`, still under way, met an overload.
    pub(crate) fn overloaded(&self, now: Instant, admitted: Instant) {
        let mut learning = self.lock();
        if learning.lowered.is_some_and(|lowered| admitted < lowered) {
            return;
        }
        let (since, before) = match learning.overloads {
            Some(known) if now.saturating_duration_since(known.0) < SPAN => known,
            _ => {
                // While there is a limit, its growth goes by the same count; a stray overload costs it a little.
                self.good.store(0, Ordering::Relaxed);
                (now, 0)
            }
        };
        let overloads = before.saturating_add(1);
        learning.overloads = Some((since, overloads));
        let calls = overloads.saturating_add(self.good.load(Ordering::Relaxed));
        if overloads < OVERLOADS || overloads.saturating_mul(ONE_OF) < calls {
            return;
        }
        let held = self.under_way();
        let held = self.most().map_or(held, |most| most.min(held));
        let half = (held / 2).max(LEAST);
        // Where nothing was answered since the last time, the target is down rather than too busy.
        let busy = learning.answers || self.most().is_none();
        let before = if busy { held } else { learning.before };
        let steep_below = if busy { half } else { before };
        *learning = Learning { overloads: None, lowered: Some(now), answers: false, before, steep_below };
        self.good.store(0, Ordering::Relaxed);
        self.used.store(held, Ordering::Relaxed);
        self.most.store(half, Ordering::Relaxed);
    }

    /// A call admitted at `admitted`, still under way, brought content.
    pub(crate) fn succeeded(&self, admitted: Instant) {
        let good = self.good.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if self.most().is_none() {
            return;
        }
        let mut learning = self.lock();
        learning.answers |= learning.lowered.is_some_and(|lowered| admitted >= lowered);
        // Whoever held the lock may have taken the limit away, or counted this start already.
        let Some(most) = self.most() else { return };
        let wanted = if most < learning.steep_below { 1 } else { most };
        if good < wanted || self.good.load(Ordering::Relaxed) < wanted {
            return;
        }
        self.good.store(0, Ordering::Relaxed);
        let more = most.saturating_add(1);
        let used = self.used.swap(self.under_way(), Ordering::Relaxed);
        let idle = more >= FORGOTTEN_FROM && more >= used.saturating_mul(FAR_ABOVE);
        self.most.store(if idle { 0 } else { more }, Ordering::Relaxed);
        drop(learning);
    }

    /// Unlimited again.
    pub(crate) fn reset(&self) {
        *self.lock() = Learning::default();
        self.most.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Learning> {
        self.learning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A limit with so many calls under way, lowered once.
    fn lowered(under_way: u32, now: Instant) -> Limit {
        let limit = Limit::default();
        assert!((0..under_way).all(|_| limit.enter()));
        overload(&limit, now);
        limit
    }

    fn overload(limit: &Limit, now: Instant) {
        (0..OVERLOADS).for_each(|_| limit.overloaded(now, now));
    }

    #[tokio::test(start_paused = true)]
    async fn overload_halves_once_a_burst() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let limit = lowered(20, now);
        assert_eq!(limit.most(), Some(10));
        (0..9).for_each(|_| limit.overloaded(now + second, now - second));
        assert_eq!(limit.most(), Some(10), "admitted before the limit fell");
        overload(&limit, now + second);
        assert_eq!(limit.most(), Some(5));
        for n in 2..9 {
            overload(&limit, now + n * second);
        }
        assert_eq!(limit.most(), Some(2), "never nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn strays_lower_nothing() {
        let start = Instant::now();
        let limit = Limit::default();
        assert!((0..100).all(|_| limit.enter()));
        // Twenty calls a second, one of a hundred overloaded; then two at once, and never a third.
        for n in 0..20_000 {
            let now = start + Duration::from_millis(50 * n);
            match n % 100 {
                0 => limit.overloaded(now, now),
                _ => limit.succeeded(now),
            }
        }
        for n in 0..10 {
            let now = start + Duration::from_secs(2_000 + 10 * n);
            (0..2).for_each(|_| limit.overloaded(now, now));
        }
        assert_eq!(limit.most(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn every_tenth_call_overloaded_lowers() {
        let start = Instant::now();
        let limit = Limit::default();
        assert!((0..100).all(|_| limit.enter()));
        for n in 0..60 {
            let now = start + Duration::from_millis(50 * n);
            match n % 9 {
                0 => limit.overloaded(now, now),
                _ => limit.succeeded(now),
            }
        }
        assert!(limit.most().is_some_and(|most| most <= 51), "{:?}", limit.most());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_under_way_stays_and_nobody_new_comes() {
        let limit = lowered(4, Instant::now());
        assert!(!limit.enter() && limit.is_full());
        assert_eq!(limit.under_way(), 4);
        (0..2).for_each(|_| limit.leave());
        assert!(!limit.enter());
        limit.leave();
        assert!(limit.enter() && !limit.enter());
    }

    #[tokio::test(start_paused = true)]
    async fn success_grows_and_a_limit_that_binds_is_kept() {
        let now = Instant::now();
        let limit = lowered(40, now);
        (0..20).for_each(|_| limit.leave());
        for n in 1..=20 {
            limit.succeeded(now);
            assert_eq!(limit.most(), Some(if n < 20 { 20 } else { 21 }), "{n}");
        }
        for _ in 0..1_000 {
            // As many as may are always under way.
            while limit.enter() {}
            limit.succeeded(now);
        }
        assert!(limit.most().is_some_and(|most| (40..60).contains(&most)), "{:?}", limit.most());
    }

    /// It needed a minute of growing by one at a time.
    #[tokio::test(start_paused = true)]
    async fn who_was_down_is_soon_its_old_self() {
        let now = Instant::now();
        let limit = lowered(60, now);
        (0..60).for_each(|_| limit.leave());
        for n in 1..6 {
            assert!(limit.enter());
            overload(&limit, now + n * SPAN);
            limit.leave();
        }
        assert_eq!(limit.most(), Some(LEAST));
        let mut rounds = 0;
        while limit.most().is_some_and(|most| most < 60) {
            let round = (0..60).take_while(|_| limit.enter()).count();
            (0..round).for_each(|_| limit.succeeded(now));
            (0..round).for_each(|_| limit.leave());
            rounds += 1;
        }
        assert!(rounds <= 6, "doubles each round: {rounds}");
        let most = limit.most().unwrap();
        (0..most).for_each(|_| limit.succeeded(now));
        assert_eq!(limit.most(), Some(most + 1), "from there on by one");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_busy_is_not_rushed() {
        let now = Instant::now();
        let limit = lowered(40, now);
        (0..15).for_each(|_| limit.succeeded(now));
        (0..30).for_each(|_| limit.leave());
        overload(&limit, now + SPAN);
        assert_eq!(limit.most(), Some(5));
        (0..5).for_each(|_| limit.succeeded(now));
        assert_eq!(limit.most(), Some(6), "it answered others meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_nobody_reaches_is_forgotten() {
        let now = Instant::now();
        let limit = lowered(4, now);
        (0..4).for_each(|_| limit.leave());
        let mut good = 0;
        while limit.most().is_some() {
            assert!(limit.enter());
            limit.succeeded(now);
            limit.leave();
            good += 1;
        }
        assert!((20..40).contains(&good), "{good}");
    }
}
