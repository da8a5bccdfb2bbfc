//! The live stream's bus: notes go in from the request path, batches come out ten times a second for whoever watches.
//!
//! Invariants: the request path does atomics and one `try_send`, and nothing at all while nobody watches; a full queue
//! loses notes, counted, and slows nobody; a batch is written once, however many watch; a watcher that lags costs no
//! memory: it is told that there is a gap, and begins afresh. What the stream shows is a sample where there is too much
//! to show; the figures beside it are exact.

mod batch;
mod ring;
#[cfg(test)]
mod tests;
mod watcher;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use seawall_core::note::Note;
use serde_json::value::RawValue;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::batch::{Batch, Draft};
pub(crate) use self::batch::{Gap, Snapshot, Told};
use self::ring::Ring;
use super::figures::{Counter, Sheet};
use super::names::{self, key};

/// Notes between the request path and the next batch: at 10 Hz enough for 80,000 a second.
const QUEUE: usize = 8_192;
/// Batches that a watcher may lag behind: about six seconds.
const LAG: usize = 64;
/// How often there is a batch, if anything happened.
const BEAT: Duration = Duration::from_millis(100);
/// A watcher hears something at least so often.
const SILENCE: Duration = Duration::from_secs(5);
/// How often the state of targets stands in a batch.
const TARGETS_EVERY: Duration = Duration::from_secs(1);
/// Events go on being kept so long for a watcher that comes back.
const LINGER: Duration = Duration::from_secs(60);
/// Watchers at a time.
pub(crate) const MOST_WATCHERS: usize = 32;

/// What stands beside events: the state of the house.
pub(crate) trait Scene: Send + Sync {
    /// Everything, for who begins to watch.
    fn whole(&self) -> Box<RawValue>;
    /// The sums, and the targets when they are asked for.
    fn sums(&self, targets: bool) -> Box<RawValue>;
}

/// The bus.
pub(crate) struct Live {
    queue: mpsc::Sender<(SystemTime, Note)>,
    /// Until the loop takes it.
    arrivals: Mutex<Option<mpsc::Receiver<(SystemTime, Note)>>>,
    /// Somebody watches, or did a moment ago.
    awake: AtomicBool,
    wake: Notify,
    watchers: AtomicUsize,
    dropped: Counter,
    batches: broadcast::Sender<Arc<Batch>>,
    ring: Mutex<Ring>,
    /// Distinguishes this process' sequence from the one before it.
    boot: u32,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("watchers", &self.watchers).finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn new() -> Self {
        let (queue, arrivals) = mpsc::channel(QUEUE);
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        let boot = RandomState::new().hash_one(0) as u32;
        Self {
            queue,
            arrivals: Mutex::new(Some(arrivals)),
            awake: AtomicBool::new(false),
            wake: Notify::new(),
            watchers: AtomicUsize::new(0),
            dropped: Counter::default(),
            batches: broadcast::Sender::new(LAG),
            ring: Mutex::new(Ring::default()),
            boot,
        }
    }

    /// Whether notes are wanted.
    pub(super) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::Relaxed)
    }

    /// Takes a note in, or counts it as lost. Never waits.
    pub(super) fn offer(&self, note: Note) {
        if self.queue.try_send((SystemTime::now(), note)).is_err() {
            self.dropped.one();
        }
    }

    pub(super) fn gather(&self, sheet: &mut Sheet) {
        sheet.put(&names::QUEUE_DROPPED, [(key::QUEUE, "stream".into())], &self.dropped);
        sheet.put(&names::WATCHERS, [], self.watchers.load(Ordering::Relaxed));
    }

    /// Makes batches until the process ends. One loop; a second one has nothing to do.
    pub(crate) async fn run(self: Arc<Self>, scene: Arc<dyn Scene>) {
        let taken = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut arrivals) = taken else { return };
        let mut reported = 0;
        loop {
            while !self.is_awake() {
                self.wake.notified().await;
            }
            self.beat(&mut arrivals, scene.as_ref(), &mut reported).await;
        }
    }

    /// Batches for as long as somebody watches, and a while beyond.
    /// `reported` are the lost notes that watchers know of.
    async fn beat(
        &self,
        arrivals: &mut mpsc::Receiver<(SystemTime, Note)>,
        scene: &dyn Scene,
        reported: &mut u64,
    ) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        let (mut spoke, mut targets_at, mut watched) = (last, None, last);
        loop {
            let now = beats.tick().await;
            let mut draft = Draft::new(now.saturating_duration_since(last));
            last = now;
            while let Ok((at, note)) = arrivals.try_recv() {
                draft.take(at, note);
                if draft.len() >= QUEUE {
                    break;
                }
            }
            let dropped = self.dropped.get();
            draft.lost(dropped - std::mem::replace(reported, dropped));
            if self.watchers.load(Ordering::Acquire) > 0 {
                watched = now;
            } else if now.saturating_duration_since(watched) > LINGER {
                self.sleep(arrivals);
                return;
            }
            if draft.is_empty() && now.saturating_duration_since(spoke) < SILENCE {
                continue;
            }
            spoke = now;
            let targets = targets_at.is_none_or(|at| now.saturating_duration_since(at) >= TARGETS_EVERY);
            if targets {
                targets_at = Some(now);
            }
            let sums = scene.sums(targets || draft.is_about_targets());
            let batch = self.ring().enter(draft, &sums, self.boot);
            // An error means that the last watcher has just left.
            drop(self.batches.send(batch));
        }
    }

    /// Nobody watches any more. What happens meanwhile is a gap for whoever comes back.
    fn sleep(&self, arrivals: &mut mpsc::Receiver<(SystemTime, Note)>) {
        self.awake.store(false, Ordering::Release);
        while arrivals.try_recv().is_ok() {}
        self.ring().forget();
        // Who came in between saw the bus awake and woke nobody.
        if self.watchers.load(Ordering::Acquire) > 0 {
            self.rouse();
        }
    }

    fn rouse(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
