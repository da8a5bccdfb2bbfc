//! What can be armed: the gateway's own faults and those of every loaded component.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::armed::Source;
use super::native::{self, Native};
use super::{ArmError, FaultOrder, order};
use crate::ports::{FaultInjector, PluginSet};

/// One kind of fault, as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FaultKind)]
pub struct Entry {
    /// As it is armed.
    pub name: String,
    /// Where it strikes: `connect`, `headers`, `limits`, `stream`, `body`, `semantics`, `pool`.
    pub layer: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its parameters.
    pub schema: Value,
    /// What parameters are unless given.
    pub defaults: Map<String, Value>,
    /// The component that offers it; none if the gateway itself does.
    pub plugin: Option<String>,
}

/// Everything that can be armed, by layer in the order of a call's life, then by name. Of two offers of one name the
/// gateway's own counts, then the component whose id comes first.
pub fn catalogue(plugins: &PluginSet) -> Vec<Entry> {
    const LAYERS: [&str; 7] = ["connect", "headers", "limits", "stream", "body", "semantics", "pool"];
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for kind in native::KINDS {
        let entry = entry(kind.name, kind.layer, kind.about, &kind.schema(), None);
        entries.insert(kind.name.to_owned(), entry);
    }
    for (plugin, injector) in sorted(plugins) {
        for kind in injector.kinds() {
            entries.entry(kind.name.clone()).or_insert_with(|| {
                entry(&kind.name, &kind.layer, &kind.description, &kind.config_schema, Some(plugin))
            });
        }
    }
    let place = |entry: &Entry| LAYERS.iter().position(|layer| *layer == entry.layer).unwrap_or(LAYERS.len());
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by_key(place);
    entries
}

/// A schema that is no JSON counts as none.
fn entry(name: &str, layer: &str, description: &str, schema: &str, plugin: Option<&Arc<str>>) -> Entry {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let members = schema.get("properties").and_then(Value::as_object);
    let usual = |(name, member): (&String, &Value)| Some((name.clone(), member.get("default")?.clone()));
    let defaults = members.into_iter().flatten().filter_map(usual).collect();
    Entry {
        name: name.to_owned(),
        layer: layer.to_owned(),
        description: description.to_owned(),
        schema,
        defaults,
        plugin: plugin.map(|id| id.to_string()),
    }
}

/// Sorted, so that two components with the same kind always give the same answer.
fn sorted(plugins: &PluginSet) -> Vec<(&Arc<str>, &Arc<dyn FaultInjector>)> {
    let mut injectors: Vec<_> = plugins.faults.iter().collect();
    injectors.sort_by(|a, b| a.0.cmp(b.0));
    injectors
}

/// Who offers an order's kind, after its parameters have been checked there.
pub(super) async fn find(plugins: &PluginSet, wanted: &FaultOrder) -> Result<Source, ArmError> {
    if let Some(native) = Native::read(&wanted.kind, &wanted.matching, &wanted.config) {
        return native.map(Source::Native);
    }
    let offers = |injector: &dyn FaultInjector| injector.kinds().iter().any(|kind| kind.name == wanted.kind);
    let found = sorted(plugins).into_iter().find(|(_, injector)| offers(injector.as_ref()));
    let Some((plugin, injector)) = found else {
        let known = catalogue(plugins).into_iter().map(|entry| entry.name).collect();
        return Err(ArmError::UnknownKind { kind: wanted.kind.clone(), known });
    };
    let problems = injector.check(&wanted.kind, &wanted.config).await;
    order::refuse(&wanted.kind, problems.map_err(|fault| ArmError::Plugin(fault.message))?)?;
    Ok(Source::Component(Arc::clone(plugin)))
}
