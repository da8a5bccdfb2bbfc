//! What is known about the trail itself: how many entries went where, and whether anything is wrong.
//!
//! Every entry that was handed over is counted once as stored, spilled or dropped; while some are under way the sum is
//! short of `produced` by those. After a clean stop nothing is under way.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

/// Sums since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) produced: AtomicU64,
    pub(super) stored: AtomicU64,
    /// In the spill file, and not in the database yet.
    pub(super) spilled: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Of earlier runs' spill files.
    pub(super) recovered: AtomicU64,
    /// Ids of earlier runs that are on record nowhere, at most.
    pub(super) lost: AtomicU64,
    pub(super) database_bytes: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    what: String,
}

/// The sums at one moment, as the API shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditFigures)]
pub struct Figures {
    /// `ok`, or `trouble`: entries are kept elsewhere, or not at all.
    pub state: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// For how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble_s: Option<u64>,
    /// Entries that were handed over since the start.
    pub produced: u64,
    /// Of those, in the database.
    pub stored: u64,
    /// Of those, in the spill file, waiting for the database.
    pub spilled: u64,
    /// Of those, gone.
    pub dropped: u64,
    /// Of those, under way.
    pub under_way: u64,
    /// Entries that earlier runs had spilled and that are in the database now.
    pub recovered: u64,
    /// Ids that earlier runs may have given out and that are on record nowhere; found at this start.
    pub lost_at_most: u64,
    /// Size of the database's content.
    pub database_bytes: u64,
}

impl Counters {
    /// One more was handed over. In one order with the word that the trail is closed, so that whoever ends it sees either.
    pub(super) fn produce(&self) {
        self.produced.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }

    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Relaxed);
    }

    /// Whether everything that was handed over is somewhere.
    pub(super) fn is_settled(&self) -> bool {
        // Read first: what is handed over meanwhile only makes it larger.
        let settled = self.stored.load(Relaxed) + self.spilled.load(Relaxed) + self.dropped.load(Relaxed);
        settled >= self.produced.load(Relaxed)
    }

    /// Something is wrong from now on; whether that is new.
    pub(super) fn trouble(&self, what: &str) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble.as_mut() {
            Some(known) => {
                what.clone_into(&mut known.what);
                false
            }
            None => {
                *trouble = Some(Trouble { since: Instant::now(), what: what.to_owned() });
                true
            }
        }
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// All is well again; whether it was not.
    pub(super) fn well(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    pub(super) fn figures(&self) -> Figures {
        let (stored, spilled) = (self.stored.load(Relaxed), self.spilled.load(Relaxed));
        let (dropped, produced) = (self.dropped.load(Relaxed), self.produced.load(Relaxed));
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        Figures {
            state: if trouble.is_some() { "trouble" } else { "ok" },
            trouble: trouble.as_ref().map(|trouble| trouble.what.clone()),
            trouble_s: trouble.as_ref().map(|trouble| trouble.since.elapsed().as_secs()),
            produced,
            stored,
            spilled,
            dropped,
            under_way: produced.saturating_sub(stored + spilled + dropped),
            recovered: self.recovered.load(Relaxed),
            lost_at_most: self.lost.load(Relaxed),
            database_bytes: self.database_bytes.load(Relaxed),
        }
    }
}
