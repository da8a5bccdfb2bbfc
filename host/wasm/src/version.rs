//! One loaded file: its generation behind the right port, and what is known of it.

use std::sync::Arc;

use seawall_core::ports::{FaultKind, PluginRef};

use crate::diagnose::Problem;
use crate::generation::Generation;
use crate::kinds::adapter::{AdapterExports, BoundAdapter};
use crate::kinds::fault::{FaultExports, WasmFault};
use crate::kinds::policy::{PolicyExports, WasmPolicy};
use crate::status::{AdapterInfo, Kind, Manifest, Source, VersionStatus};
use crate::vitals::Vitals;

/// A generation of one kind.
#[derive(Clone, Debug)]
pub(crate) enum Plugin {
    Adapter { generation: Arc<Generation<AdapterExports>>, info: Arc<AdapterInfo> },
    Policy(Arc<Generation<PolicyExports>>),
    Fault { generation: Arc<Generation<FaultExports>>, kinds: Arc<[FaultKind]> },
}

/// One version of one plugin.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) plugin: Plugin,
    pub(crate) manifest: Manifest,
    pub(crate) contract: String,
    pub(crate) imports: Vec<String>,
    pub(crate) source: Source,
}

impl Version {
    pub(crate) fn name(&self) -> &PluginRef {
        match &self.plugin {
            Plugin::Adapter { generation, .. } => &generation.plugin,
            Plugin::Policy(generation) => &generation.plugin,
            Plugin::Fault { generation, .. } => &generation.plugin,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.plugin {
            Plugin::Adapter { .. } => Kind::Adapter,
            Plugin::Policy(_) => Kind::Policy,
            Plugin::Fault { .. } => Kind::Fault,
        }
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        match &self.plugin {
            Plugin::Adapter { generation, .. } => &generation.vitals,
            Plugin::Policy(generation) => &generation.vitals,
            Plugin::Fault { generation, .. } => &generation.vitals,
        }
    }

    fn log_lines_dropped(&self) -> u64 {
        match &self.plugin {
            Plugin::Adapter { generation, .. } => generation.logs.lines_dropped(),
            Plugin::Policy(generation) => generation.logs.lines_dropped(),
            Plugin::Fault { generation, .. } => generation.logs.lines_dropped(),
        }
    }

    pub(crate) fn adapter(&self) -> Option<(&Arc<Generation<AdapterExports>>, &Arc<AdapterInfo>)> {
        match &self.plugin {
            Plugin::Adapter { generation, info } => Some((generation, info)),
            _ => None,
        }
    }

    pub(crate) fn policy(&self) -> Option<WasmPolicy> {
        match &self.plugin {
            Plugin::Policy(generation) => Some(WasmPolicy(Arc::clone(generation))),
            _ => None,
        }
    }

    pub(crate) fn fault(&self) -> Option<WasmFault> {
        match &self.plugin {
            Plugin::Fault { generation, kinds } => {
                Some(WasmFault { generation: Arc::clone(generation), kinds: Arc::clone(kinds) })
            }
            _ => None,
        }
    }

    /// Binds an operator's settings, if this is an adapter.
    pub(crate) fn bind(&self, config: &str, base_url: Option<&str>) -> Option<Result<BoundAdapter, Problem>> {
        let (generation, info) = self.adapter()?;
        Some(BoundAdapter::new(generation, &info.telemetry_name, config, base_url))
    }

    /// It serves no new requests.
    pub(crate) fn retire(&self) {
        match &self.plugin {
            Plugin::Adapter { generation, .. } => generation.retire(),
            Plugin::Policy(generation) => generation.retire(),
            Plugin::Fault { generation, .. } => generation.retire(),
        }
    }

    /// It serves again.
    pub(crate) fn revive(&self) {
        self.vitals().forget();
        match &self.plugin {
            Plugin::Adapter { generation, .. } => generation.revive(),
            Plugin::Policy(generation) => generation.revive(),
            Plugin::Fault { generation, .. } => generation.revive(),
        }
    }

    pub(crate) fn status(&self) -> VersionStatus {
        let vitals = self.vitals();
        VersionStatus {
            kind: self.kind(),
            contract: self.contract.clone(),
            generation: self.name().generation,
            sha256: self.name().digest.to_string(),
            source: self.source,
            manifest: self.manifest.clone(),
            imports: self.imports.clone(),
            calls: vitals.calls(),
            faults: vitals.faults(),
            strikes: vitals.strikes(),
            mean_call_us: vitals.mean_us(),
            instances: vitals.live.load(std::sync::atomic::Ordering::Relaxed),
            blocking: vitals.is_slow(),
            log_lines_dropped: self.log_lines_dropped(),
        }
    }
}
