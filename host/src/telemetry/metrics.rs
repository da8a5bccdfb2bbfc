//! Everything that is counted, once: what `/metrics` and OTLP export and what `/admin/status` sums up are read off the
//! same atomics.
//!
//! Labels are bounded by the configuration. Aliases and targets that it names have places of their own, made before the
//! first request; whatever a client makes up counts for `other`, of its provider where that is known. A note costs a
//! lookup or two and a few atomic additions: no allocation, no lock but in what is rare (a changed breaker, an injected
//! fault, a plugin's fault, a refused request). What every request counts has a lane for each thread.

mod alias;
pub(super) mod http;
mod rare;
pub(super) mod target;
mod totals;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use seawall_core::note::Note;
use seawall_core::record::Record;
use seawall_core::target::{ProviderName, TargetId};

use self::alias::AliasFigures;
use self::rare::Rare;
use self::target::TargetFigures;
pub use self::totals::Totals;
use super::figures::{Counter, Sheet};
use super::names::{self, key};
use crate::config::Config;
use crate::lanes::Lanes;

/// The label of what no configuration names.
const OTHER: &str = "other";

/// Counts notes.
#[derive(Debug)]
pub struct Metrics {
    places: ArcSwap<Places>,
    started: Lanes<Counter>,
    refused: Rare,
    second_rounds: Counter,
    wasted_tokens: Counter,
}

/// Who has a place of its own. Places are never taken away: what was counted stays, also where the configuration has
/// changed.
#[derive(Clone, Debug)]
struct Places {
    aliases: HashMap<Arc<str>, Arc<AliasFigures>>,
    other_alias: Arc<AliasFigures>,
    targets: HashMap<TargetId, Arc<TargetFigures>>,
    /// Models of a provider that the configuration does not name.
    providers: HashMap<ProviderName, Arc<TargetFigures>>,
    other_target: Arc<TargetFigures>,
}

impl Places {
    fn none() -> Self {
        Self {
            aliases: HashMap::new(),
            other_alias: Arc::new(AliasFigures::new(OTHER.into())),
            targets: HashMap::new(),
            providers: HashMap::new(),
            other_target: Arc::new(TargetFigures::new(TargetId::new(OTHER, OTHER), OTHER.to_owned())),
        }
    }

    fn alias(&self, name: &str) -> &AliasFigures {
        self.aliases.get(name).unwrap_or(&self.other_alias)
    }

    fn target(&self, id: &TargetId) -> &TargetFigures {
        let known = self.targets.get(id).or_else(|| self.providers.get(&id.provider));
        known.unwrap_or(&self.other_target)
    }

    fn all_targets(&self) -> impl Iterator<Item = &TargetFigures> {
        let mut named: Vec<&TargetFigures> = self.targets.values().map(AsRef::as_ref).collect();
        named.sort_by(|one, other| one.label.cmp(&other.label));
        let mut providers: Vec<&TargetFigures> = self.providers.values().map(AsRef::as_ref).collect();
        providers.sort_by(|one, other| one.label.cmp(&other.label));
        let others = providers.into_iter().chain([self.other_target.as_ref()]);
        // A place for what nobody has asked for yet would only be noise.
        named.into_iter().chain(others.filter(|place| place.is_used()))
    }

    fn all_aliases(&self) -> impl Iterator<Item = &AliasFigures> {
        let mut named: Vec<&AliasFigures> = self.aliases.values().map(AsRef::as_ref).collect();
        named.sort_by(|one, other| one.name.cmp(&other.name));
        named.into_iter().chain(Some(self.other_alias.as_ref()).filter(|place| place.is_used()))
    }
}

impl Metrics {
    /// Nobody has a place of its own yet.
    pub(super) fn new() -> Self {
        Self {
            places: ArcSwap::from_pointee(Places::none()),
            started: Lanes::default(),
            refused: Rare::default(),
            second_rounds: Counter::default(),
            wasted_tokens: Counter::default(),
        }
    }

