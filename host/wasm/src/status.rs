//! What operators see of their plugins.

use std::sync::Arc;

use seawall_core::ports::PluginRef;
use serde::Serialize;
use utoipa::ToSchema;

use crate::diagnose::Problem;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PluginKind)]
pub enum Kind {
    /// Translates for a provider.
    Adapter,
    /// Orders candidates.
    Policy,
    /// Breaks things on purpose.
    Fault,
}

/// Where a plugin's bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PluginSource)]
pub enum Source {
    /// Part of the binary.
    Bundled,
    /// The plugins directory.
    File,
}

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PluginState)]
pub enum State {
    /// Its newest file serves. (A problem beside it tells of a newer file that was refused.)
    Active,
    /// No version of it could be loaded.
    Rejected,
    /// An older version serves, because a newer one failed in service or an operator said so.
    RolledBack,
    /// Its file is gone.
    Drained,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PluginManifest)]
pub struct Manifest {
    /// Its own name; operators use the id.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One line.
    pub description: String,
    /// JSON Schema of its settings.
    pub config_schema: Option<String>,
}

/// One plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub struct PluginStatus {
    /// The file's stem.
    pub id: Arc<str>,
    /// Where it stands.
    pub state: State,
    /// The version that serves.
    #[serde(flatten)]
    pub version: Option<VersionStatus>,
    /// Generations that a rollback could return to, newest first.
    pub previous: Vec<u64>,
    /// What last went wrong, at load or in service.
    pub last_problem: Option<Problem>,
}

/// The serving version of one plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PluginVersion)]
pub struct VersionStatus {
    /// What it is for.
    pub kind: Kind,
    /// Contract version it was built for.
    pub contract: String,
    /// Counts up with each version loaded.
    pub generation: u64,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// Where it came from.
    pub source: Source,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Interfaces that it imports; all of `wasi:*` is answered with nothing.
    pub imports: Vec<String>,
    /// Calls so far.
    pub calls: u64,
    /// Calls that ended in a fault of the plugin.
    pub faults: u64,
    /// Distinct requests that it failed in the last minute, up to three.
    pub strikes: usize,
    /// Mean wall time of a call in microseconds.
    pub mean_call_us: u64,
    /// Live instances.
    pub instances: u32,
    /// It is slow and runs beside the workers.
    pub blocking: bool,
    /// Log lines of it that went over the limit.
    pub log_lines_dropped: u64,
}

/// What an adapter tells without any configuration; enough to offer it from the environment alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// The file's stem.
    pub id: Arc<str>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Environment variables that may hold its credential, best first.
    pub credential_env: Vec<String>,
    /// Value of `gen_ai.provider.name`.
    pub telemetry_name: Arc<str>,
    /// Client headers that it reads.
    pub client_headers: Vec<String>,
    /// Its own base URL under an empty configuration.
    pub default_base_url: Option<String>,
    /// It sends a credential.
    pub needs_credential: bool,
}

/// Something that happened to a plugin.
#[derive(Clone, Debug)]
pub enum PluginEvent {
    /// A version serves from now on; `replaces` is the generation that served before.
    Loaded {
        /// The version.
        plugin: PluginRef,
        /// What it is for.
        kind: Kind,
        /// The generation before it.
        replaces: Option<u64>,
    },
    /// A file was refused; what served before still serves.
    Rejected {
        /// The file's stem.
        id: Arc<str>,
        /// Why.
        problem: Problem,
    },
    /// Its file is gone; requests under way finish.
    Drained {
        /// The file's stem.
        id: Arc<str>,
    },
    /// An older version serves again.
    RolledBack {
        /// The file's stem.
        id: Arc<str>,
        /// The failing generation.
        from: u64,
        /// The one that serves now.
        to: u64,
        /// Why.
        problem: Problem,
    },
    /// It keeps failing and there is nothing to return to: it serves on.
    KeepsFailing {
        /// The version.
        plugin: PluginRef,
        /// Its last problem.
        problem: Problem,
    },
}
