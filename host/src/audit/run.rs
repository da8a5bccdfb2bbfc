//! Which runs there are, and up to where each has reserved its ids.
//!
//! Each run has a small file that it keeps locked while it lives. In it stands the first id that is *not* reserved yet,
//! in a line of fixed length that is written over in place, so that it can be moved on while a disk is full. A file that
//! nobody holds belongs to a run that was killed, or that left a spill file behind when it stopped: whatever was reserved
//! and is not on record is missing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::ids::Run;

const PREFIX: &str = "run-";
/// What stands behind the number in the file of a run that was stopped in order.
const STOPPED: &str = "stopped";
/// Ids that are reserved ahead at least.
const AHEAD: u64 = 256;

/// The file of a run that lives, or of a dead one that is being looked after; locked either way.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) run: Run,
    path: PathBuf,
    file: File,
    reserved: u64,
    /// The last upcoming id that was heard of.
    heard: u64,
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
        let mut made = Self { run, path, file, reserved: 0, heard: run.first(), stopped: false };
        made.reserve(run.first() + AHEAD)?;
        fs::rename(&aside, &made.path)?;
        Ok(made)
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
            found.push(Self { run, path, file, reserved, heard: reserved, stopped });
        }
        Ok(found)
    }

    /// The first id that is not reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Keeps the reservation ahead of what is given out: by what two looks bring at the present rate.
    pub(super) fn keep_ahead(&mut self, upcoming: u64) -> io::Result<()> {
        let rate = upcoming.saturating_sub(self.heard);
        let ahead = AHEAD.max(rate.saturating_mul(8));
        if upcoming.saturating_add(ahead / 2) > self.reserved {
            self.reserve(upcoming.saturating_add(ahead))?;
        }
        self.heard = upcoming;
        Ok(())
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
            file.keep_ahead(ids.upcoming()).unwrap();
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
    fn a_rate_that_rises_is_kept_ahead_of() {
        let dir = tempfile::tempdir().unwrap();
        let ids = Ids::new();
        let mut file = RunFile::create(dir.path(), ids.run()).unwrap();
        for burst in [100, 1_000, 4_000, 4_000, 10] {
            let before = file.reserved();
            for _ in 0..burst {
                ids.next();
            }
            file.keep_ahead(ids.upcoming()).unwrap();
            assert!(file.reserved() > ids.upcoming() && file.reserved() >= before);
        }
        // Two looks at the same rate find the reservation ahead already.
        assert!(file.reserved() - ids.upcoming() >= 4_000 * 4 - 10);
    }
}
