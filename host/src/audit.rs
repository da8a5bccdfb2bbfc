//! The audit trail: every request accounted for, without ever slowing one.
//!
//! A request hands its record over once, when it has ended, with one `try_send`. Three threads of the audit's own do the
//! rest: the *writer* makes rows of what it is handed and stores them in batches; the *settler* waits for the disk in its
//! stead; the *keeper* takes what the writer has no room for to a spill file, and keeps ids reserved. Formatting, redacting
//! and files are never on a request's thread.
//!
//! | room | what is decided there |
//! |---|---|
//! | `ids`, `run` | who is called what, and what must be missing after a kill |
//! | `entry`, `shape`, `packed` | what is handed over, and the JSON that is kept of it |
//! | `content`, `redact` | what client and model said, if that is kept, and what never is |
//! | `writer`, `pace`, `store` | batches into the database, retention |
//! | `settler` | when that is on disk |
//! | `keeper`, `spill` | where entries go while the database does not take them |
//! | `figures` | how many went where |
//! | `query` | reading |
//!
//! Invariants: handing over never waits, never fails and does no I/O; `produced = stored + spilled + dropped` once nothing
//! is under way; an id is on record at most once; no secret, and no content that was not asked for.
//!
//! When the database stalls, fills up or cannot be written: entries are spilled, then dropped and counted; the log and
//! the status say so; what was spilled is taken in when the database is back, or at the next start.

mod content;
mod entry;
mod figures;
mod ids;
mod keeper;
mod pace;
mod packed;
mod query;
mod redact;
mod run;
mod settler;
mod shape;
mod spill;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TrySendError::{Disconnected, Full};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use seawall_core::note::Note;
use seawall_core::record::Twin;
use seawall_core::request::RequestId;

use self::content::Heard;
pub use self::content::{ContentRules, Tap};
use self::entry::{Change, Entry, Handed, Row};
pub use self::entry::{Deed, Kind, Refusal};
use self::figures::Counters;
pub use self::figures::Figures;
pub use self::ids::{Ids, parse_id};
use self::keeper::Keeper;
pub use self::query::{Filter, LARGEST_PAGE, Listed, Page, Place, QueryError, Reader, Whole, parse_moment};
pub use self::redact::{Patterns, Redaction};
use self::run::RunFile;
use self::settler::Settler;
use self::spill::Spill;
pub use self::store::StoreError;
use self::writer::Writer;
use crate::state::make_private_dir;
use crate::tasks::{self, Thread};
use tokio::time::timeout;

/// Longest order of an operator that is kept, in bytes.
const ORDER_BYTES: usize = 4 << 10;

/// A database that stalls keeps nobody from stopping.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

/// What the trail keeps, where, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Keep a trail.
    pub enabled: bool,
    /// The trail's folder.
    pub dir: PathBuf,
    /// Entries that may wait for the writer, and as many again for the keeper.
    pub queue: usize,
    /// Older entries are deleted.
    pub max_age: Duration,
    /// The oldest entries are deleted while the database holds more bytes.
    pub max_bytes: u64,
    /// The spill file grows no larger.
    pub max_spill_bytes: u64,
    /// What of requests' content is kept.
    pub content: ContentRules,
}

impl Settings {
    /// On, without content, in this folder.
    pub fn usual(dir: PathBuf) -> Self {
        Self {
            enabled: true,
            dir,
            queue: 8_192,
            max_age: Duration::from_hours(30 * 24),
            max_bytes: 1 << 30,
            max_spill_bytes: 256 << 20,
            content: ContentRules::default(),
        }
    }
}

/// The trail. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    queue: SyncSender<Handed>,
    overflow: SyncSender<Handed>,
    threads: Mutex<Vec<Thread>>,
}

/// What the desk and its threads know.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    ids: Arc<Ids>,
    counters: Counters,
    redaction: Arc<dyn Redaction>,
    /// Nothing more is handed over.
    closed: AtomicBool,
    /// The writer has written its last.
    written: AtomicBool,
    spill: Mutex<Spill>,
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nothing more is handed over.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ids.bell().ring();
    }

    fn spill(&self) -> std::sync::MutexGuard<'_, Spill> {
        self.spill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, handed: &Handed) -> Row {
        Row::of(handed, &*self.redaction)
    }

    /// What waits there, as rows: at most so many, and none is waited for.
    fn rows(&self, handed: &Receiver<Handed>, most: usize) -> impl Iterator<Item = Row> {
        handed.try_iter().take(most).map(|handed| self.row(&handed))
    }

    /// To the spill file, or else counted as dropped.
    fn spill_or_drop(&self, rows: &[Row]) {
        let spilled = self.spill().append(rows);
        let kept = match &spilled {
            Ok(kept) => *kept,
            Err(error) => {
                self.trouble(&format!("entries cannot be spilled: {error}"));
                0
            }
        };
        Counters::add(&self.counters.spilled, kept);
        let dropped = rows.len() - kept;
        Counters::add(&self.counters.dropped, dropped);
        if dropped > 0 && spilled.is_ok() {
            self.trouble("the spill file is full, entries are dropped");
        }
    }

    /// Says so, once for as long as it lasts.
    fn trouble(&self, what: &str) {
        if self.counters.trouble(what) {
            tracing::warn!(
                why = what,
                dir = %self.settings.dir.display(),
                "the audit trail cannot be written; requests go on, entries are spilled and later dropped"
            );
        }
    }

    fn well(&self) {
        if self.counters.well() {
            tracing::info!("the audit trail is written again");
        }
    }
}

