//! Which runs there are, and up to where each has reserved its ids.
//!
//! Each run has a small file that it keeps locked while it lives. In it stands the first id that is *not* reserved yet,
//! in a line of fixed length that is written over in place, so that it can be moved on while a disk is full. A file that
//! nobody holds belongs to a run that was killed, or that left a spill file behind when it stopped: whatever was reserved
//! and is not on record is missing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::ids::Run;

const PREFIX: &str = "run-";
/// What stands behind the number in the file of a run that was stopped in order.
const STOPPED: &str = "stopped";
/// Ids that are reserved ahead at least.
const AHEAD: u64 = 256;
/// And at most: what is given out in this time at the present rate. When half of it is over, more are reserved.
const AHEAD_TIME: Duration = Duration::from_millis(400);
/// Shorter times say nothing about a rate.
const MOMENT: Duration = Duration::from_millis(50);

/// The file of a run that lives, or of a dead one that is being looked after; locked either way.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) run: Run,
    path: PathBuf,
    file: File,
    reserved: u64,
    /// From this upcoming id on more are to be reserved.
    scarce_at: u64,
    /// The upcoming id when that was last done, and when.
    heard: u64,
    heard_at: Instant,
    /// It stopped in order.
    pub(super) stopped: bool,
}

impl RunFile {
    /// For a run that begins. The first block is reserved when this returns.
    pub(super) fn create(dir: &Path, run: Run) -> io::Result<Self> {
        let path = dir.join(format!("{PREFIX}{}", run.digits()));
        // Under another name until it is locked, or somebody who starts at the same moment takes it for a dead run's.
        let aside = dir.join(format!("new-{}", run.digits()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&aside)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut made = Self::new(run, path, file, run.first());
        made.keep_ahead(run.first(), made.heard_at)?;
        fs::rename(&aside, &made.path)?;
        Ok(made)
    }

    fn new(run: Run, path: PathBuf, file: File, reserved: u64) -> Self {
        let (scarce_at, heard, heard_at) = (reserved, reserved, Instant::now());
        Self { run, path, file, reserved, scarce_at, heard, heard_at, stopped: false }
    }

    /// Files of runs that are over without having said so. One that another gateway holds is left alone.
    pub(super) fn dead(dir: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(run) = name.strip_prefix(PREFIX).and_then(Run::parse) else { continue };
            let Ok(mut file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
            if file.try_lock().is_err() {
                continue;
            }
            let mut line = String::new();
            file.read_to_string(&mut line)?;
            let mut words = line.split_ascii_whitespace();
            let reserved = words.next().and_then(|word| word.parse().ok()).unwrap_or(run.first());
            let stopped = words.next() == Some(STOPPED);
            found.push(Self { stopped, ..Self::new(run, path, file, reserved) });
        }
        Ok(found)
    }

    /// The first id that is not reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Keeps the reservation ahead of what is given out. At the id that this returns it is to be called again.
    pub(super) fn keep_ahead(&mut self, upcoming: u64, now: Instant) -> io::Result<u64> {
        if upcoming >= self.scarce_at {
            let time = now.saturating_duration_since(self.heard_at).max(MOMENT);
            let rate = upcoming.saturating_sub(self.heard) as f64 / time.as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, and it saturates"
            )]
            let ahead = AHEAD.max((rate * AHEAD_TIME.as_secs_f64()) as u64);
            self.reserve(upcoming.saturating_add(ahead))?;
            (self.heard, self.heard_at) = (upcoming, now);
            self.scarce_at = self.reserved.saturating_sub(ahead / 2);
        }
        Ok(self.scarce_at)
    }

    /// Writes down that everything before this id may have been given out, and nothing else.
    fn reserve(&mut self, to: u64) -> io::Result<()> {
        self.write(to, "running")
    }

    /// Writes down that the run stopped in order, and which id would have been the next.
    pub(super) fn stop(&mut self, upcoming: u64) -> io::Result<()> {
        self.write(upcoming, STOPPED)
    }

    /// Both words are of the same length, so that nothing of the old line is left.
    fn write(&mut self, to: u64, word: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        writeln!(self.file, "{to:020} {word}")?;
        self.file.sync_data()?;
        self.reserved = to;
        Ok(())
    }

    /// The run is over and everything about it is on record.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::ids::Ids;

    #[test]
    fn a_run_that_lives_is_no_dead_one_and_what_it_reserved_outlives_it() {
        let dir = tempfile::tempdir().unwrap();
        let ids = Ids::new();
        let mut file = RunFile::create(dir.path(), ids.run()).unwrap();
        assert!(file.reserved() >= ids.run().first() + AHEAD);
        assert_eq!(RunFile::dead(dir.path()).unwrap().len(), 0);
        for _ in 0..AHEAD * 3 {
            let id = ids.next();
            file.keep_ahead(ids.upcoming(), Instant::now()).unwrap();
            assert!(id.0 < file.reserved());
        }
        let reserved = file.reserved();
        drop(file);
        let mut dead = RunFile::dead(dir.path()).unwrap();
        let mut dead = dead.pop().unwrap();
        assert_eq!((dead.run, dead.reserved(), dead.stopped), (ids.run(), reserved, false));
        dead.stop(ids.upcoming()).unwrap();
        drop(dead);
        let dead = RunFile::dead(dir.path()).unwrap().pop().unwrap();
        assert_eq!((dead.reserved(), dead.stopped), (ids.upcoming(), true));
        dead.remove().unwrap();
        assert_eq!(RunFile::dead(dir.path()).unwrap().len(), 0);
    }

    #[test]
    fn a_rate_that_rises_is_kept_ahead_of_and_a_steady_one_is_seldom_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RunFile::create(dir.path(), Ids::new().run()).unwrap();
        let (mut upcoming, mut now) = (file.run.first(), Instant::now());
        let mut scarce_at = file.keep_ahead(upcoming, now).unwrap();
        for (a_millisecond, most) in [(1, 10), (10, 10), (100, 15), (100, 6), (1, 1)] {
            let mut written = 0;
            for _ in 0..1_000 {
                upcoming += a_millisecond;
                now += Duration::from_millis(1);
                if upcoming > scarce_at {
                    scarce_at = file.keep_ahead(upcoming, now).unwrap();
                    written += 1;
                }
                assert!(scarce_at >= upcoming && file.reserved() >= scarce_at + AHEAD / 2);
            }
            assert!(written <= most, "{written} times at {a_millisecond} a millisecond");
        }
    }
}
