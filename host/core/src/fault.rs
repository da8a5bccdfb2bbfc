//! Armed faults: which attempts they hit, and what the wire then does. They act below the adapter, on the wire request
//! and on reply bytes, so that adapter, breaker and cascade meet what a real outage would send them.
//!
//! Nothing is armed at start, every fault ends by itself, and decisions come from a hash of (seed, fault, ordinal), so
//! that a run can be replayed. A fault component that misbehaves injects nothing.

mod rewrite;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::note::Note;
use crate::ports::{
    Adapter, Clock, FaultAction, FaultAttempt, FaultInjector, FaultVerdict, Observer, PluginSet,
    TransportFailure, Upstream, WireReply, WireRequest,
};
use crate::random::{mix, unit_of};
use crate::record::{Injected, Injection};
use crate::request::Request;
use crate::target::TargetId;

/// At most so many faults are armed at once.
pub const MAX_ARMED: usize = 64;
/// A fault ends by itself after this, unless told otherwise.
pub const DEFAULT_TTL: Duration = Duration::from_secs(60);
/// And never lives longer.
pub const MAX_TTL: Duration = Duration::from_secs(3600);

/// Which attempts a fault hits; a missing member matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultMatch {
    /// Configured provider.
    pub provider: Option<String>,
    /// Upstream model.
    pub model: Option<String>,
    /// Alias that the client asked for.
    pub alias: Option<String>,
    /// Client's partition.
    pub tenant: Option<String>,
    /// Streamed or plain.
    pub stream: Option<bool>,
    /// Share of the matching attempts, 0 to 100.
    pub percent: Option<f64>,
}

/// What an operator arms.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultOrder {
    /// A kind from some component's catalogue.
    pub kind: String,
    /// Which attempts.
    pub matching: FaultMatch,
    /// The kind's parameters as JSON text.
    pub config: String,
    /// How long.
    pub ttl: Duration,
    /// Decides the sampling and the component's draws.
    pub seed: u64,
}

/// One armed fault as the admin API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ArmedStatus {
    /// To disarm it.
    pub id: u64,
    /// Its kind.
    pub kind: String,
    /// The component that offers the kind.
    pub plugin: String,
    /// Which attempts.
    #[serde(rename = "match")]
    pub matching: FaultMatch,
    /// Its parameters.
    pub config: serde_json::Value,
    /// Its seed.
    pub seed: u64,
    /// It ends by itself then.
    pub ends_in_ms: u64,
    /// Attempts it looked at.
    pub considered: u64,
    /// Attempts it acted on.
    pub injected: u64,
}

/// Why a fault was not armed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// No loaded component offers the kind.
    #[error("no fault component offers `{kind}`; known kinds: {}", known.join(", "))]
    UnknownKind {
        /// As asked for.
        kind: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The component refuses the parameters.
    #[error("the parameters of `{kind}` have a problem at `{path}`: {message}")]
    Config {
        /// The kind.
        kind: String,
        /// JSON pointer.
        path: String,
        /// What is wrong.
        message: String,
        /// What to do.
        fix: Option<String>,
    },
    /// A member is out of range.
    #[error("`{member}` {message}")]
    Range {
        /// Which.
        member: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The component itself failed.
    #[error("the fault component failed: {0}")]
    Plugin(String),
    /// Too many.
    #[error("{MAX_ARMED} faults are armed already; disarm one first")]
    Full,
}

struct Armed {
    id: u64,
    order: FaultOrder,
    plugin: Arc<str>,
    since: Instant,
    considered: AtomicU64,
    injected: AtomicU64,
}

/// All armed faults.
pub struct Chaos {
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// Spares the unarmed path the lock.
    any: AtomicBool,
    armed: RwLock<Arc<Vec<Arc<Armed>>>>,
    next_id: AtomicU64,
}

/// The attempt that a fault is asked about.
pub(crate) struct FaultQuestion<'a> {
    pub(crate) request: &'a Request,
    pub(crate) alias: &'a Arc<str>,
    pub(crate) target: &'a TargetId,
    pub(crate) number: u32,
    pub(crate) adapter: &'a Arc<dyn Adapter>,
    /// Where what was done to it is put on record.
    pub(crate) injection: &'a Injection,
}

/// A fault that hits this attempt.
struct Hit {
    armed: Arc<Armed>,
    injector: Arc<dyn FaultInjector>,
    attempt: FaultAttempt,
    verdict: FaultVerdict,
}

