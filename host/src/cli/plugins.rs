//! Plugins for commands that look at them without serving: loaded once, not watched.

use std::path::Path;
use std::sync::Arc;

use seawall_core::ports::PluginSource;
use seawall_wasm::{Binding, Bundled, Code, HostOptions, Kind, PluginHost};

use super::CliError;
use super::output::aside;
use crate::bundled::{HOW_TO_BUILD, bundled_plugins};
use crate::config::{Config, ConfigErrors, LogFormat, PluginFacts, PluginKind, Problem};
use crate::state::{CODE_CACHE, StateDir, StateError};

/// Why plugins cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// The cache of compiled plugins cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The component runtime cannot be set up.
    #[error("plugins cannot be run on this machine: {0}")]
    Host(#[from] seawall_wasm::Problem),
    /// Neither bundled nor in the plugins folder.
    #[error("{HOW_TO_BUILD}")]
    None,
}

/// What is loaded from the binary and a plugins folder; compiled code is kept in the state directory.
pub(super) fn load(
    dir: &Path,
    state_dir: &Path,
    bindings: Vec<Binding>,
) -> Result<Arc<PluginHost>, PluginsError> {
    announce_first_start(state_dir);
    let cache_dir = StateDir::open(state_dir)?.code_cache()?;
    let bundled = bundled_plugins().into_iter();
    let options = HostOptions {
        dir: Some(dir.to_owned()),
        cache_dir: Some(cache_dir),
        bundled: bundled.map(|(id, bytes)| Bundled { id: id.into(), bytes }).collect(),
        bindings,
        watch: false,
        ..HostOptions::default()
    };
    let host = PluginHost::start(options)?;
    if host.status().is_empty() { Err(PluginsError::None) } else { Ok(host) }
}

/// Everything that a configuration wants of plugins and does not get: plugins that are not loaded, settings that they
/// refuse.
pub(super) fn check(config: &Config) -> Result<Result<(), ConfigErrors>, PluginsError> {
    let host = load(&config.plugins.dir, &config.state_dir, bindings(config))?;
    Ok(problems(config, &host))
}

/// As [`check`], of a host that runs already with this configuration.
pub(super) fn problems(config: &Config, host: &PluginHost) -> Result<(), ConfigErrors> {
    let mut found = match config.check_against_plugins(&facts(host)) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_problems(),
    };
    found.extend(host.problems().into_iter().filter_map(|(id, problem)| match (&problem.provider, id) {
        // Said already, with the names of those that are loaded.
        (Some(_), _) if matches!(problem.code, Code::NotLoaded | Code::NotAnAdapter) => None,
        (Some(provider), _) => Some(config.settings_problem(provider, &problem.cause, &problem.fix)),
        (None, Some(id)) if config.uses_plugin(&id) => {
            let cause = format!("the plugin `{id}` is refused: {} {}", problem.code, problem.cause);
            Some(Problem::new("refused-plugin", cause).fix(problem.fix))
        }
        (None, _) => None,
    }));
    config.errors(found)
}

/// Compiling plugins takes seconds, once; whoever waits should know for what.
pub(super) fn announce_first_start(state_dir: &Path) {
    const WHAT: &str = "compiling the plugins; later starts find them compiled ...";
    let cached = std::fs::read_dir(state_dir.join(CODE_CACHE)).is_ok_and(|mut files| files.next().is_some());
    match (cached, tracing::dispatcher::has_been_set()) {
        (true, _) => {}
        (false, true) => tracing::info!("{WHAT}"),
        (false, false) => aside(WHAT),
    }
}

/// Says what plugins do not give, and goes on as long as one provider can be used: a damaged plugin must not keep the
/// gateway from starting. Where logs are JSON, so are these.
pub(super) fn all_or_warn(config: &Config, host: &PluginHost, format: LogFormat) -> Result<(), CliError> {
    let Err(errors) = problems(config, host) else { return Ok(()) };
    if host.status().is_empty() {
        return Err(PluginsError::None.into());
    }
    let usable = host.current().adapters.len();
    if usable == 0 {
        return Err(errors.into());
    }
    let configured = config.providers.len();
    let summary = format!("{usable} of {configured} providers can be used; the others wait for their plugin");
    if format == LogFormat::Json {
        for problem in errors.problems() {
            let (line, fix) = (errors.line_of(problem), problem.fix.as_deref());
            tracing::warn!(code = problem.code, line, fix, "{}", problem.cause);
        }
        tracing::warn!("{summary}");
    } else {
        aside(errors.render().trim_end());
        aside(summary);
    }
    Ok(())
}

/// What a configuration has to know of the loaded plugins.
pub(super) fn facts(host: &PluginHost) -> Vec<PluginFacts> {
    let infos = host.infos();
    let credential_env = |id: &str| {
        let info = infos.iter().find(|info| *info.id == *id);
        info.map(|info| info.credential_env.clone()).unwrap_or_default()
    };
    let plugins = host.status();
    let serving = plugins.iter().filter_map(|plugin| Some((plugin, plugin.version.as_ref()?)));
    serving
        .map(|(plugin, version)| PluginFacts {
            id: plugin.id.clone(),
            kind: match version.kind {
                Kind::Adapter => PluginKind::Adapter,
                Kind::Policy => PluginKind::Policy,
                Kind::Fault => PluginKind::Fault,
            },
            credential_env: credential_env(&plugin.id),
        })
        .collect()
}

fn bindings(config: &Config) -> Vec<Binding> {
    let binding = |provider: &crate::config::Provider| Binding {
        provider: provider.name.clone(),
        plugin: provider.adapter.clone(),
        config_json: provider.config.to_string(),
        base_url: provider.base_url.as_deref().map(str::to_owned),
    };
    config.providers.values().map(binding).collect()
}
