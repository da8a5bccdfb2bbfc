//! The plugins directory: which files count, and what changed since they were last looked at.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::diagnose::{Code, Problem};

/// Plugins of one directory; more are left out.
const MOST: usize = 256;

/// One file as the directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    path: PathBuf,
    len: u64,
    modified: Option<SystemTime>,
}

/// What was last read of each file.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Arc<str>, (File, String)>);

impl Seen {
    pub(crate) fn remember(&mut self, id: &Arc<str>, file: &File, sha256: String) {
        self.0.insert(Arc::clone(id), (file.clone(), sha256));
    }

    pub(crate) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    pub(crate) fn is_unchanged(&self, id: &str, file: &File) -> bool {
        self.0.get(id).is_some_and(|(known, _)| known == file)
    }

    pub(crate) fn sha256(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|(_, sha256)| sha256.as_str())
    }

    /// Files that were there and are not any more.
    pub(crate) fn missing(&self, files: &BTreeMap<Arc<str>, File>) -> Vec<Arc<str>> {
        self.0.keys().filter(|id| !files.contains_key(*id)).cloned().collect()
    }
}

/// The id that a file's name stands for; editors' and copiers' temporary files stand for nothing.
pub(crate) fn id(path: &Path) -> Option<Arc<str>> {
    let name = path.file_name()?.to_str()?;
    if path.extension() != Some(OsStr::new("wasm")) || name.starts_with(['.', '~', '#']) {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (stem.len() <= 64 && stem.chars().all(plain)).then(|| stem.into())
}

/// All plugin files of a directory. One that cannot be read counts as empty.
pub(crate) fn scan(dir: &Path) -> BTreeMap<Arc<str>, File> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    let mut files = BTreeMap::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(id) = id(&path) else { continue };
        // Follows links: an orchestrator mounts files as links that it swaps.
        let Ok(meta) = fs::metadata(&path) else { continue };
        if !meta.is_file() {
            continue;
        }
        if files.len() >= MOST {
            tracing::warn!("more than {MOST} plugins in {}: the rest is left out", dir.display());
            break;
        }
        files.insert(id, File { path, len: meta.len(), modified: meta.modified().ok() });
    }
    files
}

/// The bytes of a file, up to a size.
pub(crate) fn read(file: &File, cap: u64) -> Result<Vec<u8>, Problem> {
    read_path(&file.path, cap)
}

/// The bytes at a path, up to a size.
pub(crate) fn read_path(path: &Path, cap: u64) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: io::Error| {
        let problem =
            |cause: &str| Problem::new(Code::Unreadable, format!("the file cannot be read: {cause}"));
        match error.kind() {
            ErrorKind::NotFound => problem("there is no such file").fixed_by("check its path and name"),
            ErrorKind::IsADirectory => problem("it is a folder").fixed_by("name the .wasm file itself"),
            _ => problem(&error.to_string()),
        }
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(cap.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > cap {
        let cause = format!("the file is larger than {} MiB", cap >> 20);
        return Err(Problem::new(Code::Unreadable, cause).fixed_by("build it with --release and strip it"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_components_count() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(id(&Path::new("/plugins").join(name)).as_deref(), expect, "{name}");
        };
        check("groq.wasm", Some("groq"));
        check("my-own_2.1.wasm", Some("my-own_2.1"));
        for name in [
            ".groq.wasm",
            "groq.wasm~",
            "groq.wasm.tmp",
            ".groq.wasm.swp",
            "#groq.wasm",
            "groq.cwasm",
            "groq",
        ] {
            check(name, None);
        }
        check("with space.wasm", None);
    }
}
