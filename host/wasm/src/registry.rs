//! Which version of each plugin serves, what it can fall back to, and the set that the core sees.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use seawall_core::ports::{PluginRef, PluginSet};

use crate::diagnose::{Code, Problem};
use crate::kinds::adapter::BoundAdapter;
use crate::status::{PluginEvent, PluginStatus, State};
use crate::version::Version;

/// Good generations kept for a rollback.
const PREVIOUS: usize = 2;

/// A configured provider and the adapter that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The adapter's id.
    pub plugin: Arc<str>,
    /// The operator's settings for the adapter as JSON; "{}" for none.
    pub config_json: String,
    /// The operator's base URL, before the adapter's own.
    pub base_url: Option<String>,
}

/// All plugins of one host.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: BTreeMap<Arc<str>, Slot>,
    bindings: Vec<Binding>,
    bound: Vec<Bound>,
    /// Problems of bindings, in their order.
    pub(crate) problems: Vec<Problem>,
}

/// A binding as one version of its adapter serves it.
#[derive(Clone, Debug)]
struct Bound {
    binding: Binding,
    plugin: PluginRef,
    adapter: Arc<BoundAdapter>,
}

#[derive(Debug)]
struct Slot {
    active: Option<Arc<Version>>,
    /// Newest first.
    previous: VecDeque<Arc<Version>>,
    generations: u64,
    state: State,
    problem: Option<Problem>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            active: None,
            previous: VecDeque::new(),
            generations: 0,
            state: State::Rejected,
            problem: None,
        }
    }
}

impl Registry {
    /// The name that the next version of a plugin gets.
    pub(crate) fn next_name(&self, id: &Arc<str>, digest: Arc<str>) -> PluginRef {
        let generations = self.slots.get(id).map_or(0, |slot| slot.generations);
        PluginRef { id: Arc::clone(id), generation: generations + 1, digest }
    }

    pub(crate) fn active(&self, id: &str) -> Option<&Arc<Version>> {
        self.slots.get(id)?.active.as_ref()
    }

