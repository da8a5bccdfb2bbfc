//! The keeper: takes what the writer has no room for to the spill file, and keeps ids reserved ahead of requests.
//!
//! A writer that waits for a disk can be waited for by nobody; this thread never touches the database. It sleeps until its
//! bell rings: ids get scarce, the writer has no room, or the trail ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::entry::{Handed, Row};
use super::ids::Bell;
use super::run::RunFile;

/// Between two looks while something is spilled or does not work.
const TICK: Duration = Duration::from_millis(50);
/// Longest wait for the bell. Nothing hangs on it.
const REST: Duration = Duration::from_secs(5);
/// Most entries that are written at a time.
const BATCH: usize = 1_000;
/// How long the writer is waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    too_many: Receiver<Handed>,
    /// None: ids of this run cannot be reserved.
    run: Option<RunFile>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, too_many: Receiver<Handed>, run: RunFile) -> Self {
        Self { shared, too_many, run: Some(run) }
    }

    pub(super) fn run(mut self) {
        while !self.shared.is_closed() {
            let reserved = self.reserve();
            let spilled = self.spill();
            if reserved && !spilled { Bell::wait(REST) } else { sleep(TICK) }
        }
        let until = Instant::now() + LAST_WORDS;
        while !self.shared.written.load(SeqCst) && Instant::now() < until {
            self.spill();
            sleep(Duration::from_millis(1));
        }
        self.spill();
        self.leave();
    }

    /// Whether there was anything.
    fn spill(&self) -> bool {
        let mut any = false;
        loop {
            let rows: Vec<Row> = self.shared.rows(&self.too_many, BATCH).collect();
            if rows.is_empty() {
                return any;
            }
            any = true;
            self.shared.spill_or_drop(&rows);
        }
    }

    /// Whether that worked.
    fn reserve(&mut self) -> bool {
        let Some(run) = &mut self.run else { return true };
        match run.keep_ahead(self.shared.ids.upcoming(), Instant::now()) {
            Ok(scarce_at) => {
                // Where that is past already, the next one rings.
                self.shared.ids.ring_at(scarce_at);
                true
            }
            Err(error) => {
                self.shared.trouble(&format!("ids cannot be reserved: {error}"));
                // What nobody knows to be reserved is given out under a name that is not accounted for.
                if self.shared.ids.upcoming() + 64 > run.reserved() {
                    self.shared.ids.start_anew();
                    self.run = None;
                }
                false
            }
        }
    }

    /// A run with nothing left behind needs no file; one with a spill file is found by it.
    fn leave(self) {
        let Some(mut run) = self.run else { return };
        let clean = self.shared.written.load(SeqCst) && self.shared.spill().is_empty();
        let left = if clean { run.remove() } else { run.stop(self.shared.ids.upcoming()) };
        if let Err(error) = left {
            tracing::warn!(%error, "the audit trail's last word could not be written");
        }
    }
}