impl Chaos {
    /// Nothing is armed.
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Self {
        Self {
            clock,
            observer,
            any: AtomicBool::new(false),
            armed: RwLock::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Whether anything may be armed; one atomic load.
    pub fn is_armed(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// A place to put on record what is done to one attempt; none while nothing is armed, and then nothing is done to it.
    pub(crate) fn injection(&self) -> Option<Injection> {
        self.is_armed().then(Injection::default)
    }

    /// Arms a fault after its component has checked the parameters; its id.
    pub async fn arm(&self, plugins: &PluginSet, order: FaultOrder) -> Result<u64, ArmError> {
        check_ranges(&order)?;
        let (plugin, injector) = find_kind(plugins, &order.kind)?;
        let problems = injector.check(&order.kind, &order.config).await;
        if let Some(problem) = problems.map_err(|fault| ArmError::Plugin(fault.message))?.into_iter().next() {
            let (path, message, fix) = (problem.path, problem.message, problem.fix);
            return Err(ArmError::Config { kind: order.kind, path, message, fix });
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let armed = Armed {
            id,
            order,
            plugin,
            since: now,
            considered: AtomicU64::new(0),
            injected: AtomicU64::new(0),
        };
        let mut slot = self.armed.write().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = slot.iter().filter(|fault| fault.is_alive(now)).cloned().collect();
        if list.len() >= MAX_ARMED {
            return Err(ArmError::Full);
        }
        list.push(Arc::new(armed));
        *slot = Arc::new(list);
        self.any.store(true, Ordering::Release);
        Ok(id)
    }

    /// Disarms one; whether it was armed.
    pub fn disarm(&self, id: u64) -> bool {
        self.retain(|fault| fault.id != id)
    }

    /// The kill switch: how many were armed.
    pub fn disarm_all(&self) -> usize {
        let count = self.list().len();
        self.retain(|_| false);
        count
    }

    /// What is armed now.
    pub fn list(&self) -> Vec<ArmedStatus> {
        let now = self.clock.now();
        self.snapshot().iter().filter(|fault| fault.is_alive(now)).map(|fault| fault.status(now)).collect()
    }

    /// Sends a request through whatever is armed.
    pub(crate) async fn send(
        &self,
        plugins: &PluginSet,
        question: &FaultQuestion<'_>,
        upstream: &dyn Upstream,
        wire: WireRequest,
    ) -> Result<WireReply, TransportFailure> {
        let Some(hit) = self.decide(plugins, question).await else { return upstream.send(wire).await };
        if !hit.verdict.delay.is_zero() {
            sleep(hit.verdict.delay).await;
        }
        match &hit.verdict.action {
            FaultAction::Pass => upstream.send(wire).await,
            FaultAction::Respond(reply) => Ok(wire::reply(reply.clone(), self.clock.wall())),
            FaultAction::Fail { class, retry_after } => {
                let (adapter, hint) = (question.adapter.as_ref(), retry_after.clone());
                Ok(wire::failure(adapter, *class, hint, self.clock.wall()).await)
            }
            FaultAction::RefuseConnection => Err(TransportFailure::Connect("injected".to_owned())),
            FaultAction::Reset => Err(TransportFailure::Reset("injected".to_owned())),
            FaultAction::Hang => std::future::pending().await,
            FaultAction::Rewrite => {
                let reply = upstream.send(wire).await?;
                let order = &hit.armed.order;
                match hit.injector.transform(&order.kind, &hit.attempt, &order.config).await {
                    Ok(transform) => Ok(rewrite::rewritten(reply, transform, Arc::clone(question.adapter))),
                    Err(_) => Ok(reply),
                }
            }
        }
    }

    /// The first armed fault, in order of arming, that acts on this attempt.
    async fn decide(&self, plugins: &PluginSet, question: &FaultQuestion<'_>) -> Option<Hit> {
        let now = self.clock.now();
        let armed = self.snapshot();
        let mut any_alive = false;
        for fault in armed.iter().filter(|fault| fault.is_alive(now)) {
            any_alive = true;
            if !fault.order.matching.covers(question) {
                continue;
            }
            let ordinal = fault.considered.fetch_add(1, Ordering::Relaxed);
            let draw = mix(mix(fault.order.seed ^ fault.id).wrapping_add(ordinal));
            if !sampled(fault.order.matching.percent, draw) {
                continue;
            }
            let Some(injector) = plugins.faults.get(&fault.plugin) else { continue };
            let attempt = self.attempt(fault, question, ordinal, draw, now);
            let Ok(verdict) = injector.decide(&fault.order.kind, &attempt, &fault.order.config).await else {
                continue;
            };
            if verdict.delay.is_zero() && matches!(verdict.action, FaultAction::Pass) {
                continue;
            }
            fault.injected.fetch_add(1, Ordering::Relaxed);
            let action = wire::label(&verdict.action);
            question.injection.is(Injected { fault: fault.id, kind: fault.order.kind.clone(), action });
            self.observer.note(Note::FaultInjected {
                id: question.request.id,
                target: question.target.clone(),
                kind: fault.order.kind.clone(),
                action,
            });
            return Some(Hit { armed: Arc::clone(fault), injector: Arc::clone(injector), attempt, verdict });
        }
        if !any_alive {
            self.retain(|_| true);
        }
        None
    }

    fn attempt(
        &self,
        fault: &Armed,
        question: &FaultQuestion<'_>,
        ordinal: u64,
        draw: u64,
        now: Instant,
    ) -> FaultAttempt {
        FaultAttempt {
            request: question.request.id,
            target: question.target.clone(),
            alias: Arc::clone(question.alias),
            tenant: Arc::clone(&question.request.tenant),
            streaming: question.request.facts.stream,
            number: question.number,
            ordinal,
            // Another draw than the sampling's, or a percentage would skew what the component draws.
            random: mix(draw),
            now_ms: millis(self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default()),
            armed_for_ms: millis(now.saturating_duration_since(fault.since)),
        }
    }

    fn snapshot(&self) -> Arc<Vec<Arc<Armed>>> {
        Arc::clone(&self.armed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what is alive and wanted; whether anything alive went.
    fn retain(&self, keep: impl Fn(&Armed) -> bool) -> bool {
        let now = self.clock.now();
        let mut slot = self.armed.write().unwrap_or_else(PoisonError::into_inner);
        let alive = slot.iter().filter(|fault| fault.is_alive(now)).count();
        let list: Vec<_> = slot.iter().filter(|fault| fault.is_alive(now) && keep(fault)).cloned().collect();
        let removed = list.len() < alive;
        self.any.store(!list.is_empty(), Ordering::Release);
        *slot = Arc::new(list);
        removed
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos").field("armed", &self.list().len()).finish_non_exhaustive()
    }
}

impl Armed {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.order.ttl
    }

    fn status(&self, now: Instant) -> ArmedStatus {
        ArmedStatus {
            id: self.id,
            kind: self.order.kind.clone(),
            plugin: self.plugin.to_string(),
            matching: self.order.matching.clone(),
            config: serde_json::from_str(&self.order.config).unwrap_or_default(),
            seed: self.order.seed,
            ends_in_ms: millis(self.order.ttl.saturating_sub(now.saturating_duration_since(self.since))),
            considered: self.considered.load(Ordering::Relaxed),
            injected: self.injected.load(Ordering::Relaxed),
        }
    }
}

impl FaultMatch {
    fn covers(&self, question: &FaultQuestion<'_>) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.provider, &question.target.provider)
            && same(&self.model, &question.target.model)
            && same(&self.alias, question.alias)
            && same(&self.tenant, &question.request.tenant)
            && self.stream.is_none_or(|stream| stream == question.request.facts.stream)
    }
}

fn check_ranges(order: &FaultOrder) -> Result<(), ArmError> {
    if order.matching.percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        let message = "must lie between 0 and 100".to_owned();
        return Err(ArmError::Range { member: "match.percent", message });
    }
    if order.ttl.is_zero() || order.ttl > MAX_TTL {
        let message = format!("must be longer than 0 and at most {} s", MAX_TTL.as_secs());
        return Err(ArmError::Range { member: "ttl", message });
    }
    Ok(())
}

fn find_kind(plugins: &PluginSet, kind: &str) -> Result<(Arc<str>, Arc<dyn FaultInjector>), ArmError> {
    // Sorted, so that two components with the same kind always give the same answer.
    let mut injectors: Vec<_> = plugins.faults.iter().collect();
    injectors.sort_by(|a, b| a.0.cmp(b.0));
    let offers =
        |injector: &Arc<dyn FaultInjector>| injector.kinds().iter().any(|offered| offered.name == kind);
    if let Some((plugin, injector)) = injectors.iter().find(|(_, injector)| offers(injector)) {
        return Ok((Arc::clone(plugin), Arc::clone(injector)));
    }
    let known = injectors.iter().flat_map(|(_, i)| i.kinds()).map(|offered| offered.name.clone()).collect();
    Err(ArmError::UnknownKind { kind: kind.to_owned(), known })
}

/// Whether this draw falls into the share.
fn sampled(percent: Option<f64>, draw: u64) -> bool {
    percent.is_none_or(|percent| unit_of(draw) * 100.0 < percent)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
