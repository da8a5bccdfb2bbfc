//! A database that stalls, is full or read-only, or is none: nothing is lost, it is said, and it heals.

use std::fs;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rusqlite::Connection;
use seawall_core::note::Outcome;
use tokio::time::Instant;

use super::super::store::{self, Store};
use super::{check_sum, eventually, request, requests, settings, settled, start};
use crate::audit::Settings;

const MANY: usize = 500;
/// So small that entries overflow from it while the writer waits.
const SMALL_QUEUE: usize = 64;

#[tokio::test]
async fn a_locked_database_costs_no_request_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let audit = start(&settings);
    request(&audit, Outcome::Primary);
    settled(&audit);
    let other = Connection::open(store::path(&settings.dir)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    for _ in 0..MANY {
        request(&audit, Outcome::Primary);
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waited for the lock");
    eventually("it is said", || audit.figures().state == "trouble");
    let figures = settled(&audit);
    check_sum(&figures);
    assert!(figures.spilled > 0 && figures.dropped == 0, "{figures:?}");
    assert!(figures.trouble.as_ref().is_some_and(|why| why.contains("lock")), "{figures:?}");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    eventually("it heals", || audit.figures().spilled == 0 && audit.figures().state == "ok");
    assert_eq!(requests(&audit), MANY + 1);
    audit.close().await;
    check_sum(&audit.figures());
}

#[tokio::test]
async fn what_has_no_room_anywhere_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_spill_bytes: 20_000, queue: SMALL_QUEUE, ..settings(folder.path()) };
    let audit = start(&settings);
    request(&audit, Outcome::Primary);
    settled(&audit);
    let other = Connection::open(store::path(&settings.dir)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for _ in 0..MANY {
        request(&audit, Outcome::Primary);
    }
    let figures = settled(&audit);
    check_sum(&figures);
    assert!(figures.spilled > 0 && figures.dropped > 0, "{figures:?}");
    drop(other);
    audit.close().await;
    let figures = audit.figures();
    check_sum(&figures);
    assert_eq!(figures.spilled, 0, "taken in at the end");
}

#[test]
fn a_full_or_read_only_database_says_so_with_what_to_do() {
    for (pragma, advice) in
        [("PRAGMA max_page_count = 1", "make room"), ("PRAGMA query_only = ON", "writable")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (written, _nobody) = sync_channel(1);
        let mut store = Store::open(folder.path(), &written).unwrap();
        store.hinder(pragma);
        let row = crate::audit::entry::Row { id: 1, body: "x".repeat(100_000), ..Default::default() };
        let error = store.insert(std::slice::from_ref(&row)).unwrap_err().to_string();
        assert!(error.contains(advice), "{pragma}: {error}");
        // A connection of its own finds nothing wrong, and nothing half-written.
        let mut store = Store::open(folder.path(), &written).unwrap();
        assert_eq!(store.insert(&[row.clone(), row]).unwrap(), 1, "an id is taken once");
    }
}

/// Entries that came back from a spill file were put on disk only when others followed.
#[test]
fn whoever_writes_says_so_to_who_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (written, words) = sync_channel(1);
    let mut store = Store::open(folder.path(), &written).unwrap();
    assert!(words.try_recv().is_err());
    let row = |id| crate::audit::entry::Row { id, ..Default::default() };
    for id in 1..3 {
        store.insert(&[row(id)]).unwrap();
        store.insert(&[row(id + 100)]).unwrap();
        assert!(words.try_recv().is_ok() && words.try_recv().is_err(), "one word for both");
    }
}

#[tokio::test]
async fn a_damaged_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    fs::create_dir(&settings.dir).unwrap();
    fs::write(store::path(&settings.dir), "this is no database, whatever its name says".repeat(50)).unwrap();
    let audit = start(&settings);
    let id = request(&audit, Outcome::Primary);
    eventually("a new one is written", || audit.reader().whole(id).is_ok());
    let names = fs::read_dir(&settings.dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().any(|name| name.to_string_lossy().contains("damaged")));
    audit.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_keeps_nobody_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { queue: SMALL_QUEUE, ..settings(folder.path()) };
    // A folder stands where the file should.
    fs::create_dir_all(store::path(&settings.dir)).unwrap();
    let audit = start(&settings);
    for _ in 0..MANY {
        request(&audit, Outcome::Primary);
    }
    let began = Instant::now();
    audit.close().await;
    assert!(began.elapsed() < Duration::from_secs(10));
    let figures = audit.figures();
    check_sum(&figures);
    assert_eq!((figures.stored, figures.spilled + figures.dropped), (0, MANY as u64));
    assert!(figures.spilled >= 128, "both queues: {figures:?}");
    // The next start finds the file gone and takes everything in.
    fs::remove_dir(store::path(&settings.dir)).unwrap();
    let next = start(&settings);
    eventually("all that was spilled is on record", || next.figures().recovered == figures.spilled);
    assert_eq!(requests(&next) as u64, figures.spilled);
    next.close().await;
}
