//! How one generation is doing: counts, mean time, and the strikes that may cost it its place.
//!
//! Three strikes in a minute from distinct requests, with at least half of the last twenty calls made for requests that
//! it failed, trip it: an adapter that writes requests well and fails to read every answer fails every request. One
//! client that repeats one poisonous request adds a single strike, whatever it does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;
use crate::diagnose::{Code, Problem};
use crate::lock;

const WINDOW: Duration = Duration::from_secs(60);
const STRIKES: usize = 3;
const RECENT: usize = 20;
/// Weight of one call in the moving average, as a divisor.
const SMOOTHING: u64 = 16;

/// Health of one generation.
#[derive(Debug)]
pub(crate) struct Vitals {
    slow_us: u64,
    calls: AtomicU64,
    faults: AtomicU64,
    total_us: AtomicU64,
    average_us: AtomicU64,
    slow: AtomicBool,
    pub(crate) live: Arc<AtomicU32>,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// For which request each of the last calls was made, and whether it failed.
    recent: VecDeque<(u64, bool)>,
    strikes: Strikes,
    last: Option<Problem>,
    tripped_at: Option<Duration>,
}

/// When and by which request; at most [`STRIKES`] are ever needed.
#[derive(Debug, Default)]
struct Strikes(VecDeque<(Duration, u64)>);

impl Strikes {
    fn add(&mut self, now: Duration, fingerprint: u64) {
        self.forget(now);
        self.0.retain(|(_, known)| *known != fingerprint);
        self.0.push_back((now, fingerprint));
        while self.0.len() > STRIKES {
            self.0.pop_front();
        }
    }

    fn forget(&mut self, now: Duration) {
        self.0.retain(|(at, _)| now.saturating_sub(*at) < WINDOW);
    }
}

impl Vitals {
    pub(crate) fn new(slow: Duration) -> Self {
        Self {
            slow_us: micros(slow),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            total_us: AtomicU64::new(0),
            average_us: AtomicU64::new(0),
            slow: AtomicBool::new(false),
            live: Arc::default(),
            record: Mutex::default(),
        }
    }

    /// Enters one call; true when the generation has just lost its place.
    #[must_use]
    pub(crate) fn enter(&self, took: Duration, fingerprint: u64, problem: Option<&Problem>) -> bool {
        self.time(took, problem.is_some_and(|p| p.code == Code::Deadline));
        let blamed = problem.is_some_and(|p| p.code.blames_plugin());
        let mut record = lock(&self.record);
        if record.recent.len() >= RECENT {
            record.recent.pop_front();
        }
        record.recent.push_back((fingerprint, blamed));
        let Some(problem) = problem.filter(|_| blamed) else { return false };
        self.faults.fetch_add(1, Ordering::Relaxed);
        record.last = Some(problem.clone());
        record.strike(clock::uptime(), fingerprint)
    }

    /// One slow call says little (the machine may be busy), a missed deadline says all.
    fn time(&self, took: Duration, missed_deadline: bool) {
        let took_us = micros(took);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(took_us, Ordering::Relaxed);
        let sample = took_us.min(self.slow_us * 10);
        let old = self.average_us.load(Ordering::Relaxed);
        // A lost update under contention costs one sample of an average.
        let mut average = old - old / SMOOTHING + sample / SMOOTHING;
        if missed_deadline {
            average = average.max(self.slow_us * 4);
        }
        self.average_us.store(average, Ordering::Relaxed);
        if average > self.slow_us {
            self.slow.store(true, Ordering::Relaxed);
        } else if average < self.slow_us / 2 {
            self.slow.store(false, Ordering::Relaxed);
        }
    }

    /// Whether calls belong on the pool of slow plugins.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Forgets the trial calls of the load.
    pub(crate) fn forget(&self) {
        for counter in [&self.calls, &self.faults, &self.total_us, &self.average_us] {
            counter.store(0, Ordering::Relaxed);
        }
        self.slow.store(false, Ordering::Relaxed);
        *lock(&self.record) = Record::default();
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Mean wall time of a call in microseconds.
    pub(crate) fn mean_us(&self) -> u64 {
        self.total_us.load(Ordering::Relaxed) / self.calls().max(1)
    }

    pub(crate) fn strikes(&self) -> usize {
        let mut record = lock(&self.record);
        record.strikes.forget(clock::uptime());
        record.strikes.0.len()
    }

    pub(crate) fn last_problem(&self) -> Option<Problem> {
        lock(&self.record).last.clone()
    }
}

impl Record {
    fn strike(&mut self, now: Duration, fingerprint: u64) -> bool {
        self.strikes.add(now, fingerprint);
        let failed = |request: u64| self.recent.iter().any(|(known, fault)| *fault && *known == request);
        let faulty = self.recent.iter().filter(|(request, _)| failed(*request)).count();
        let rested = self.tripped_at.is_none_or(|at| now.saturating_sub(at) >= WINDOW);
        let tripped = rested && self.strikes.0.len() >= STRIKES && faulty * 2 >= self.recent.len();
        if tripped {
            self.tripped_at = Some(now);
        }
        tripped
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap() -> Problem {
        Problem::new(Code::Trap, "unreachable")
    }

    fn enter(vitals: &Vitals, fingerprint: u64, fails: bool) -> bool {
        vitals.enter(Duration::from_micros(5), fingerprint, fails.then(trap).as_ref())
    }

    fn vitals() -> Vitals {
        Vitals::new(Duration::from_millis(2))
    }

    #[test]
    fn three_distinct_requests_trip_it_once() {
        let vitals = vitals();
        assert_eq!([1, 2, 3, 4].map(|n| enter(&vitals, n, true)), [false, false, true, false]);
        assert_eq!(vitals.faults(), 4);
    }

    #[test]
    fn failing_late_in_each_request_trips_it_too() {
        let vitals = vitals();
        // Writes the request, opens a decoder, fails to read: twice a request.
        let call = |call: u64| enter(&vitals, call / 6, call % 3 == 2);
        assert_eq!((0..18).filter(|n| call(*n)).collect::<Vec<_>>(), [14]);
    }

    #[test]
    fn one_request_repeated_is_one_strike() {
        let vitals = vitals();
        assert!((0..1000).all(|_| !enter(&vitals, 7, true)));
        assert_eq!(vitals.strikes(), 1);
    }

    #[test]
    fn a_mostly_healthy_plugin_keeps_its_place() {
        let vitals = vitals();
        for n in 0..300 {
            assert!(!enter(&vitals, n, n % 3 == 0), "one call in three fails");
        }
        assert_eq!(vitals.strikes(), 3);
    }

    #[test]
    fn a_full_pool_is_no_fault() {
        let vitals = vitals();
        let busy = Problem::new(Code::Busy, "x");
        assert!((0..10).all(|n| !vitals.enter(Duration::ZERO, n, Some(&busy))));
        assert_eq!((vitals.faults(), vitals.strikes()), (0, 0));
    }

    #[test]
    fn slow_on_average_or_once_over_the_deadline() {
        let slow = vitals();
        assert!(!slow.enter(Duration::from_millis(100), 0, None) && !slow.is_slow(), "one outlier");
        for _ in 0..20 {
            let _ = slow.enter(Duration::from_millis(5), 0, None);
        }
        assert!(slow.is_slow());
        for _ in 0..100 {
            let _ = slow.enter(Duration::from_micros(10), 0, None);
        }
        assert!(!slow.is_slow(), "it behaves again");
        let _ = slow.enter(Duration::from_millis(20), 0, Some(&Problem::new(Code::Deadline, "x")));
        assert!(slow.is_slow());
    }
}
