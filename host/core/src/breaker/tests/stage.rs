//! Targets on a stage: time stands until it is told to pass, and everything that is said is kept.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::SystemTime;

use super::super::*;
use crate::note::Note;
use crate::outlook::{CallKind, SizeFactor};
use crate::ports::{Clock, Observer};
use crate::target::TargetId;
use crate::targets::{Ask, Permit, Refusal, TargetState, Targets};

/// First-token time and a second, as the cascade would ask with the default of ten.
pub(super) const LEASE: Duration = Duration::from_secs(11);

/// Moves by hand; the wall clock jumps by hand, too.
#[derive(Debug)]
struct StageClock {
    start: Instant,
    passed_ns: AtomicU64,
    jumped_s: AtomicI64,
}

impl Clock for StageClock {
    fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.passed_ns.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let jumped = self.jumped_s.load(Ordering::Relaxed);
        let distance = Duration::from_secs(jumped.unsigned_abs());
        if jumped < 0 { noon - distance } else { noon + distance }
    }
}

#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<Note>>);

impl Observer for Heard {
    fn note(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }
}

/// Every target's health, its clock and its watcher.
pub(super) struct Stage {
    pub(super) targets: Targets,
    clock: Arc<StageClock>,
    heard: Arc<Heard>,
}

impl Stage {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(seed, BreakerSettings::default())
    }

    pub(super) fn with(seed: u64, settings: BreakerSettings) -> Self {
        let clock = Arc::new(StageClock {
            start: Instant::now(),
            passed_ns: AtomicU64::new(0),
            jumped_s: AtomicI64::new(0),
        });
        let heard = Arc::new(Heard::default());
        let targets = Targets::new(
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(Random::seeded(seed)),
            Arc::clone(&heard) as Arc<dyn Observer>,
            settings,
        );
        Self { targets, clock, heard }
    }

    pub(super) fn pass(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap();
        self.clock.passed_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Somebody sets the machine's clock.
    pub(super) fn jump_wall_clock(&self, seconds: i64) {
        self.clock.jumped_s.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn state(&self, id: &TargetId) -> Arc<TargetState> {
        self.targets.get(id)
    }

    pub(super) fn acquire(
        &self,
        id: &TargetId,
        request: u64,
        lease: Duration,
        only_one_left: bool,
    ) -> Result<Permit, Refusal> {
        acquire(&self.state(id), request, lease, only_one_left)
    }

    pub(super) fn last_resort(&self, id: &TargetId, among: usize, request: u64) -> Option<Permit> {
        self.state(id).try_last_resort(&ask(request, LEASE, true), among)
    }

    /// What was said since the last time.
    pub(super) fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.heard.0.lock().unwrap())
    }
}

/// The one place that knows how a permit is asked for.
pub(super) fn acquire(
    state: &Arc<TargetState>,
    request: u64,
    lease: Duration,
    only_one_left: bool,
) -> Result<Permit, Refusal> {
    state.try_acquire(&ask(request, lease, only_one_left))
}

fn ask(request: u64, lease: Duration, only_one_left: bool) -> Ask {
    let (kind, size) = (CallKind::Streamed, SizeFactor::of_tokens(0));
    Ask { request: RequestId(request), lease, only_one_left, kind, size }
}
