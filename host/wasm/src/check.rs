//! A look at one file without a gateway around it, for authors.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::ports::PluginRef;
use serde::Serialize;

use crate::cache::Cache;
use crate::clock;
use crate::diagnose::{Code, Problem};
use crate::engine::EngineRoom;
use crate::generation::Shared;
use crate::limits::Limits;
use crate::load::{self, Candidate};
use crate::slow::SlowPool;
use crate::status::{AdapterInfo, Source, VersionStatus};
use crate::watch;

/// What [`check_file`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The id that the file would have.
    pub id: String,
    /// Size in bytes.
    pub bytes: usize,
    /// Compilation, start and trial calls together.
    pub load_ms: u64,
    /// What it is, if it would be accepted.
    pub version: Option<VersionStatus>,
    /// What it tells, if it is an adapter.
    pub adapter: Option<Arc<AdapterInfo>>,
    /// The kinds that it offers, if it is a fault injector.
    pub fault_kinds: Vec<String>,
    /// Why it would be refused.
    pub problem: Option<Problem>,
}

/// Loads a file as the gateway would, with the gateway's limits, and says what came of it.
pub fn check_file(path: &Path, limits: &Limits) -> Report {
    let started = clock::uptime();
    let id = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let mut report = Report {
        id,
        bytes: 0,
        load_ms: 0,
        version: None,
        adapter: None,
        fault_kinds: Vec::new(),
        problem: None,
    };
    report.problem = try_file(path, limits, &mut report).err();
    let took: Duration = clock::uptime().saturating_sub(started);
    report.load_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    report
}

fn try_file(path: &Path, limits: &Limits, report: &mut Report) -> Result<(), Problem> {
    let id = watch::id(path).ok_or_else(|| {
        Problem::new(
            Code::Unreadable,
            "a file of this name is left out: only letters, digits, `-`, `_` and `.`, then .wasm, make a plugin's name",
        )
        .fixed_by("rename it, for example to my-plugin.wasm")
    })?;
    let bytes = watch::read_path(path, limits.file)?;
    report.bytes = bytes.len();
    let limits = Limits { instances: 8, slow_threads: 1, ..limits.clone() };
    let slow = SlowPool::start(1).map_err(|error| Problem::new(Code::Host, error.to_string()))?;
    let shared =
        Shared { room: EngineRoom::new(limits)?, slow: Arc::new(slow), on_tripped: Arc::new(|_| {}) };
    let plugin = PluginRef { id, generation: 1, digest: load::sha256(&bytes).into() };
    let candidate = Candidate { plugin, bytes: &bytes, source: Source::File, bindings: &[], served: &[] };
    let version = load::load(&shared, &Cache::open(None), &candidate)?;
    report.adapter = version.adapter().map(|(_, info)| Arc::clone(info));
    report.fault_kinds = version
        .fault()
        .map(|fault| fault.kinds.iter().map(|kind| kind.name.clone()).collect())
        .unwrap_or_default();
    report.version = Some(version.status());
    Ok(())
}
