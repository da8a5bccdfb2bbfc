//! Armed faults: which attempts they hit, and what the wire then does. They act below the adapter, on the wire request
//! and on reply bytes, so that adapter, breaker and cascade meet what a real outage would send them.
//!
//! Nothing is armed at start, every fault ends by itself, and decisions come from a hash of (seed, experiment, ordinal),
//! so that a run can be replayed. What happens before a provider can say anything is the gateway's own; the rest comes
//! from components. A component that misbehaves injects nothing. Of several faults that are for one attempt the first
//! that acts counts, in the order of arming.

mod aim;
mod armed;
mod catalogue;
mod error;
mod native;
mod order;
mod rewrite;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

pub(crate) use self::aim::FaultQuestion;
pub(crate) use self::armed::Armed;
pub use self::armed::{ArmedStatus, Counts};
use self::armed::{Draw, Source, is_harmful};
pub use self::catalogue::{Entry, catalogue};
pub use self::error::ArmError;
pub use self::order::{FaultMatch, FaultOrder, HeaderMatch, Tier};
use crate::note::Note;
use crate::ports::{
    Clock, FaultAction, FaultAttempt, FaultInjector, FaultVerdict, Observer, PluginSet, TransportFailure,
    Upstream, WireReply, WireRequest,
};
use crate::random::{mix, unit_of};
use crate::record::{Injected, Injection};
use crate::targets::Lesson;

/// At most so many faults are armed at once.
pub const MAX_ARMED: usize = 64;
/// A fault ends by itself after this, unless told otherwise.
pub const DEFAULT_TTL: Duration = Duration::from_secs(60);
/// And never lives longer.
pub const MAX_TTL: Duration = Duration::from_secs(3600);

/// What an operator allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caps {
    /// Most faults at once, at most [`MAX_ARMED`].
    pub max_faults: usize,
    /// Largest share of the attempts that one fault may hit, 0 to 100.
    pub max_percent: f64,
    /// US dollars for a million output tokens from which on a model is of the high tier.
    pub high_tier_price: f64,
}

impl Default for Caps {
    /// Everything but a total outage, which each order has to ask for.
    fn default() -> Self {
        Self { max_faults: MAX_ARMED, max_percent: 100.0, high_tier_price: 5.0 }
    }
}

/// All armed faults.
pub struct Chaos {
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// Spares the unarmed path the lock.
    any: AtomicBool,
    armed: RwLock<Arc<Vec<Arc<Armed>>>>,
    caps: RwLock<Caps>,
    next_id: AtomicU64,
}

/// A fault that hits this attempt.
struct Hit {
    armed: Arc<Armed>,
    injector: Option<Arc<dyn FaultInjector>>,
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
            caps: RwLock::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// What the operator allows from now on; what is armed stays.
    pub fn configure(&self, caps: Caps) {
        *self.caps.write().unwrap_or_else(PoisonError::into_inner) = caps;
    }

