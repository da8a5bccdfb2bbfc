//! A pace learned from refusals: a provider that says "too many" has also shown how many it takes.
//!
//! After a 429 calls go out at nine tenths of the rate that was accepted in the last ten seconds, through a bucket of two;
//! the pace grows by 3 % a second, so that a limit that was lifted is found out, and is forgotten when it is so high that it
//! limits nobody. It is a guess of ours, not the provider's word: a request that has nowhere else to go may pass, for the
//! worst that can happen is an honest refusal.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const SHARE: f64 = 0.9;
/// Never slower than this, or nothing would be learned any more.
const LEAST_PER_S: f64 = 0.5;
const GROWTH_PER_S: f64 = 1.03;
/// A pace above this limits nobody.
const FORGOTTEN_PER_S: f64 = 500.0;
/// Calls that may go out together.
const BUCKET: f64 = 2.0;
/// Seconds over which the accepted rate is taken, the present one included.
const SPAN_S: u64 = 10;
/// Slots of seconds; a power of two above the span.
const SLOTS: usize = 16;

/// What was admitted, second by second, and what was learned from it.
#[derive(Debug)]
pub(crate) struct Pace {
    epoch: Instant,
    /// The second in the upper half, calls in it in the lower.
    admitted: [AtomicU64; SLOTS],
    /// A pace is kept; lets a call skip the lock.
    learned: AtomicBool,
    bucket: Mutex<Option<Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_s: f64,
    calls: f64,
    as_of: Instant,
}

