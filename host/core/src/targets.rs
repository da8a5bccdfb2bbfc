//! The health of every target: one breaker, its gates, its history and its outlook each, and the gates that all targets of a
//! provider share because they share a credential.
//!
//! A call goes through [`TargetState::try_acquire`] and holds the [`Permit`] until it ends; the permit's methods are
//! the only way to say how the call went, and dropping it says nothing about health. Asking is cheap (a few atomic loads
//! and one short lock while all is well) and allocates nothing, also when refused. The map is bounded: targets that are not
//! configured come from model names that clients write.

mod ask;
mod credit;
mod history;
mod lesson;
mod permit;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod twin;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;

pub use ask::Ask;
pub use lesson::Lesson;
pub use permit::Permit;
pub use state::TargetState;
pub use status::{ChangeStatus, ForecastStatus, GateStatus, TargetStats, TargetStatus};
pub use twin::TwinReason;

use crate::breaker::BreakerSettings;
use crate::gate::{CredentialGate, RateGate};
use crate::note::Gate;
use crate::ports::{Clock, Observer};
use crate::random::Random;
use crate::target::{ProviderName, TargetId};

/// Most targets whose health is remembered.
pub const TARGETS_CAP: usize = 4_096;

/// Why a target may not be called now. Small and without an allocation: refusing must cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What refuses.
    pub gate: Gate,
    /// When to come back, where known.
    pub retry_in: Option<Duration>,
}

/// What every target is given.
#[derive(Clone)]
struct Outside {
    clock: Arc<dyn Clock>,
    random: Arc<Random>,
    observer: Arc<dyn Observer>,
    epoch: Instant,
}

/// Gates of everything behind one credential.
#[derive(Debug)]
struct ProviderGates {
    rate: RateGate,
    credential: CredentialGate,
}

impl ProviderGates {
    fn new(epoch: Instant) -> Self {
        Self { rate: RateGate::new(epoch), credential: CredentialGate::new(epoch) }
    }

    fn is_open(&self, now: Instant) -> bool {
        self.rate.left(now).is_none()
            && self.credential.refused(now).is_none()
            && self.credential.used_up(now).is_none()
    }
}

#[derive(Debug, Default)]
struct Maps {
    states: HashMap<TargetId, Arc<TargetState>>,
    providers: HashMap<ProviderName, Arc<ProviderGates>>,
}

/// Every target's health.
pub struct Targets {
    outside: Outside,
    settings: RwLock<BreakerSettings>,
    maps: RwLock<Maps>,
    /// Orders uses, for eviction.
    uses: AtomicU64,
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets").field("known", &self.read().states.len()).finish_non_exhaustive()
    }
}

impl Targets {
    /// Knows no target yet; they come with [`Targets::configure`] and with the first use.
    pub fn new(
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
        observer: Arc<dyn Observer>,
        settings: BreakerSettings,
    ) -> Self {
        let epoch = clock.now();
        Self {
            outside: Outside { clock, random, observer, epoch },
            settings: RwLock::new(settings),
            maps: RwLock::default(),
            uses: AtomicU64::new(0),
        }
    }

    /// The state of a target, new if it was not known. When the map is full of targets in use, a state that nobody
    /// else shares: the call works, its health is not remembered.
    pub fn get(&self, id: &TargetId) -> Arc<TargetState> {
        let touch = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(state) = self.read().states.get(id) {
            state.touch(touch);
            return Arc::clone(state);
        }
        let mut maps = self.write();
        if maps.states.len() >= TARGETS_CAP {
            maps.evict(self.outside.clock.now());
        }
        let state = self.get_or_insert(&mut maps, id);
        state.touch(touch);
        state
    }

    /// The configuration as it now is. Known targets keep their health; credential gates and missing-model benches
    /// open, because a configuration change is how an operator repairs them.
    pub fn configure(&self, configured: &[TargetId], settings: &BreakerSettings) {
        settings.clone_into(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner));
        let wanted: HashSet<&TargetId> = configured.iter().collect();
        let mut maps = self.write();
        for id in configured {
            if maps.states.len() >= TARGETS_CAP {
                maps.evict(self.outside.clock.now());
            }
            self.get_or_insert(&mut maps, id);
        }
        for (id, state) in &maps.states {
            state.reconfigure(wanted.contains(id), settings);
        }
        for gates in maps.providers.values() {
            gates.credential.reset();
        }
    }

    /// The provider's adapter was replaced: its credential gates and missing-model benches open, and open breakers may
    /// probe at once, for the new code may be the cure.
    pub fn provider_changed(&self, provider: &ProviderName) {
        let maps = self.read();
        if let Some(gates) = maps.providers.get(provider) {
            gates.credential.reset();
        }
        for state in maps.states.values().filter(|state| state.id().provider == *provider) {
            state.way_changed();
        }
    }

    /// Every known target, sorted by name.
    pub fn status(&self) -> Vec<TargetStatus> {
        let mut states: Vec<_> = self.read().states.values().map(Arc::clone).collect();
        states.sort_by(|a, b| a.id().cmp(b.id()));
        states.iter().map(|state| state.status()).collect()
    }

    /// Holds a target's breaker open for `ttl` (at most a day); the reason is shown, never interpreted.
    pub fn force_open(&self, id: &TargetId, reason: &str, ttl: Duration) {
        self.get(id).force_open(reason, ttl);
    }

    /// Holds a target's breaker closed for `ttl` (at most a day).
    pub fn force_closed(&self, id: &TargetId, reason: &str, ttl: Duration) {
        self.get(id).force_closed(reason, ttl);
    }

    /// Ends a forced state: open goes to half-open, closed to closed.
    pub fn release(&self, id: &TargetId) {
        self.get(id).release();
    }

    /// Breaker closed, the target's own gates open, back-offs and forecasts forgotten.
    pub fn reset(&self, id: &TargetId) {
        self.get(id).reset();
    }

    fn get_or_insert(&self, maps: &mut Maps, id: &TargetId) -> Arc<TargetState> {
        if let Some(state) = maps.states.get(id) {
            return Arc::clone(state);
        }
        let epoch = self.outside.epoch;
        let full = maps.states.len() >= TARGETS_CAP;
        let gates = match maps.providers.get(&id.provider) {
            Some(gates) => Arc::clone(gates),
            None => Arc::new(ProviderGates::new(epoch)),
        };
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let state =
            Arc::new(TargetState::new(id.clone(), self.outside.clone(), Arc::clone(&gates), settings));
        if !full {
            maps.providers.entry(Arc::clone(&id.provider)).or_insert(gates);
            maps.states.insert(id.clone(), Arc::clone(&state));
        }
        state
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    /// Forgets the least recently used half of what is idle and not configured; half, so that a flood of invented
    /// names pays for one sweep in thousands of calls.
    fn evict(&mut self, now: Instant) {
        let mut idle: Vec<(u64, TargetId)> = self
            .states
            .values()
            .filter(|state| Arc::strong_count(state) == 1 && state.may_be_forgotten())
            .map(|state| (state.touched(), state.id().clone()))
            .collect();
        idle.sort_unstable_by_key(|(touched, _)| *touched);
        let half = idle.len().div_ceil(2);
        for (_, id) in idle.into_iter().take(half) {
            self.states.remove(&id);
        }
        self.providers.retain(|_, gates| Arc::strong_count(gates) > 1 || !gates.is_open(now));
    }
}
