//! Compiled code on disk, so that a start takes milliseconds.
//!
//! Compiled code is machine code: whoever writes it runs as the gateway. So the directory is private (mode 0700, owned
//! by this user), only this module writes it, and nothing of the plugins directory is ever taken for compiled code. An
//! entry's name holds the component's hash and the engine's; its content begins with a hash of the rest, so that a
//! damaged file is a miss. Whatever goes wrong here costs a compilation, never a plugin.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use seawall_core::ports::PluginRef;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Entries kept; the oldest go first.
const ENTRIES: usize = 128;
const DIGEST: usize = 32;

/// The cache, or its absence.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    /// Uses a directory if it is, or can be made, private.
    pub(crate) fn open(dir: Option<PathBuf>) -> Self {
        let dir = dir.filter(|dir| match make_private(dir) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(
                    "plugins are compiled at each start: the cache directory cannot be used: {error}"
                );
                false
            }
        });
        Self { dir }
    }

    /// The component's code, from disk or compiled now. Compiling takes seconds: whoever waits is told for what.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        plugin: &PluginRef,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let Some(dir) = &self.dir else {
            tracing::info!("compiling {}", plugin.id);
            return Component::from_binary(engine, wasm);
        };
        let path = dir.join(format!("{}-{:016x}.cwasm", plugin.digest, engine_hash(engine)));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        tracing::info!("compiling {}, kept for later starts", plugin.id);
        let component = Component::from_binary(engine, wasm)?;
        if let Err(error) =
            component.serialize().map_err(io::Error::other).and_then(|code| store(dir, &path, &code))
        {
            tracing::debug!("compiled code was not cached: {error}");
        }
        Ok(component)
    }
}

fn engine_hash(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let entry = fs::read(path).ok()?;
    let (digest, code) = entry.split_at_checked(DIGEST)?;
    if Sha256::digest(code).as_slice() != digest {
        let _ = fs::remove_file(path);
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "the file is ours: private directory, written by this module, digest checked"
    )]
    // SAFETY: the bytes are what `Component::serialize` gave for an engine with the same compatibility hash.
    unsafe { Component::deserialize(engine, code) }.ok()
}

fn store(dir: &Path, path: &Path, code: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{}-{:x}.tmp", std::process::id(), crate::clock::uptime().as_nanos()));
    let written = create_private(&temporary)
        .and_then(|mut file| {
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    prune(dir);
    written
}

fn prune(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut files: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let age = fs::metadata(&path).and_then(|meta| meta.modified()).ok()?;
            (path.extension()? == "cwasm").then_some((age, path))
        })
        .collect();
    files.sort_unstable();
    let excess = files.len().saturating_sub(ENTRIES);
    for (_, path) in files.iter().take(excess) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let meta = fs::symlink_metadata(dir)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("{} is not this user's own directory", dir.display())));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        // Somebody else may already have put something in.
        return Err(io::Error::other(format!("{} is open to others: chmod 700 an empty one", dir.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