impl Pace {
    /// Nothing learned.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            admitted: Default::default(),
            learned: AtomicBool::new(false),
            bucket: Mutex::new(None),
        }
    }

    /// Takes a call's place in the bucket, or says when there will be one. `anyway`: takes it even if there is none.
    pub(crate) fn take(&self, now: Instant, anyway: bool) -> Result<(), Duration> {
        if !self.learned.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut kept = self.lock();
        let Some(bucket) = self.brought_up(&mut kept, now) else { return Ok(()) };
        if bucket.calls < 1.0 && !anyway {
            return Err(bucket.wait());
        }
        bucket.calls = (bucket.calls - 1.0).max(0.0);
        Ok(())
    }

    /// The call did not go out.
    pub(crate) fn give_back(&self) {
        if self.learned.load(Ordering::Relaxed)
            && let Some(bucket) = self.lock().as_mut()
        {
            bucket.calls = (bucket.calls + 1.0).min(BUCKET);
        }
    }

    /// How long until a call may go out; none when it may now.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        if !self.learned.load(Ordering::Relaxed) {
            return None;
        }
        let mut kept = self.lock();
        let bucket = self.brought_up(&mut kept, now)?;
        (bucket.calls < 1.0).then(|| bucket.wait())
    }

    /// Calls a second, while a pace is kept.
    pub(crate) fn per_s(&self, now: Instant) -> Option<f64> {
        if !self.learned.load(Ordering::Relaxed) {
            return None;
        }
        self.brought_up(&mut self.lock(), now).map(|bucket| bucket.per_s)
    }

    /// A call goes out.
    pub(crate) fn admitted(&self, now: Instant) {
        let second = self.second(now);
        let Some(slot) = self.slot(second) else { return };
        let known = slot.load(Ordering::Relaxed);
        if known >> 32 == second {
            slot.fetch_add(1, Ordering::Relaxed);
        } else {
            // Of two that start the same second one may get lost; the rate is an estimate.
            let _lost =
                slot.compare_exchange(known, (second << 32) | 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A call that went out at `admitted` was refused as one too many.
    pub(crate) fn limited(&self, now: Instant, admitted: Instant) {
        self.take_back(admitted);
        let per_s = (SHARE * self.accepted_per_s(now)).max(LEAST_PER_S);
        let mut kept = self.lock();
        let before = self.brought_up(&mut kept, now).map_or(per_s, |bucket| bucket.per_s);
        *kept = Some(Bucket { per_s: per_s.min(before), calls: 0.0, as_of: now });
        self.learned.store(true, Ordering::Relaxed);
    }

    /// Forgets the pace.
    pub(crate) fn reset(&self) {
        *self.lock() = None;
        self.learned.store(false, Ordering::Relaxed);
    }

    fn take_back(&self, admitted: Instant) {
        let second = self.second(admitted);
        let fewer = |known: u64| (known >> 32 == second && known & 0xffff_ffff > 0).then(|| known - 1);
        if let Some(slot) = self.slot(second) {
            let _gone = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        }
    }

    fn accepted_per_s(&self, now: Instant) -> f64 {
        let second = self.second(now);
        let oldest = (second + 1).saturating_sub(SPAN_S);
        let counts = self.admitted.iter().map(|slot| slot.load(Ordering::Relaxed));
        let fresh = counts.filter(|known| (oldest..=second).contains(&(known >> 32)));
        let calls = fresh.map(|known| known & 0xffff_ffff).sum::<u64>();
        let begun = now.saturating_duration_since(self.epoch).subsec_nanos();
        #[expect(clippy::cast_precision_loss, reason = "calls of ten seconds and ten seconds are small")]
        let (calls, whole) = (calls as f64, (SPAN_S - 1) as f64);
        calls / (whole + f64::from(begun) / 1e9)
    }

    /// Fills the bucket up to `now`; forgets it when nobody is limited by it.
    fn brought_up<'a>(&self, kept: &'a mut Option<Bucket>, now: Instant) -> Option<&'a mut Bucket> {
        let bucket = kept.as_mut()?;
        let passed = now.saturating_duration_since(bucket.as_of).as_secs_f64();
        bucket.per_s *= GROWTH_PER_S.powf(passed);
        bucket.calls = (bucket.calls + passed * bucket.per_s).min(BUCKET);
        bucket.as_of = bucket.as_of.max(now);
        if bucket.per_s > FORGOTTEN_PER_S {
            *kept = None;
            self.learned.store(false, Ordering::Relaxed);
        }
        kept.as_mut()
    }

    /// Seconds since the epoch, as many as fit beside a count: those of a century.
    fn second(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.epoch).as_secs() & 0xffff_ffff
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        self.admitted.get(usize::try_from(second).ok()? % SLOTS)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bucket>> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn wait(&self) -> Duration {
        Duration::from_secs_f64(((1.0 - self.calls) / self.per_s).clamp(0.001, 1.0 / LEAST_PER_S))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls once every `every` ms for `seconds` against a provider that takes `limit` a second (bucket of twice that),
    /// and says how many it took and how many it refused. Refusals close no other gate here.
    fn run(pace: &Pace, from: Instant, seconds: u64, every_ms: u64, limit: f64) -> (u32, u32) {
        let (mut taken, mut refused, mut bucket) = (0, 0, 2.0 * limit);
        let step = Duration::from_millis(every_ms);
        let mut now = from;
        while now < from + Duration::from_secs(seconds) {
            now += step;
            bucket = (bucket + limit * step.as_secs_f64()).min(2.0 * limit);
            if pace.take(now, false).is_err() {
                continue;
            }
            pace.admitted(now);
            if bucket >= 1.0 {
                bucket -= 1.0;
                taken += 1;
            } else {
                refused += 1;
                pace.limited(now, now);
            }
        }
        (taken, refused)
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_learned_and_used() {
        let pace = Pace::new(Instant::now());
        let (taken, refused) = run(&pace, Instant::now(), 300, 50, 8.0);
        assert!(refused <= 80, "one of four seconds, not twelve a second: {refused}");
        assert!(taken >= 300 * 8 * 85 / 100, "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lifted_limit_is_found_out() {
        let start = Instant::now();
        let pace = Pace::new(start);
        run(&pace, start, 60, 50, 8.0);
        let lifted = start + Duration::from_secs(60);
        assert!(pace.per_s(lifted).is_some_and(|per_s| (6.0..11.0).contains(&per_s)));
        let (taken, refused) = run(&pace, lifted, 60, 50, 100.0);
        assert_eq!(refused, 0);
        assert!(taken > 60 * 14, "{taken}");
        assert_eq!(pace.per_s(start + Duration::from_mins(6)), None, "forgotten");
        assert_eq!(pace.left(start + Duration::from_mins(6)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_at_the_start_leaves_what_was_accepted() {
        let now = Instant::now();
        let pace = Pace::new(now);
        (0..100).for_each(|_| pace.admitted(now));
        (0..40).for_each(|_| pace.limited(now + Duration::from_millis(80), now));
        let per_s = pace.per_s(now + Duration::from_millis(80)).unwrap();
        assert!((5.0..7.0).contains(&per_s), "nine tenths of 60 in about nine seconds: {per_s}");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_tell_the_time() {
        let now = Instant::now();
        let pace = Pace::new(now);
        assert_eq!(pace.take(now, false), Ok(()));
        pace.admitted(now);
        pace.limited(now, now);
        assert_eq!(pace.take(now, false), Err(Duration::from_secs(2)), "the slowest pace there is");
        assert_eq!(pace.take(now, true), Ok(()), "who has nowhere else to go passes");
        let later = now + Duration::from_secs(2);
        assert_eq!((pace.left(later), pace.take(later, false)), (None, Ok(())));
        assert!(pace.take(later, false).is_err());
        pace.give_back();
        assert_eq!(pace.take(later, false), Ok(()));
        pace.reset();
        assert_eq!(pace.take(later, false), Ok(()));
    }
}
