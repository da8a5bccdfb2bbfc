//! What an operator reads in the log.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use seawall_wasm::{HostOptions, State};

use crate::support::*;

/// The log of this process; other tests write into it too.
struct Page;

static TEXT: Mutex<String> = Mutex::new(String::new());

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TEXT.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open_log() {
    static OPENED: OnceLock<()> = OnceLock::new();
    OPENED.get_or_init(|| tracing_subscriber::fmt().json().with_writer(|| Page).init());
}

/// The lines that hold these words.
fn lines(words: &str) -> Vec<String> {
    TEXT.lock().unwrap().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}

#[test]
fn a_folder_that_does_not_exist_yet_is_no_alarm_and_is_followed_once_it_is_there() {
    open_log();
    let options = HostOptions { limits: limits(), watch: true, ..HostOptions::default() };
    let house = House::without_folder(options);
    let folder = house.dir.path().join("later.d");
    let shown = folder.display().to_string();
    eventually("it says so", || !lines(&shown).is_empty());
    std::fs::create_dir(&folder).unwrap();
    house.host.reload();
    let changed = Instant::now();
    std::fs::write(folder.join("rubbish.wasm"), b"rubbish").unwrap();
    let refused = || house.host.status().iter().any(|plugin| plugin.state == State::Rejected);
    eventually("the file is seen", refused);
    assert!(changed.elapsed() < Duration::from_secs(8), "sooner than the next poll");
    let said = lines(&shown);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("INFO") && said[0].contains("does not exist yet"), "{said:?}");
}

#[test]
fn compiling_and_replacing_are_told_plainly() {
    open_log();
    let cache = tempfile::tempdir().unwrap();
    let start = |mark: &str| {
        let options = HostOptions {
            cache_dir: Some(cache.path().join("code")),
            limits: limits(),
            ..HostOptions::default()
        };
        House::with(&[("talked-of", &adapter("", mark))], options)
    };
    let compiled = || lines("compiling talked-of, kept for later starts").len();
    let house = start("1");
    assert_eq!(compiled(), 1);
    drop(start("1"));
    assert_eq!(compiled(), 1, "kept");
    std::fs::write(house.file("talked-of"), adapter("", "2")).unwrap();
    house.host.reload();
    assert_eq!(compiled(), 2, "another version");
    let loaded = lines(r#""plugin":"talked-of""#);
    let replaces = |line: &str| line.contains("replaces");
    assert_eq!(
        loaded.iter().map(|line| replaces(line)).collect::<Vec<_>>(),
        [false, false, true],
        "{loaded:?}"
    );
    assert!(loaded[2].contains(r#""replaces":1"#), "{loaded:?}");
}
