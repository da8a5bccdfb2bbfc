//! One who watches.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::batch::{Batch, Gap, Snapshot, message};
use super::{Live, MOST_WATCHERS, Scene};

/// Gets a snapshot, or what it missed, and every batch from then on. Dropping it makes room for another.
pub(crate) struct Watcher {
    live: Arc<Live>,
    scene: Arc<dyn Scene>,
    batches: broadcast::Receiver<Arc<Batch>>,
    /// To be sent before anything new.
    ready: VecDeque<Bytes>,
    /// Of the last event that it has.
    seen: u64,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Live {
    /// Begins to watch, behind the message of this id if that is still known; none while too many do.
    pub(crate) fn watch(self: &Arc<Self>, scene: Arc<dyn Scene>, behind: Option<&str>) -> Option<Watcher> {
        let one_more = |now: usize| (now < MOST_WATCHERS).then_some(now + 1);
        self.watchers.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        let mut watcher = Watcher {
            live: Arc::clone(self),
            scene,
            batches: self.batches.subscribe(),
            ready: VecDeque::new(),
            seen: 0,
        };
        self.rouse();
        let ring = self.ring();
        let missed = behind.and_then(|id| self.seq_of(id)).and_then(|seq| Some((seq, ring.behind(seq)?)));
        match missed {
            Some((seq, missed)) => {
                watcher.seen = missed.last().map_or(seq, |batch| batch.last);
                watcher.ready.extend(missed.iter().map(|batch| batch.message.clone()));
            }
            None => {
                let last = ring.last();
                drop(ring);
                watcher.begin_at(last);
            }
        }
        Some(watcher)
    }

    /// The sequence in a message's id, if it is one of this process.
    fn seq_of(&self, id: &str) -> Option<u64> {
        let (boot, seq) = id.split_once('-')?;
        (u32::from_str_radix(boot, 16).ok()? == self.boot).then(|| seq.parse().ok()).flatten()
    }
}

impl Watcher {
    /// The next message; never none, but that the process ends.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            match self.batches.recv().await {
                // Also what a snapshot held already.
                Ok(batch) if batch.events > 0 && batch.last <= self.seen => {}
                Ok(batch) => {
                    self.seen = batch.last;
                    return Some(batch.message.clone());
                }
                Err(RecvError::Lagged(missed)) => {
                    self.batches = self.batches.resubscribe();
                    let last = self.live.ring().last();
                    let gap = Gap { missed_batches: missed };
                    self.ready.push_back(message("gap", self.live.boot, last, &gap));
                    self.begin_at(last);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// A snapshot, and what comes behind this event.
    fn begin_at(&mut self, last: u64) {
        self.seen = last;
        let data = Snapshot { v: 1, seq: last, state: &*self.scene.whole() };
        self.ready.push_back(message("snapshot", self.live.boot, last, &data));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}
