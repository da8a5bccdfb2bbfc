//! The database: one table, written by one thread, read by anybody.
//!
//! SQLite in its write-ahead mode: readers never wait for the writer nor it for them, and a process that is killed leaves
//! a database that is whole. Each batch is one transaction, with the system when it is counted as stored and on disk a
//! second later. Several gateways may share a database; SQLite's own lock keeps them apart.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::entry::Row;
use super::ids::Run;

/// Behind whatever another process does with the database.
const PATIENCE: Duration = Duration::from_millis(250);
/// Rows that are deleted at a time: a batch that waits for them waits a few milliseconds.
const DELETED_AT_ONCE: u32 = 500;
/// Bytes of a page. An entry has nearly one KiB: four times SQLite's usual size means a quarter of the calls to the system,
/// and less room that stays empty.
const PAGE_BYTES: u32 = 16 << 10;
/// Pages that the write-ahead log may have before the writer itself moves them to the database: 64 MiB.
const LONGEST_LOG: u32 = 4_096;
/// Pages that are given back to the system at a time.
const FREED_AT_ONCE: u32 = 64;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        seq INTEGER PRIMARY KEY,
        id INTEGER NOT NULL UNIQUE,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        request INTEGER,
        alias TEXT,
        outcome TEXT,
        marks TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS by_time ON entries (at);
    CREATE INDEX IF NOT EXISTS by_request ON entries (request) WHERE request IS NOT NULL;
    CREATE INDEX IF NOT EXISTS breakers ON entries (seq) WHERE kind = 'breaker';
";
const VERSION: i64 = 1;

/// Why the database does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says why.
    #[error("{}", cause(.0))]
    Database(#[from] rusqlite::Error),
    /// Written by a newer gateway.
    #[error(
        "the audit database has version {0}, this gateway knows {VERSION}; set [audit] dir to another place"
    )]
    Version(i64),
    /// The file system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Cause and fix for what operators meet most.
fn cause(error: &rusqlite::Error) -> String {
    let fix = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "make room on its disk",
        Some(ErrorCode::ReadOnly) => "make its file and folder writable",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds its lock; end that"
        }
        Some(ErrorCode::CannotOpen) => "look whether its folder exists and is writable",
        Some(ErrorCode::SystemIoFailure) => "look after its disk",
        _ => return error.to_string(),
    };
    format!("{error}: {fix}")
}

/// The file in the audit's folder.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("audit.db")
}

/// The writer's connection.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    /// A word to whoever waits for the disk.
    written: SyncSender<()>,
}

impl Store {
    /// Opens the database, making it if need be. One that is no database is set aside. Says a word to `written` whenever
    /// something is to be put on disk.
    pub(super) fn open(dir: &Path, written: &SyncSender<()>) -> Result<Self, StoreError> {
        match Self::try_open(dir, written) {
            Err(StoreError::Database(error))
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
                ) =>
            {
                let aside = set_aside(dir)?;
                tracing::warn!(%error, aside = %aside.display(), "the audit database was damaged and is set aside");
                Self::try_open(dir, written)
            }
            other => other,
        }
    }

    fn try_open(dir: &Path, written: &SyncSender<()>) -> Result<Self, StoreError> {
        let path = path(dir);
        private(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        // Both only have an effect before the first table is made.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // The settler waits for the disk. Where it cannot keep up, the writer does its work before the log grows without end.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", LONGEST_LOG)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            VERSION => {}
            0 => {
                connection.execute_batch(SCHEMA)?;
                connection.pragma_update(None, "user_version", VERSION)?;
            }
            newer => return Err(StoreError::Version(newer)),
        }
        Ok(Self { connection, written: written.clone() })
    }

    /// Writes all rows or none; how many of them were new. A row whose id is there already is one that a spill file held,
    /// too.
    pub(super) fn insert(&mut self, rows: &[Row]) -> Result<usize, StoreError> {
        const INSERT: &str = "INSERT INTO entries (id, at, kind, request, alias, outcome, marks, body) \
                              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut new = 0;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for row in rows {
                new += insert.execute(params![
                    signed(row.id),
                    row.at,
                    row.kind,
                    row.request.map(signed),
                    row.alias,
                    row.outcome,
                    row.marks,
                    row.body
                ])?;
            }
        }
        transaction.commit()?;
        // One word waits already, or nobody listens.
        let _told = self.written.try_send(());
        Ok(new)
    }

    /// Writes what stands there already, to see whether that is possible.
    pub(super) fn try_write(&self) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "user_version", VERSION)?)
    }

    /// Entries with ids of a run, from its first on and before `end`.
    pub(super) fn count(&self, run: Run, end: u64) -> Result<u64, StoreError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM entries WHERE id >= ?1 AND id < ?2",
            params![signed(run.first()), signed(end.min(run.end()))],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Bytes that hold entries; the file may be larger for a while.
    pub(super) fn bytes(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| -> rusqlite::Result<i64> {
            self.connection.pragma_query_value(None, name, |row| row.get(0))
        };
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok(pages.unsigned_abs() * pragma("page_size")?.unsigned_abs())
    }

    /// Deletes some of what is older than `before` or beyond `most` bytes, the oldest first; whether there is more.
    pub(super) fn retain(&self, before: i64, most: u64) -> Result<bool, StoreError> {
        const OLD: &str = "DELETE FROM entries WHERE seq IN \
                           (SELECT seq FROM entries WHERE at < ?1 ORDER BY at LIMIT ?2)";
        let mut deleted = self.connection.prepare_cached(OLD)?.execute(params![before, DELETED_AT_ONCE])?;
        if deleted == 0 && self.bytes()? > most {
            deleted = self.connection.prepare_cached(OLD)?.execute(params![i64::MAX, DELETED_AT_ONCE])?;
        }
        if deleted > 0 {
            self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({FREED_AT_ONCE})"))?;
        }
        Ok(deleted > 0)
    }

    /// For tests: makes every write fail as it would on a file system of this kind.
    #[cfg(test)]
    pub(super) fn hinder(&self, pragma: &str) {
        self.connection.execute_batch(pragma).unwrap();
    }
}

/// Puts on disk whatever was written before. Opened for each time: a database may have been set aside since the last.
pub(super) fn settle(dir: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path(dir), flags)?;
    connection.busy_timeout(PATIENCE)?;
    // It says how far it came; a reader may keep it from the end, until the next time.
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// SQLite knows signed numbers; ids use 63 bits.
pub(super) fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// Private from its first moment; SQLite gives its side files the same mode.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // An existing one that cannot be written is SQLite's to complain about, in its words.
        Err(_) if path.exists() => Ok(()),
        other => other.map(drop),
    }
}

fn set_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let now = super::entry::millis(std::time::SystemTime::now());
    let aside = dir.join(format!("audit.db.damaged-{now}"));
    fs::rename(path(dir), &aside)?;
    // Side files of another database would damage the new one.
    for side in ["audit.db-wal", "audit.db-shm"] {
        drop(fs::remove_file(dir.join(side)));
    }
    Ok(aside)
}
