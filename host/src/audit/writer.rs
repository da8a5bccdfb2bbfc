//! The writer: gathers what is handed over, and stores it in batches. It alone writes to the database.
//!
//! It waits for a first entry, then a moment for more, so that a busy gateway costs it ten transactions a second and an
//! idle one nothing. What the database does not take goes to the spill file at once: a kill costs no more than what was
//! handed over in the last moment.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use seawall_core::request::RequestId;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Shared;
use super::entry::{Handed, Row, millis};
use super::figures::Counters;
use super::pace::Pace;
use super::run::RunFile;
use super::shape::{self, Body};
use super::spill::Spill;
use super::store::{Store, StoreError};

/// How long a batch waits for more.
const GATHER: Duration = Duration::from_millis(100);
/// How long nothing may happen before the house is looked after.
const IDLE: Duration = Duration::from_millis(250);
/// Most entries of one transaction: as many as the usual queue holds, so that a batch a tenth of a second keeps up with it.
const BATCH: usize = 8_192;
/// Entries that are read back from a spill file at a time.
const CHUNK: usize = 1_000;
/// Between two tries of a database that does not work.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at how large the database is.
const WEIGH: Duration = Duration::from_secs(1);
/// Between two looks for what is too old or too much.
const RETAIN: Duration = Duration::from_secs(10);
/// How long stragglers are waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    shared: Arc<Shared>,
    handed: Receiver<Handed>,
    /// To the settler, for the store.
    written: SyncSender<()>,
    store: Option<Store>,
    retry_at: Instant,
    weigh_at: Instant,
    retain_at: Instant,
    pace: Pace,
    /// Kept for its room.
    batch: Vec<Row>,
    /// Runs that ended without a word; none as long as nobody has looked.
    dead: Option<Vec<Dead>>,
}

/// A run that is gone, and what it left.
struct Dead {
    run: RunFile,
    spill: Spill,
    recovered: u64,
    torn: u64,
}

