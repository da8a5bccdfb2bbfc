//! What the operator wants, in two stages: *raw* (as typed, each value read on its own) and *resolved* ([`Config`]:
//! defaults filled in, names checked against each other, secrets fetched).
//!
//! Invariants of a [`Config`]: every alias has at least one target and every target's provider exists; addresses, URLs
//! and durations are valid; a gateway that strangers can reach asks for keys unless the operator said otherwise.
//!
//! On failure nothing is half-loaded: [`ConfigErrors`] holds every problem that was found, with place, cause and fix.
//! Secrets are [`SecretString`]s; none reaches a message, because they are never written in the file in the first place,
//! and a file that tries is masked before it is quoted.

mod access;
mod audit;
mod breaker;
mod chaos;
mod directs;
mod environment;
mod exposure;
mod interpolate;
mod names;
mod plugins;
mod problem;
mod raw;
mod reader;
mod resilience;
mod resolve;
mod secret;
mod source;
mod templates;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use access::{Access, Client};
pub use chaos::ChaosRules;
pub use directs::Directs;
pub use environment::Environment;
pub(crate) use names::nearest;
pub use plugins::{PluginFacts, PluginKind};
pub use problem::{ConfigErrors, Problem};
pub use resolve::{DEFAULT_PLUGINS_DIR, default_audit_dir, default_state_dir};
use seawall_core::breaker::BreakerSettings;
use seawall_core::settings::{Alias, CapabilityOverrides, Timeouts};
use seawall_core::target::ProviderName;
use secrecy::SecretString;
pub use source::Source;
pub use templates::Templates;

/// Everything the gateway needs to know, valid as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it came from, for diagnostics that are found later.
    pub source: Source,
    /// The listener for clients.
    pub server: Server,
    /// The listener for operators.
    pub admin: Admin,
    /// What is told to those who measure.
    pub metrics: Metrics,
    /// Plugins beside the bundled ones, and how many may run.
    pub plugins: Plugins,
    /// Admin token, code cache, audit unless it has a place of its own.
    pub state_dir: PathBuf,
    /// Accounts at upstreams, by name.
    pub providers: BTreeMap<ProviderName, Provider>,
    /// Model names of clients' choice, by name.
    pub aliases: BTreeMap<Arc<str>, Arc<Alias>>,
    /// Routes to targets that clients have named directly.
    pub directs: Directs,
    /// The operator's words around clients' system prompts.
    pub templates: Templates,
    /// When a target is left alone.
    pub breaker: BreakerSettings,
    /// Time limits of a target that is named directly.
    pub default_timeouts: Timeouts,
    /// Who may call.
    pub access: Access,
    /// The trail.
    pub audit: crate::audit::Settings,
    /// How far faults may go.
    pub chaos: ChaosRules,
}

/// The listener for clients.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Largest plain answer of an upstream in bytes.
    pub max_answer_bytes: usize,
    /// Largest single stream event of an upstream in bytes.
    pub max_event_bytes: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How long streams may go on after a stop was asked for.
    pub shutdown_timeout: Duration,
    /// How many requests are taken.
    pub admission: Admission,
    /// How long a client may take no bytes of its answer before its connection is closed.
    pub send_timeout: Duration,
}

/// Plugins beside the bundled ones, and how many may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugins {
    /// The folder of plugins that override or join the bundled ones.
    pub dir: PathBuf,
    /// Live instances of all plugins together. A stream holds one while it runs. For each, address space is reserved
    /// (8 GiB of the 128 TiB that a process has), no memory.
    pub instances: u32,
}

/// How many requests are worked on, and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Requests and streams at a time, at least one.
    pub max_requests: usize,
    /// Requests that may wait for a place; 0 = none.
    pub max_queued: usize,
    /// How long one may wait.
    pub queue_timeout: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// The listener for operators.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The operator's own token; none = the one kept in the state directory, made at first start.
    pub token: Option<SecretString>,
}

/// What is told to those who measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `/metrics` wants no token.
    pub open: bool,
    /// Requests and what comes of them are counted.
    pub count: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { open: false, count: true }
    }
}

/// A configured account at an upstream.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name, the part of a target before the first slash.
    pub name: ProviderName,
    /// Plugin id of its adapter.
    pub adapter: Arc<str>,
    /// Includes the API version, no slash at the end; none = the adapter's default.
    pub base_url: Option<Arc<str>>,
    /// None = none is sent.
    pub credential: Option<SecretString>,
    /// The adapter's own settings as JSON text, always an object.
    pub config: Arc<str>,
    /// What it shares its fate with (a vendor, a cloud region); empty = only itself.
    pub domains: Vec<Arc<str>>,
    /// What the operator knows better than the adapter, by upstream model.
    pub models: BTreeMap<Arc<str>, Arc<CapabilityOverrides>>,
}

impl Config {
    /// Reads a file. Relative paths in it count from the file's own directory, so that its meaning does not depend on
    /// where the process was started.
    pub fn load(path: &Path, env: &Environment) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let base = path.parent().unwrap_or(Path::new(""));
                Self::parse(Source::new(name, text), base, env)
            }
            Err(error) => Err(ConfigErrors::unreadable(&name, &error)),
        }
    }

    /// Serves clients at another address than the configuration says, under the same rule for strangers.
    pub fn listen_at(&mut self, listen: SocketAddr) -> Result<(), ConfigErrors> {
        let strangers = exposure::is_loopback(self.server.listen) && !exposure::is_loopback(listen);
        if strangers && matches!(self.access, Access::Open) {
            return Err(ConfigErrors::new(self.source.clone(), vec![exposure::open_to_strangers(listen)]));
        }
        self.server.listen = listen;
        Ok(())
    }

    /// The client with this key, if keys are asked for.
    pub fn client_for(&self, key: &str) -> Option<&Client> {
        self.access.client_for(key)
    }

    /// Reads text. `base` is where relative paths count from.
    pub fn parse(source: Source, base: &Path, env: &Environment) -> Result<Self, ConfigErrors> {
        let reader = reader::Context::new(env);
        let raw = raw::RawConfig::read(source.text(), &reader);
        let resolved = resolve::resolve(raw, source.clone(), base, &reader);
        let (problems, secrets) = reader.into_findings();
        match resolved {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(source.masked(&secrets), problems)),
        }
    }
}
