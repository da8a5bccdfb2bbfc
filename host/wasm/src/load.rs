//! From bytes to a version that may serve: compile, look at imports and exports, link, describe, try.

mod inspect;
mod trial;

use std::sync::Arc;

use seawall_core::ports::{FaultKind, PluginRef};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::ambient;
use crate::cache::Cache;
use crate::contract::v0_1::exports::{dialect, fault, policy, provider};
use crate::contract::v0_1::{answers, imports};
use crate::diagnose::{Code, Problem};
use crate::generation::{Generation, Shared};
use crate::guest::Guest;
use crate::instance::Work;
use crate::kinds::adapter::{AdapterExports, AdapterIndices};
use crate::kinds::fault::FaultExports;
use crate::kinds::policy::PolicyExports;
use crate::registry::Binding;
use crate::status::{AdapterInfo, Kind, Manifest, Source};
use crate::version::{Plugin, Version};

/// A file to load.
pub(crate) struct Candidate<'a> {
    pub(crate) plugin: PluginRef,
    pub(crate) bytes: &'a [u8],
    pub(crate) source: Source,
    /// Providers that name this plugin.
    pub(crate) bindings: &'a [Binding],
    /// Of those, the ones that an older version serves: the new one has to take their settings too.
    pub(crate) served: &'a [Binding],
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Loads and tries one file. Nothing is visible to requests yet.
pub(crate) fn load(shared: &Shared, cache: &Cache, candidate: &Candidate<'_>) -> Result<Version, Problem> {
    inspect::file(candidate.bytes)?;
    let component = cache
        .compile(&shared.room.engine, &candidate.plugin, candidate.bytes)
        .map_err(|error| inspect::compile_error(&error))?;
    let imports = inspect::imports(&component)?;
    let (kind, contract) = inspect::exports(&component)?;
    let pre = link(&component)?;
    let (plugin, manifest) = match kind {
        Kind::Adapter => adapter(shared, pre, candidate)?,
        Kind::Policy => routing_policy(shared, pre, candidate)?,
        Kind::Fault => fault_injector(shared, pre, candidate)?,
    };
    let version = Version { plugin, manifest, contract, imports, source: candidate.source };
    version.vitals().forget();
    Ok(version)
}

fn link(component: &Component) -> Result<InstancePre<Guest>, Problem> {
    let mut linker: Linker<Guest> = Linker::new(component.engine());
    ambient::add_to_linker(&mut linker, component)
        .and_then(|()| imports::host::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest))
        .and_then(|()| imports::types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest))
        .and_then(|()| linker.instantiate_pre(component))
        .map_err(|error| wrong_shape(&error))
}

fn wrong_shape(error: &wasmtime::Error) -> Problem {
    Problem::new(
        Code::WrongShape,
        format!("it does not fit the contract: {}", answers::cut(&format!("{error:#}"))),
    )
}

fn describe_failed(problem: Problem) -> Problem {
    if problem.code != Code::Trap {
        return problem;
    }
    Problem::new(Code::Describe, format!("`describe` failed: {}", problem.cause))
}

fn manifest(manifest: imports::types::Manifest) -> Manifest {
    Manifest {
        name: answers::cut(&manifest.name),
        version: answers::cut(&manifest.version),
        description: answers::cut(&manifest.description),
        config_schema: manifest.config_schema,
    }
}

fn adapter(
    shared: &Shared,
    pre: InstancePre<Guest>,
    candidate: &Candidate<'_>,
) -> Result<(Plugin, Manifest), Problem> {
    let provider = provider::GuestIndices::new(&pre).map_err(|error| wrong_shape(&error))?;
    let dialect = match pre.component().get_export_index(None, inspect::DIALECT) {
        Some(_) => Some(dialect::GuestIndices::new(&pre).map_err(|error| wrong_shape(&error))?),
        None => None,
    };
    let generation: Arc<Generation<AdapterExports>> =
        Generation::new(shared.clone(), candidate.plugin.clone(), pre, AdapterIndices { provider, dialect });
    let info = generation
        .call_here(Work::new(shared.room.limits.start_deadline), |store, exports| {
            Ok(Ok(exports.provider.call_describe(store)?))
        })
        .map_err(describe_failed)?;
    generation.set_client_headers(answers::client_headers(&info.client_headers)?.into());
    let bare = trial::adapter(&generation, &info.telemetry_name, candidate)?;
    let manifest = manifest(info.manifest);
    let info = Arc::new(AdapterInfo {
        id: Arc::clone(&candidate.plugin.id),
        manifest: manifest.clone(),
        credential_env: info.credential_env,
        telemetry_name: answers::cut(&info.telemetry_name).into(),
        client_headers: info.client_headers,
        needs_credential: bare.as_ref().is_none_or(|bare| bare.auth != seawall_core::ports::Auth::None),
        default_base_url: bare.and_then(|bare| bare.default_base_url),
    });
    Ok((Plugin::Adapter { generation, info }, manifest))
}

fn routing_policy(
    shared: &Shared,
    pre: InstancePre<Guest>,
    candidate: &Candidate<'_>,
) -> Result<(Plugin, Manifest), Problem> {
    let indices = policy::GuestIndices::new(&pre).map_err(|error| wrong_shape(&error))?;
    let generation: Arc<Generation<PolicyExports>> =
        Generation::new(shared.clone(), candidate.plugin.clone(), pre, indices);
    let described = generation
        .call_here(Work::new(shared.room.limits.start_deadline), |store, exports| {
            Ok(Ok(exports.0.call_describe(store)?))
        })
        .map_err(describe_failed)?;
    trial::policy(&generation)?;
    Ok((Plugin::Policy(generation), manifest(described)))
}

fn fault_injector(
    shared: &Shared,
    pre: InstancePre<Guest>,
    candidate: &Candidate<'_>,
) -> Result<(Plugin, Manifest), Problem> {
    let indices = fault::GuestIndices::new(&pre).map_err(|error| wrong_shape(&error))?;
    let generation: Arc<Generation<FaultExports>> =
        Generation::new(shared.clone(), candidate.plugin.clone(), pre, indices);
    let catalogue = generation
        .call_here(Work::new(shared.room.limits.start_deadline), |store, exports| {
            Ok(Ok(exports.0.call_describe(store)?))
        })
        .map_err(describe_failed)?;
    let kinds: Arc<[FaultKind]> = catalogue
        .kinds
        .into_iter()
        .map(|kind| FaultKind {
            name: answers::cut(&kind.name),
            layer: answers::cut(&kind.layer),
            description: answers::cut(&kind.description),
            config_schema: kind.config_schema,
        })
        .collect();
    trial::fault(&generation, &kinds)?;
    Ok((Plugin::Fault { generation, kinds }, manifest(catalogue.manifest)))
}