/// What is put on record about a run that ended without a word.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = AuditKilledRun)]
pub(super) struct Killed {
    run: String,
    stored: u64,
    recovered: u64,
    lost_at_most: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, handed: Receiver<Handed>, written: SyncSender<()>) -> Self {
        let now = Instant::now();
        let pace = Pace::new(GATHER, shared.settings.queue, BATCH);
        Self {
            shared,
            handed,
            written,
            store: None,
            retry_at: now,
            weigh_at: now,
            retain_at: now,
            pace,
            batch: Vec::new(),
            dead: None,
        }
    }

    /// Until the trail is closed and everything is settled.
    pub(super) fn run(mut self) {
        self.open();
        while !self.shared.is_closed() {
            self.gather();
            let busy = self.batch.len() >= BATCH;
            self.keep();
            if !busy {
                self.look_after_the_house();
            }
        }
        let shared = Arc::clone(&self.shared);
        self.leave();
        shared.written.store(true, SeqCst);
    }

    /// What is handed over, as rows.
    fn gather(&mut self) {
        let Ok(first) = self.handed.recv_timeout(IDLE) else { return };
        self.batch.push(self.shared.row(&first));
        let until = Instant::now() + GATHER;
        loop {
            let had = self.batch.len();
            self.batch.extend(self.shared.rows(&self.handed, BATCH - had));
            let left = until.saturating_duration_since(Instant::now());
            if self.batch.len() >= BATCH || left.is_zero() || self.shared.is_closed() {
                return;
            }
            self.pace.came(self.batch.len() - had);
            sleep(self.pace.pause().min(left));
        }
    }

    /// The batch to the database, else to the spill file.
    fn keep(&mut self) {
        let mut rows = std::mem::take(&mut self.batch);
        if !rows.is_empty() {
            match self.open().map(|store| store.insert(&rows)) {
                Some(Ok(_)) => {
                    Counters::add(&self.shared.counters.stored, rows.len());
                    self.shared.well();
                }
                Some(Err(error)) => {
                    self.gave_up(&error);
                    self.shared.spill_or_drop(&rows);
                }
                None => self.shared.spill_or_drop(&rows),
            }
        }
        rows.clear();
        self.batch = rows;
    }

    /// The database, if it is there or can be opened; one that does not work is tried once a second.
    fn open(&mut self) -> Option<&mut Store> {
        if self.store.is_none() {
            if Instant::now() < self.retry_at {
                return None;
            }
            match Store::open(&self.shared.settings.dir, &self.written) {
                Ok(store) => self.store = Some(store),
                Err(error) => self.gave_up(&error),
            }
        }
        self.store.as_mut()
    }

    /// It is opened afresh: a connection that has failed may go on failing after its cause is gone.
    fn gave_up(&mut self, error: &StoreError) {
        self.store = None;
        self.retry_at = Instant::now() + RETRY;
        self.shared.trouble(&error.to_string());
    }

    /// A little of everything that can wait.
    fn look_after_the_house(&mut self) {
        if self.open().is_none() {
            return;
        }
        self.weigh();
        let done = self.take_in_own().and_then(|()| self.take_in_dead()).and_then(|()| self.retain());
        match done.and_then(|()| self.try_again()) {
            Ok(()) => {}
            Err(error) => self.gave_up(&error),
        }
    }

    /// How large it is. Asking takes as long as storing some dozens of rows.
    fn weigh(&mut self) {
        let now = Instant::now();
        if now < self.weigh_at {
            return;
        }
        self.weigh_at = now + WEIGH;
        if let Some(Ok(bytes)) = self.store.as_ref().map(Store::bytes) {
            self.shared.counters.database_bytes.store(bytes, Relaxed);
        }
    }

    /// After trouble nothing is well before something could be written.
    fn try_again(&self) -> Result<(), StoreError> {
        match &self.store {
            Some(store) if self.shared.counters.is_in_trouble() => {
                store.try_write()?;
                self.shared.well();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was spilled goes where it belongs.
    fn take_in_own(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let chunk = self.shared.spill().read(CHUNK)?;
        if chunk.rows.is_empty() && chunk.torn == 0 {
            return Ok(());
        }
        store.insert(&chunk.rows)?;
        let counters = &self.shared.counters;
        let torn = usize::try_from(chunk.torn).unwrap_or(usize::MAX);
        // First out, then in: seen in between, they are under way.
        counters.spilled.fetch_sub((chunk.rows.len() + torn) as u64, Relaxed);
        Counters::add(&counters.stored, chunk.rows.len());
        Counters::add(&counters.dropped, torn);
        Ok(self.shared.spill().took(&chunk)?)
    }

    /// What runs left that were killed, a chunk at a time.
    fn take_in_dead(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        if self.dead.is_none() {
            let (dir, most) = (&self.shared.settings.dir, self.shared.settings.max_spill_bytes);
            let dead = RunFile::dead(dir)?.into_iter();
            let dead =
                dead.map(|run| Dead { spill: Spill::new(dir, run.run, most), run, recovered: 0, torn: 0 });
            self.dead = Some(dead.collect());
        }
        let Some(mut dead) = self.dead.as_mut().and_then(Vec::pop) else { return Ok(()) };
        let read = dead.spill.read(CHUNK).map_err(StoreError::from).and_then(|chunk| {
            let new = store.insert(&chunk.rows)?;
            dead.recovered += new as u64;
            dead.torn += chunk.torn;
            Counters::add(&self.shared.counters.recovered, new);
            Ok(dead.spill.took(&chunk)?)
        });
        if read.is_err() || !dead.spill.is_empty() {
            self.dead.get_or_insert_default().push(dead);
            return read;
        }
        self.account_for(dead)
    }

    /// Everything that a dead run left is in: what it reserved and is not there is missing.
    fn account_for(&mut self, dead: Dead) -> Result<(), StoreError> {
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let Dead { run, spill, recovered, .. } = dead;
        let stored = store.count(run.run, run.reserved())?;
        let lost = run.reserved().saturating_sub(run.run.first()).saturating_sub(stored);
        let killed = Killed { run: run.run.digits(), stored, recovered, lost_at_most: lost };
        let (id, outcome) = (self.shared.ids.next(), if run.stopped { "taken_in" } else { "killed" });
        let body = shape::json(&Body::Killed(killed.clone()));
        store.insert(&[Row::run(id, SystemTime::now(), outcome, body)])?;
        self.shared.counters.lost.fetch_add(lost, Relaxed);
        tracing::warn!(
            run = killed.run,
            stopped = run.stopped,
            stored,
            recovered,
            lost_at_most = lost,
            "an earlier run left something behind; what it had put aside is on record now"
        );
        spill.remove()?;
        Ok(run.remove()?)
    }

    /// What is too old or too much goes, the oldest first.
    fn retain(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if now < self.retain_at {
            return Ok(());
        }
        let Some(store) = self.store.as_ref() else { return Ok(()) };
        let settings = &self.shared.settings;
        let before = SystemTime::now().checked_sub(settings.max_age).map_or(0, millis);
        let more = store.retain(before, settings.max_bytes)?;
        self.retain_at = if more { now } else { now + RETAIN };
        Ok(())
    }

    /// The last entries, and a word about the run.
    fn leave(mut self) {
        let until = Instant::now() + LAST_WORDS;
        self.retry_at = Instant::now();
        loop {
            self.batch.extend(self.shared.rows(&self.handed, BATCH));
            let none = self.batch.is_empty();
            self.keep();
            if none && (self.shared.counters.is_settled() || Instant::now() > until) {
                break;
            }
            if none {
                sleep(Duration::from_millis(1));
            }
        }
        while self.open().is_some() && !self.shared.spill().is_empty() && Instant::now() < until {
            if let Err(error) = self.take_in_own() {
                self.gave_up(&error);
            }
        }
        self.say_goodbye();
    }

    fn say_goodbye(&mut self) {
        let body = shape::json(&Body::Stopped(self.shared.counters.figures()));
        let id: RequestId = self.shared.ids.next();
        let row = Row::run(id, SystemTime::now(), "stopped", body);
        if let Some(Err(error)) = self.open().map(|store| store.insert(&[row])) {
            self.gave_up(&error);
        }
    }
}
