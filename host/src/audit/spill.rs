//! Where entries go while the database does not take them: a file that is only ever appended to, one JSON line an entry.
//!
//! A kill can tear the last line, no other; whoever reads the file leaves it out. Entries leave the file when they are in
//! the database, and the file is emptied when all of them are. An entry that is in both (a kill between the two) is
//! known by its id and taken once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::entry::Row;
use super::ids::Run;

/// The spill file of one run. Made when first needed.
#[derive(Debug)]
pub(super) struct Spill {
    path: PathBuf,
    file: Option<File>,
    /// Bytes written, and bytes of those that are in the database.
    length: u64,
    taken: u64,
    most: u64,
}

/// What was read of a spill file.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<Row>,
    /// Lines that are none.
    pub(super) torn: u64,
    /// Where the next chunk begins.
    end: u64,
}

/// The file of a run.
pub(super) fn path(dir: &Path, run: Run) -> PathBuf {
    dir.join(format!("spill-{}.ndjson", run.digits()))
}

impl Spill {
    /// For a run of this gateway, or of one that is gone.
    pub(super) fn new(dir: &Path, run: Run, most: u64) -> Self {
        let path = path(dir, run);
        let length = fs::metadata(&path).map_or(0, |found| found.len());
        Self { path, file: None, length, taken: 0, most }
    }

    /// Whether entries wait in it.
    pub(super) fn is_empty(&self) -> bool {
        self.taken >= self.length
    }

    /// Bytes on disk.
    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.length
    }

    /// Appends what fits; how many rows that were. On an error none of them is there.
    pub(super) fn append(&mut self, rows: &[Row]) -> io::Result<usize> {
        let room = self.most.saturating_sub(self.length);
        let mut lines = Vec::new();
        let mut count = 0;
        for row in rows {
            let before = lines.len();
            serde_json::to_writer(&mut lines, row).map_err(io::Error::other)?;
            lines.push(b'\n');
            if lines.len() as u64 > room {
                lines.truncate(before);
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let length = self.length;
        let file = self.open()?;
        // Half a line in the middle would cost the next one too.
        if let Err(error) = file.write_all(&lines) {
            drop(file.set_len(length));
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(count)
    }

    /// The next rows that are not in the database yet.
    pub(super) fn read(&self, most: usize) -> io::Result<Chunk> {
        let mut chunk = Chunk { end: self.taken, ..Chunk::default() };
        if self.is_empty() {
            return Ok(chunk);
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.taken))?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while chunk.rows.len() < most {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            chunk.end += read as u64;
            match serde_json::from_slice(&line) {
                Ok(row) => chunk.rows.push(row),
                Err(_) => chunk.torn += 1,
            }
        }
        Ok(chunk)
    }

    /// These are in the database. When that were the last ones, the file is emptied.
    pub(super) fn took(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.taken = chunk.end;
        if self.is_empty() && self.length > 0 {
            self.open()?.set_len(0)?;
            (self.length, self.taken) = (0, 0);
        }
        Ok(())
    }

    /// Nothing waits in it any more.
    pub(super) fn remove(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            self.file = Some(options.open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::ids::Ids;

    fn rows(ids: std::ops::Range<u64>) -> Vec<Row> {
        ids.map(|id| Row { id, body: "{}".to_owned(), ..Row::default() }).collect()
    }

    fn ids(chunk: &Chunk) -> Vec<u64> {
        chunk.rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn what_is_appended_is_read_once_and_the_file_is_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let run = Ids::new().run();
        let mut spill = Spill::new(dir.path(), run, u64::MAX);
        assert!(spill.is_empty() && !path(dir.path(), run).exists());
        assert_eq!(spill.append(&rows(0..3)).unwrap(), 3);
        let chunk = spill.read(2).unwrap();
        assert_eq!(ids(&chunk), [0, 1]);
        spill.took(&chunk).unwrap();
        assert_eq!(spill.append(&rows(3..4)).unwrap(), 1);
        let chunk = spill.read(10).unwrap();
        assert_eq!((ids(&chunk), chunk.torn), (vec![2, 3], 0));
        spill.took(&chunk).unwrap();
        assert!(spill.is_empty() && spill.bytes() == 0);
        assert_eq!(spill.append(&rows(9..10)).unwrap(), 1);
        assert_eq!(ids(&spill.read(10).unwrap()), [9]);
    }

    #[test]
    fn another_run_reads_all_but_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let run = Ids::new().run();
        Spill::new(dir.path(), run, u64::MAX).append(&rows(0..3)).unwrap();
        let file = path(dir.path(), run);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 4]).unwrap();
        let spill = Spill::new(dir.path(), run, u64::MAX);
        let chunk = spill.read(10).unwrap();
        assert_eq!((ids(&chunk), chunk.torn), (vec![0, 1], 1));
        spill.remove().unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn it_grows_no_larger_than_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path(), Ids::new().run(), 120);
        let written = spill.append(&rows(0..100)).unwrap();
        assert!(written > 0 && written < 100 && spill.bytes() <= 120);
        assert_eq!(spill.append(&rows(100..101)).unwrap(), 0);
    }
}
