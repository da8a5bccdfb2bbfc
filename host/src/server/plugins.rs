//! The plugins' host, started for one gateway.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use seawall_core::targets::Targets;
use seawall_wasm::{Binding, Bundled, HostOptions, Limits, OnEvent, PluginEvent, PluginHost};

use super::StartError;
use crate::admin::{AdminError, PluginControl, PluginFigures, PluginReport, Serving};
use crate::config::Config;
use crate::state::StateDir;
use crate::tasks;

/// Loads what there is. Compiling takes seconds with a cold cache, so it does not happen on a worker of the runtime.
pub(super) async fn start(
    config: &Config,
    state: &StateDir,
    bundled: Vec<(String, Cow<'static, [u8]>)>,
    watch: bool,
    targets: &Arc<Targets>,
) -> Result<Arc<PluginHost>, StartError> {
    let options = HostOptions {
        dir: Some(config.plugins.dir.clone()),
        cache_dir: Some(state.code_cache()?),
        bundled: bundled.into_iter().map(|(id, bytes)| Bundled { id: id.into(), bytes }).collect(),
        bindings: bindings(config),
        limits: Limits { instances: config.plugins.instances, ..Limits::default() },
        watch,
        on_event: refresh_targets(config, Arc::clone(targets)),
    };
    match tasks::blocking(move || PluginHost::start(options)).await {
        Some(host) => Ok(host?),
        None => Err(StartError::Panicked),
    }
}

fn bindings(config: &Config) -> Vec<Binding> {
    let binding = |provider: &crate::config::Provider| Binding {
        provider: Arc::clone(&provider.name),
        plugin: Arc::clone(&provider.adapter),
        config_json: provider.config.to_string(),
        base_url: provider.base_url.as_deref().map(str::to_owned),
    };
    config.providers.values().map(binding).collect()
}

/// A new version of an adapter may be the cure for what made its targets rest.
fn refresh_targets(config: &Config, targets: Arc<Targets>) -> OnEvent {
    let providers: Vec<_> = config
        .providers
        .values()
        .map(|provider| (Arc::clone(&provider.name), Arc::clone(&provider.adapter)))
        .collect();
    Arc::new(move |event| {
        let changed = match event {
            PluginEvent::Loaded { plugin, replaces: Some(_), .. } => plugin.id,
            PluginEvent::RolledBack { id, .. } => id,
            _ => return,
        };
        for (provider, _) in providers.iter().filter(|(_, adapter)| *adapter == changed) {
            targets.provider_changed(provider);
        }
    })
}

impl PluginControl for PluginHost {
    fn status(&self) -> PluginReport {
        let problems = self.problems().into_iter().map(|(_, problem)| problem).collect();
        PluginReport { plugins: PluginHost::status(self), problems }
    }

    fn figures(&self) -> Vec<PluginFigures> {
        let serving =
            PluginHost::status(self).into_iter().filter_map(|plugin| Some((plugin.id, plugin.version?)));
        serving
            .map(|(id, version)| PluginFigures {
                id,
                generation: version.generation,
                calls: version.calls,
                time: Duration::from_micros(version.mean_call_us.saturating_mul(version.calls)),
                faults: version.faults,
                instances: version.instances,
            })
            .collect()
    }

    fn rollback(&self, id: &str) -> Result<Serving, AdminError> {
        if PluginHost::rollback(self, id) {
            return Ok(Serving { id: id.to_owned(), generation: self.generation(id) });
        }
        let known = PluginHost::status(self);
        let shown: String = id.chars().take(100).collect();
        if known.iter().any(|plugin| *plugin.id == *id) {
            let message = format!("plugin `{shown}` has no older generation to return to");
            return Err(AdminError::new(StatusCode::CONFLICT, "nothing_older", message)
                .fix("put the older file into the plugins folder"));
        }
        let ids = known.iter().map(|plugin| &*plugin.id).collect::<Vec<_>>().join(", ");
        Err(AdminError::new(StatusCode::NOT_FOUND, "unknown_plugin", format!("there is no plugin `{shown}`"))
            .fix(format!("plugins: {ids}")))
    }
}