    /// Gives places to the aliases, targets and providers that the configuration names.
    pub(super) fn configure(&self, config: &Config) {
        let mut places = Places::clone(&self.places.load());
        for (name, alias) in &config.aliases {
            let new = || Arc::new(AliasFigures::new(Arc::clone(name)));
            places.aliases.entry(Arc::clone(name)).or_insert_with(new);
            for target in &alias.targets {
                let new = || Arc::new(TargetFigures::new(target.id.clone(), target.id.to_string()));
                places.targets.entry(target.id.clone()).or_insert_with(new);
            }
        }
        for provider in config.providers.keys() {
            let other = TargetId::new(Arc::clone(provider), OTHER);
            let label = other.to_string();
            places
                .providers
                .entry(Arc::clone(provider))
                .or_insert_with(|| Arc::new(TargetFigures::new(other, label)));
        }
        self.places.store(Arc::new(places));
    }

    /// Counts one note.
    pub(super) fn count(&self, note: &Note) {
        let places = self.places.load();
        match note {
            Note::RequestStarted { .. } => self.started.mine().one(),
            Note::RequestRefused { status, code, .. } => {
                self.refused.one([Cow::Owned(status.to_string()), Cow::Owned(code.clone())]);
            }
            Note::Skipped { target, gate, .. } => places.target(target).skipped(*gate),
            Note::AttemptStarted { target, probe, .. } => places.target(target).started(*probe),
            Note::AttemptFailed { target, failure, .. } => places.target(target).failed(failure.class),
            Note::HedgeStarted { target, rescue, .. } => places.target(target).hedge_started(*rescue),
            Note::HedgeEnded { target, end, wasted_tokens, .. } => {
                places.target(target).hedge_ended(*end);
                self.wasted_tokens.add(u64::from(*wasted_tokens));
            }
            Note::TwinStarted { target, .. } => places.target(target).twin_started(),
            Note::TwinEnded { twin, .. } => places.target(&twin.call.target).twin_ended(&twin.call),
            Note::RoundStarted { .. } => self.second_rounds.one(),
            // The record of the request holds it.
            Note::Committed { .. } => {}
            Note::Spliced { splice, .. } => places.target(&splice.to).spliced(splice.mode),
            Note::RequestEnded(record) => ended(&places, record),
            Note::CircuitChanged { target, to, reason, .. } => places.target(target).changed(*to, reason),
            // The breaker's status counts these.
            Note::WouldOpen { .. } => {}
            Note::GateClosed { target, gate, .. } => places.target(target).gate_closed(*gate),
            Note::FaultInjected { target, kind, action, .. } => places.target(target).injected(kind, action),
            Note::PromptFailed { target, template, .. } => places.target(target).prompt_failed(template),
            Note::PluginFault { target, code, .. } => places.target(target).lost_to_plugin(code),
        }
    }

    /// Writes everything down. `provider` gives the name that the conventions know a configured provider by.
    pub(crate) fn gather(&self, sheet: &mut Sheet, provider: &dyn Fn(&str) -> Option<String>) {
        let places = self.places.load();
        sheet.put(&names::REQUESTS_STARTED, [], self.started.sum(|started| started));
        for ([status, code], count) in self.refused.read() {
            sheet.put(&names::REQUESTS_REFUSED, [(key::HTTP_STATUS, status), (key::CODE, code)], count);
        }
        sheet.put(&names::SECOND_ROUNDS, [], &self.second_rounds);
        sheet.put(&names::HEDGE_WASTE, [], &self.wasted_tokens);
        for alias in places.all_aliases() {
            alias.gather(sheet);
        }
        for target in places.all_targets() {
            target.gather(sheet, provider);
        }
    }
}

fn ended(places: &Places, record: &Record) {
    places.alias(&record.model).ended(record.outcome, record.after);
    for attempt in &record.attempts {
        places.target(&attempt.target).ended(record, attempt);
    }
}

/// What belongs to this label.
fn of<'a, L: PartialEq + Copy, T>(labels: &[L], things: &'a [T], label: L) -> Option<&'a T> {
    labels.iter().position(|known| *known == label).and_then(|place| things.get(place))
}