    /// What the operator allows.
    pub fn caps(&self) -> Caps {
        *self.caps.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything may be armed; one atomic load.
    pub fn is_armed(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether this could be armed now, its number aside.
    pub async fn check(&self, plugins: &PluginSet, order: &FaultOrder) -> Result<(), ArmError> {
        order.check(&self.caps())?;
        catalogue::find(plugins, order).await.map(drop)
    }

    /// A place to put on record what is done to one attempt; none while nothing is armed, and then nothing is done to it.
    pub(crate) fn injection(&self) -> Option<Injection> {
        self.is_armed().then(Injection::default)
    }

    /// Arms a fault after its parameters have been checked; its id.
    pub async fn arm(&self, plugins: &PluginSet, order: FaultOrder) -> Result<u64, ArmError> {
        self.arm_watched(plugins, order).await.map(|armed| armed.id)
    }

    /// As [`Self::arm`], for whoever counts on.
    pub(crate) async fn arm_watched(
        &self,
        plugins: &PluginSet,
        order: FaultOrder,
    ) -> Result<Arc<Armed>, ArmError> {
        let caps = self.caps();
        order.check(&caps)?;
        let source = catalogue::find(plugins, &order).await?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut slot = self.armed.write().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = slot.iter().filter(|fault| fault.is_alive(now)).cloned().collect();
        let limit = caps.max_faults.min(MAX_ARMED);
        if list.len() >= limit {
            return Err(ArmError::Full { limit });
        }
        let armed = Arc::new(Armed::new(id, order, source, now));
        list.push(Arc::clone(&armed));
        *slot = Arc::new(list);
        self.any.store(true, Ordering::Release);
        Ok(armed)
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

    /// What is armed for an attempt on its own goes through here. `lesson`: what the attempt may teach.
    pub(crate) async fn send(
        &self,
        question: &FaultQuestion<'_>,
        upstream: &dyn Upstream,
        wire: WireRequest,
        lesson: Option<&Lesson>,
    ) -> Result<WireReply, TransportFailure> {
        let Some(hit) = self.decide(question, wire.connect_timeout).await else {
            return upstream.send(wire).await;
        };
        if let Some(lesson) = lesson.filter(|_| !hit.armed.order.teach) {
            lesson.spoil();
        }
        let Hit { armed, injector, attempt, verdict } = hit;
        if !verdict.delay.is_zero() {
            sleep(verdict.delay).await;
        }
        let now = self.clock.wall();
        let adapter = question.adapter.as_ref();
        match verdict.action {
            FaultAction::Pass => upstream.send(wire).await,
            FaultAction::Respond(reply) => Ok(wire::reply(reply, now)),
            FaultAction::Fail { class, retry_after, status } => {
                Ok(wire::reply(wire::failure(adapter, class, retry_after, status).await, now))
            }
            FaultAction::Answer { text, finish } => {
                Ok(wire::reply(wire::answer(adapter, &text, finish, attempt.streaming).await, now))
            }
            FaultAction::Break(failure) => Err(failure),
            FaultAction::Hang => std::future::pending().await,
            FaultAction::Rewrite(headers) => {
                let reply = upstream.send(wire).await?;
                let (Some(injector), 200..=299) = (injector, reply.status) else { return Ok(reply) };
                match injector.transform(&armed.order.kind, &attempt, &armed.order.config).await {
                    Ok(transform) => {
                        Ok(rewrite::rewritten(reply, transform, Arc::clone(question.adapter), &headers))
                    }
                    Err(_) => Ok(reply),
                }
            }
        }
    }

    /// The first armed fault, in order of arming, that acts on this attempt.
    async fn decide(&self, question: &FaultQuestion<'_>, connect_timeout: Duration) -> Option<Hit> {
        let (now, caps) = (self.clock.now(), self.caps());
        let armed = self.snapshot();
        let mut any_alive = false;
        for fault in armed.iter().filter(|fault| fault.is_alive(now)) {
            any_alive = true;
            if !fault.order.matching.covers(question, caps.high_tier_price) {
                continue;
            }
            let draw = fault.draw();
            let attempt = self.attempt(fault, question, draw, now);
            let verdict = if unit_of(draw.bits) * 100.0 < fault.percent(now) {
                verdict(fault, question, &attempt, connect_timeout).await
            } else {
                None
            };
            fault.decided(draw, verdict.as_ref().map(|(_, verdict)| verdict));
            let Some((injector, verdict)) = verdict else {
                fault.let_through(attempt.input_tokens);
                continue;
            };
            if fault.order.dry_run {
                fault.would_inject();
                continue;
            }
            let bound = is_harmful(&verdict.action) && !fault.order.allow_total_outage;
            if bound && !question.has_refuge(&armed, caps.high_tier_price).await {
                fault.spared();
                continue;
            }
            fault.injected();
            let action = wire::label(&verdict.action);
            question.injection.is(Injected {
                fault: fault.id,
                kind: fault.order.kind.clone(),
                action,
                teach: fault.order.teach,
                experiment: fault.order.experiment.clone(),
            });
            self.observer.note(Note::FaultInjected {
                id: question.request.id,
                target: question.wish.id.clone(),
                kind: fault.order.kind.clone(),
                action,
                experiment: fault.order.experiment.clone(),
            });
            return Some(Hit { armed: Arc::clone(fault), injector, attempt, verdict });
        }
        if !any_alive {
            self.retain(|_| true);
        }
        None
    }

    fn attempt(&self, fault: &Armed, question: &FaultQuestion<'_>, draw: Draw, now: Instant) -> FaultAttempt {
        let (passed, passed_tokens) = fault.passed();
        FaultAttempt {
            request: question.request.id,
            target: question.wish.id.clone(),
            alias: Arc::clone(&question.alias.name),
            tenant: Arc::clone(&question.request.tenant),
            streaming: question.request.facts.stream,
            number: question.number,
            ordinal: draw.ordinal,
            input_tokens: question.request.facts.input_tokens_estimate,
            passed,
            passed_tokens,
            // Another draw than the sampling's, or a percentage would skew what the component draws.
            random: mix(draw.bits),
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
        f.debug_struct("Chaos").field("armed", &self.snapshot().len()).finish_non_exhaustive()
    }
}

/// What a fault does to an attempt of its share; nothing where it passes, or where its component is gone or fails.
async fn verdict(
    fault: &Armed,
    question: &FaultQuestion<'_>,
    attempt: &FaultAttempt,
    connect_timeout: Duration,
) -> Option<(Option<Arc<dyn FaultInjector>>, FaultVerdict)> {
    let (injector, verdict) = match &fault.source {
        Source::Native(native) => (None, native.decide(attempt.random, connect_timeout)),
        Source::Component(id) => {
            let injector = question.plugins.faults.get(id)?;
            let decided = injector.decide(&fault.order.kind, attempt, &fault.order.config).await;
            (Some(Arc::clone(injector)), decided.ok()?)
        }
    };
    let passes = verdict.delay.is_zero() && matches!(verdict.action, FaultAction::Pass);
    (!passes).then_some((injector, verdict))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