impl Audit {
    /// Begins a trail. Returns at once, whatever state the database is in; a folder that cannot be used is an error.
    pub fn start(settings: Settings, redaction: Option<Arc<dyn Redaction>>) -> io::Result<Self> {
        make_private_dir(&settings.dir).map_err(io::Error::other)?;
        let ids = Arc::new(Ids::new());
        let run = RunFile::create(&settings.dir, ids.run())?;
        let spill = Spill::new(&settings.dir, ids.run(), settings.max_spill_bytes);
        let (queue, handed) = sync_channel(settings.queue);
        let (overflow, too_many) = sync_channel(settings.queue);
        let shared = Arc::new(Shared {
            redaction: redaction.unwrap_or_else(|| Arc::new(settings.content.redact)),
            settings,
            ids,
            counters: Counters::default(),
            closed: AtomicBool::new(false),
            written: AtomicBool::new(false),
            spill: Mutex::new(spill),
        });
        let (wrote, written) = sync_channel(1);
        let writer = Writer::new(Arc::clone(&shared), handed, wrote);
        let settler = Settler::new(Arc::clone(&shared), written);
        let keeper = Keeper::new(Arc::clone(&shared), too_many, run);
        let keeper = tasks::thread("audit-keeper", move || keeper.run())?;
        shared.ids.bell().wakes(keeper.handle());
        let threads = vec![
            tasks::thread("audit-writer", move || writer.run())?,
            tasks::thread("audit-settler", move || settler.run())?,
            keeper,
        ];
        Ok(Self(Arc::new(Desk { shared, queue, overflow, threads: Mutex::new(threads) })))
    }

    /// The ids of this run.
    pub fn ids(&self) -> &Arc<Ids> {
        &self.0.shared.ids
    }

    /// How many entries went where.
    pub fn figures(&self) -> Figures {
        self.0.shared.counters.figures()
    }

    /// For reading it.
    pub fn reader(&self) -> Reader {
        Reader::new(&self.0.shared.settings.dir)
    }

    /// What content is to be kept.
    pub fn content_rules(&self) -> &ContentRules {
        &self.0.shared.settings.content
    }

    /// Puts on record what is worth it.
    pub fn note(&self, note: &Note) {
        match note {
            Note::RequestEnded(record) => {
                self.take(record.id, record.started, Entry::Request(Arc::clone(record)));
            }
            Note::RequestRefused { id, protocol, status, code, .. } => {
                let refusal = Refusal { protocol: *protocol, status: *status, code: code.clone() };
                self.take(*id, SystemTime::now(), Entry::Refusal(refusal));
            }
            Note::TwinEnded { id, twin } => self.twin(*id, twin),
            Note::CircuitChanged { target, from, to, reason, open_for, causes } => {
                self.put(Entry::Breaker(Box::new(Change {
                    target: target.clone(),
                    from: *from,
                    to: *to,
                    reason,
                    open_for: *open_for,
                    causes: causes.clone(),
                })));
            }
            _ => {}
        }
    }

    /// Puts on record what an operator did.
    pub fn operator(&self, mut deed: Deed) {
        let cut = deed.order.floor_char_boundary(ORDER_BYTES);
        deed.order.truncate(cut);
        self.put(Entry::Operator(Box::new(deed)));
    }

    fn twin(&self, request: RequestId, twin: &Arc<Twin>) {
        self.put(Entry::Twin { request, twin: Arc::clone(twin) });
    }

    fn content(&self, heard: Heard) {
        self.put(Entry::Content(Box::new(heard)));
    }

    /// An entry that has no id yet.
    fn put(&self, entry: Entry) {
        self.take(self.0.shared.ids.next(), SystemTime::now(), entry);
    }

    fn take(&self, id: RequestId, at: SystemTime, entry: Entry) {
        let shared = &self.0.shared;
        shared.counters.produce();
        if shared.is_closed() || !self.hand(Handed { id, at, entry }) {
            Counters::add(&shared.counters.dropped, 1);
        }
    }

    /// To the writer, else to the keeper; false when neither has room.
    fn hand(&self, handed: Handed) -> bool {
        let Desk { shared, queue, overflow, .. } = &*self.0;
        let Err(Full(handed) | Disconnected(handed)) = queue.try_send(handed) else { return true };
        let room = overflow.try_send(handed).is_ok();
        shared.ids.bell().ring();
        room
    }

    /// Ends the trail: everything that was handed over is stored, spilled or counted as dropped when this is ready.
    pub async fn close(&self) {
        self.0.shared.close();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if timeout(LONGEST_GOODBYE, thread.ended()).await.is_err() {
                tracing::warn!("the audit trail waits for its disk and is left to itself");
            }
        }
        let figures = self.figures();
        let (produced, stored, spilled, dropped) =
            (figures.produced, figures.stored, figures.spilled, figures.dropped);
        tracing::info!(produced, stored, spilled, dropped, "the audit trail is closed");
    }
}

impl Drop for Desk {
    /// Nobody closed it; its threads end all the same.
    fn drop(&mut self) {
        self.shared.close();
    }
}
