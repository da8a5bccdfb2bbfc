//! The settler: makes what the writer wrote outlive the machine's power.
//!
//! A killed gateway loses nothing that the system has taken, so the writer waits for no disk: it would fall behind a slow
//! one, and what waits for it then is what a kill takes. This thread does the waiting, once a second while something is
//! written: it moves what is in the write-ahead log to the database, which puts both on disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::store;

/// Most that a machine without power loses.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) struct Settler {
    shared: Arc<Shared>,
    /// A word after something was written; nobody speaks any more when the writer is gone.
    written: Receiver<()>,
}

impl Settler {
    pub(super) fn new(shared: Arc<Shared>, written: Receiver<()>) -> Self {
        Self { shared, written }
    }

    pub(super) fn run(self) {
        while self.written.recv().is_ok() {
            self.wait();
            if let Err(error) = store::settle(&self.shared.settings.dir) {
                self.shared.trouble(&format!("what is stored cannot be put on disk: {error}"));
            }
        }
    }

    /// Until it is time, or the writer is gone.
    fn wait(&self) {
        let until = Instant::now() + SETTLE;
        loop {
            match self.written.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