    pub(crate) fn versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.slots.values().filter_map(|slot| slot.active.as_ref())
    }

    pub(crate) fn bindings_of(&self, id: &str) -> Vec<Binding> {
        self.bindings.iter().filter(|binding| *binding.plugin == *id).cloned().collect()
    }

    /// Bindings of a plugin that are served now.
    pub(crate) fn served(&self, id: &str) -> Vec<Binding> {
        self.bound
            .iter()
            .filter(|bound| *bound.binding.plugin == *id)
            .map(|bound| bound.binding.clone())
            .collect()
    }

    /// A new version serves from now on.
    pub(crate) fn install(&mut self, version: Version) -> PluginEvent {
        let version = Arc::new(version);
        let plugin = version.name().clone();
        let slot = self.slots.entry(Arc::clone(&plugin.id)).or_default();
        slot.generations = plugin.generation;
        slot.state = State::Active;
        slot.problem = None;
        let kind = version.kind();
        let old = slot.active.replace(version);
        let replaces = old.as_ref().map(|old| old.name().generation);
        if let Some(old) = old {
            old.retire();
            slot.previous.push_front(old);
            slot.previous.truncate(PREVIOUS);
        }
        PluginEvent::Loaded { plugin, kind, replaces }
    }

    /// A file was refused; what serves stays.
    pub(crate) fn reject(&mut self, id: &Arc<str>, problem: Problem) -> PluginEvent {
        let slot = self.slots.entry(Arc::clone(id)).or_default();
        if slot.active.is_none() {
            slot.state = State::Rejected;
        }
        slot.problem = Some(problem.clone());
        PluginEvent::Rejected { id: Arc::clone(id), problem }
    }

    pub(crate) fn problem_of(&self, id: &str) -> Option<Problem> {
        self.slots.get(id)?.problem.clone()
    }

    /// The file that a problem was about is gone.
    pub(crate) fn forgive(&mut self, id: &str) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.problem = None;
        }
    }

    /// Its file is gone.
    pub(crate) fn drain(&mut self, id: &Arc<str>) -> Option<PluginEvent> {
        let slot = self.slots.get_mut(id)?;
        let had = slot.active.take();
        if let Some(version) = &had {
            version.retire();
        }
        slot.previous.clear();
        slot.state = State::Drained;
        slot.problem = None;
        had.map(|_| PluginEvent::Drained { id: Arc::clone(id) })
    }

    /// Returns to the last good generation; `None` when there is none.
    pub(crate) fn roll_back(&mut self, id: &str, problem: Problem) -> Option<PluginEvent> {
        let slot = self.slots.get_mut(id)?;
        let older = slot.previous.pop_front()?;
        older.revive();
        let to = older.name().generation;
        let bad = slot.active.replace(older)?;
        bad.retire();
        let PluginRef { id, generation: from, .. } = bad.name().clone();
        slot.state = State::RolledBack;
        slot.problem = Some(problem.clone());
        Some(PluginEvent::RolledBack { id, from, to, problem })
    }

    /// A serving version that keeps failing, with nothing to return to.
    pub(crate) fn alarm(&mut self, plugin: &PluginRef, problem: Problem) -> PluginEvent {
        if let Some(slot) = self.slots.get_mut(&plugin.id) {
            slot.problem = Some(problem.clone());
        }
        PluginEvent::KeepsFailing { plugin: plugin.clone(), problem }
    }

    /// New bindings. When a loaded adapter refuses one, nothing changes and its words come back.
    pub(crate) fn rebind(&mut self, bindings: Vec<Binding>) -> Result<PluginSet, Vec<Problem>> {
        let (bound, problems) = self.bind_all(&bindings);
        let standing = |problem: &Problem| matches!(problem.code, Code::NotLoaded);
        if problems.iter().any(|problem| !standing(problem)) {
            return Err(problems);
        }
        (self.bindings, self.bound, self.problems) = (bindings, bound, problems);
        Ok(self.assemble())
    }

    /// The set of everything active, as far as the bindings work.
    pub(crate) fn build(&mut self) -> PluginSet {
        (self.bound, self.problems) = self.bind_all(&self.bindings);
        self.assemble()
    }

    /// The bindings before anything is loaded.
    pub(crate) fn expect(&mut self, bindings: Vec<Binding>) {
        self.bindings = bindings;
    }

    fn bind_all(&self, bindings: &[Binding]) -> (Vec<Bound>, Vec<Problem>) {
        let mut bound = Vec::new();
        let mut problems = Vec::new();
        for binding in bindings {
            match self.bind(binding) {
                Ok(served) => bound.push(served),
                // A full house is no reason to lose a provider: its older version serves on.
                Err(problem) if problem.code.is_back_pressure() && self.older(binding).is_some() => {
                    bound.extend(self.older(binding).cloned());
                }
                Err(problem) => problems.push(problem.of(&binding.provider)),
            }
        }
        (bound, problems)
    }

    fn bind(&self, binding: &Binding) -> Result<Bound, Problem> {
        let id = &binding.plugin;
        let version = self
            .active(id)
            .ok_or_else(|| Problem::new(Code::NotLoaded, format!("the plugin `{id}` is not loaded")))?;
        let plugin = version.name().clone();
        // What is already bound stays as it is: nothing is asked of a plugin that did not change.
        let known = self.bound.iter().find(|bound| bound.plugin == plugin && bound.binding == *binding);
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let adapter =
            version.bind(&binding.config_json, binding.base_url.as_deref()).ok_or_else(|| {
                Problem::new(Code::NotAnAdapter, format!("the plugin `{id}` is no provider adapter"))
            })??;
        Ok(Bound { binding: binding.clone(), plugin, adapter: Arc::new(adapter) })
    }

    fn older(&self, binding: &Binding) -> Option<&Bound> {
        self.bound.iter().find(|bound| bound.binding == *binding)
    }

    fn assemble(&self) -> PluginSet {
        let mut set = PluginSet::default();
        for bound in &self.bound {
            set.adapters.insert(Arc::clone(&bound.binding.provider), Arc::clone(&bound.adapter) as _);
        }
        for version in self.versions() {
            let id = Arc::clone(&version.name().id);
            if let Some(policy) = version.policy() {
                set.policies.insert(Arc::clone(&id), Arc::new(policy));
            }
            if let Some(fault) = version.fault() {
                set.faults.insert(id, Arc::new(fault));
            }
        }
        set
    }

    pub(crate) fn status(&self) -> Vec<PluginStatus> {
        self.slots
            .iter()
            .map(|(id, slot)| PluginStatus {
                id: Arc::clone(id),
                state: slot.state,
                version: slot.active.as_ref().map(|version| version.status()),
                previous: slot.previous.iter().map(|version| version.name().generation).collect(),
                last_problem: slot
                    .problem
                    .clone()
                    .or_else(|| slot.active.as_ref().and_then(|version| version.vitals().last_problem())),
            })
            .collect()
    }

    /// Problems of plugins and bindings that stand now.
    pub(crate) fn standing_problems(&self) -> Vec<(Option<Arc<str>>, Problem)> {
        let of_plugins =
            self.slots.iter().filter_map(|(id, slot)| Some((Some(Arc::clone(id)), slot.problem.clone()?)));
        let of_bindings = self.problems.iter().map(|problem| (None, problem.clone()));
        of_plugins.chain(of_bindings).collect()
    }
}
