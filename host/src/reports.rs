//! Reports of experiments that outlive the process: what was proved stays proved. One file each, in a folder of the state
//! directory.
//!
//! Gateways that share the directory keep their reports beside each other; each sees at its start what all had kept. Two
//! of them may give the same id out: the latest report is the one that is found by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use seawall_core::experiment::{ExperimentReport, KEPT_REPORTS};

use crate::state::{self, StateDir, StateError};

/// The folder.
#[derive(Clone, Debug)]
pub struct Reports {
    dir: PathBuf,
}

impl Reports {
    /// In this state directory.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &StateDir) -> Result<Self, StateError> {
        Ok(Self { dir: state.folder("reports")? })
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The latest ones that can be read, the very latest last. One that cannot is left alone, and the log says so.
    pub fn read(&self) -> Vec<ExperimentReport> {
        let files = self.files().unwrap_or_else(|error| {
            tracing::warn!(dir = %self.dir.display(), %error, "reports of earlier experiments cannot be read");
            Vec::new()
        });
        let latest = files.len().saturating_sub(KEPT_REPORTS);
        files.iter().skip(latest).filter_map(|file| read(file)).collect()
    }

    /// Keeps one, and takes away the oldest where there are too many.
    ///
    /// # Errors
    /// Of the file system. No other report is touched then.
    pub fn keep(&self, report: &ExperimentReport) -> io::Result<()> {
        let name = format!("{:013}-{}.json", report.started_ms, report.id);
        // Aside first: nobody reads half a report.
        let aside = self.dir.join(format!("{name}.new"));
        let written = serde_json::to_vec(report).map_err(io::Error::other);
        written.and_then(|json| state::write_private(&aside, &json))?;
        fs::rename(&aside, self.dir.join(name))?;
        let files = self.files()?;
        for old in files.iter().take(files.len().saturating_sub(KEPT_REPORTS)) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// By when the experiments began.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(&self.dir)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files: Vec<PathBuf> = paths.collect::<io::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        Ok(files)
    }
}

fn read(file: &Path) -> Option<ExperimentReport> {
    let json = fs::read(file).map_err(|error| error.to_string());
    let report = json.and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string()));
    let told = |error: &String| {
        tracing::warn!(file = %file.display(), error, "a report cannot be read and is left out; delete it, or mend it");
    };
    report.inspect_err(told).ok()
}
