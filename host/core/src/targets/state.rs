//! One target: breaker, gates, history, outlook.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::credit::Credit;
use super::history::History;
use super::{Ask, Outside, Permit, ProviderGates, Refusal};
use crate::breaker::{Admission, Breaker, BreakerSettings, Event, Ticket};
use crate::class::Scope;
use crate::gate::{CredentialGate, Limit, MISSING_MODEL_PAUSE, Pace, RateGate, Until};
use crate::note::{Circuit, Gate, Note};
use crate::outlook::{CallKind, Forecast, Outlook};
use crate::request::RequestId;
use crate::sync::{AtomicBool, AtomicU32};
use crate::target::TargetId;

/// How long a refusal to continue an answer is believed.
const PREFILL_PAUSE: Duration = Duration::from_hours(1);

/// The breaker's latest change of state.
pub(super) struct LastChange {
    pub(super) at: Instant,
    pub(super) from: Circuit,
    pub(super) to: Circuit,
    pub(super) reason: &'static str,
    pub(super) causes: Vec<RequestId>,
}

/// The health of one target. Shared by every request that considers it.
pub struct TargetState {
    pub(super) id: TargetId,
    pub(super) outside: Outside,
    pub(super) breaker: Breaker,
    pub(super) rate: RateGate,
    /// For a credential that is fine but not for this model.
    pub(super) own: CredentialGate,
    pub(super) provider: Arc<ProviderGates>,
    pub(super) missing: Until,
    pub(super) pace: Pace,
    pub(super) limit: Limit,
    pub(super) credit: Credit,
    /// 0 = nothing learned.
    window_tokens: AtomicU32,
    /// Closed while it is known to refuse to continue an answer.
    prefill: Until,
    configured: AtomicBool,
    touched: AtomicU64,
    history: Mutex<History>,
    streamed: Outlook,
    plain: Outlook,
    last_change: Mutex<Option<LastChange>>,
}

impl fmt::Debug for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetState").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TargetState {
    pub(super) fn new(
        id: TargetId,
        outside: Outside,
        provider: Arc<ProviderGates>,
        settings: BreakerSettings,
    ) -> Self {
        let epoch = outside.epoch;
        Self {
            breaker: Breaker::new(settings, outside.clock.now(), Arc::clone(&outside.random)),
            rate: RateGate::new(epoch),
            own: CredentialGate::new(epoch),
            provider,
            missing: Until::new(epoch),
            pace: Pace::new(epoch),
            limit: Limit::default(),
            credit: Credit::default(),
            window_tokens: AtomicU32::new(0),
            prefill: Until::new(epoch),
            configured: AtomicBool::new(false),
            touched: AtomicU64::new(0),
            history: Mutex::default(),
            streamed: Outlook::new(CallKind::Streamed, epoch),
            plain: Outlook::new(CallKind::Plain, epoch),
            last_change: Mutex::default(),
            id,
            outside,
        }
    }

    /// Which target.
    pub fn id(&self) -> &TargetId {
        &self.id
    }

    /// Admits one call, or says what refuses it and until when.
    ///
    /// Gates are asked before the breaker, so that a gated call never takes a probe's place.
    pub fn try_acquire(self: &Arc<Self>, ask: &Ask) -> Result<Permit, Refusal> {
        let now = self.outside.clock.now();
        if let Some(refusal) = self.closed_gate(now) {
            return Err(refusal);
        }
        if !self.limit.enter() {
            return Err(Refusal { gate: Gate::Concurrency, retry_in: None });
        }
        // A guess of ours does not turn away who has nowhere else to go; the provider's own word, a gate above, does.
        if let Err(wait) = self.pace.take(now, ask.only_one_left) {
            self.limit.leave();
            return Err(Refusal { gate: Gate::Pace, retry_in: Some(wait) });
        }
        let (admitted, changes) = self.breaker.try_acquire(now, ask.request, ask.lease, ask.only_one_left);
        self.announce(changes);
        match admitted {
            Ok(ticket) => Ok(self.permit(ticket, ask, now)),
            Err(retry_in) => {
                self.pace.give_back();
                self.limit.leave();
                Err(Refusal { gate: Gate::Breaker, retry_in: Some(retry_in) })
            }
        }
    }

    /// Whether a call would be refused now, without making one. A half-open breaker without a probe admits.
    pub fn refusal(&self) -> Option<Refusal> {
        let now = self.outside.clock.now();
        self.closed_gate(now).or_else(|| self.learned_refusal(now)).or_else(|| {
            if self.breaker.is_free() {
                return None;
            }
            let (view, changes) = self.breaker.view(now);
            self.announce(changes);
            view.retry_in.map(|retry_in| Refusal { gate: Gate::Breaker, retry_in: Some(retry_in) })
        })
    }

    /// One real call although the target rests, of a request that has nobody else to go to: as long as the target's credit
    /// lasts. Every other gate, and an operator's forced open, still refuse. A target that only ramps up,
    /// or whose open time is over by now, is called as usual. `resting`: how many targets the request finds like that; who
    /// is refused pays in for later ones, to each of them a part.
    pub fn try_last_resort(self: &Arc<Self>, ask: &Ask, resting: usize) -> Option<Permit> {
        let ask = Ask { only_one_left: true, ..*ask };
        match self.try_acquire(&ask) {
            Ok(permit) => return Some(permit),
            Err(refusal) if refusal.gate != Gate::Breaker => return None,
            Err(_) => {}
        }
        let now = self.outside.clock.now();
        if !self.credit.take(now, resting) {
            return None;
        }
        let (ticket, changes) = self.breaker.last_resort(now, ask.request, ask.lease);
        self.announce(changes);
        if ticket.as_ref().is_none_or(|ticket| ticket.admission() != Admission::LastResort) {
            self.credit.give_back();
        }
        let ticket = ticket?;
        self.limit.enter_anyway();
        Some(self.permit(ticket, &ask, now))
    }

    /// Whether [`TargetState::try_last_resort`] would admit, as far as breaker and credit go, and the call is likely to be
    /// answered.
    pub(crate) fn is_trusted(&self) -> bool {
        self.credit.is_trusted() && self.circuit() != Circuit::ForcedOpen
    }

    /// It refused to continue the beginning of an answer although its adapter says that it does. Believed for an hour, or
    /// until adapter or configuration change: models learn, and so do those who describe them.
    pub(crate) fn learn_refused_prefill(&self) {
        self.prefill.close(self.outside.clock.now(), PREFILL_PAUSE);
    }

    /// Whether [`Self::learn_refused_prefill`] was called and is believed.
    pub(crate) fn refuses_prefill(&self) -> bool {
        self.prefill.left(self.outside.clock.now()).is_some()
    }

    /// A prompt of this estimated size did not fit. The smallest such size is kept; a larger one that fits, told by
    /// [`TargetState::fitted`], takes it back.
    pub fn learn_context_window(&self, refused_tokens: u32) {
        let smaller = |known| (known == 0 || refused_tokens < known).then_some(refused_tokens.max(1));
        let _unchanged = self.window_tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smaller);
    }

    /// A prompt of this estimated size fitted.
    pub fn fitted(&self, tokens: u32) {
        let wrong = |known| (known != 0 && tokens >= known).then_some(0);
        let _unchanged = self.window_tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wrong);
    }

    /// The smallest estimated prompt size in tokens that did not fit, if any.
    pub fn learned_context_window(&self) -> Option<u32> {
        Some(self.window_tokens.load(Ordering::Relaxed)).filter(|tokens| *tokens != 0)
    }

    pub(super) fn force_open(&self, reason: &str, ttl: Duration) {
        self.announce(self.breaker.force_open(self.outside.clock.now(), ttl, reason));
    }

    pub(super) fn force_closed(&self, reason: &str, ttl: Duration) {
        self.announce(self.breaker.force_closed(self.outside.clock.now(), ttl, reason));
    }

    pub(super) fn release(&self) {
        self.announce(self.breaker.release(self.outside.clock.now()));
    }

    pub(super) fn reset(&self) {
        self.announce(self.breaker.reset(self.outside.clock.now()));
        self.rate.reset();
        self.pace.reset();
        self.limit.reset();
        self.credit.reset();
        CallKind::ALL.iter().for_each(|kind| self.outlook(*kind).reset(*kind));
        self.repair_gates();
    }

    pub(super) fn reconfigure(&self, configured: bool, settings: &BreakerSettings) {
        self.configured.store(configured, Ordering::Relaxed);
        self.announce(self.breaker.set(self.outside.clock.now(), settings.clone()));
        self.repair_gates();
    }

    pub(super) fn way_changed(&self) {
        self.announce(self.breaker.may_probe_now(self.outside.clock.now()));
        self.repair_gates();
    }

    /// Opens what only the operator could repair; a rate limit is the provider's and stays.
    fn repair_gates(&self) {
        self.own.reset();
        self.missing.open();
        self.prefill.open();
    }

    pub(super) fn touch(&self, number: u64) {
        self.touched.store(number, Ordering::Relaxed);
    }

    pub(super) fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }

    pub(super) fn may_be_forgotten(&self) -> bool {
        !self.configured.load(Ordering::Relaxed) && self.limit.under_way() == 0
    }

    pub(super) fn credential(&self, scope: Scope) -> &CredentialGate {
        match scope {
            Scope::Model => &self.own,
            Scope::Credential => &self.provider.credential,
        }
    }

    pub(super) fn rate(&self, scope: Scope) -> &RateGate {
        match scope {
            Scope::Model => &self.rate,
            Scope::Credential => &self.provider.rate,
        }
    }

    pub(super) fn bench(&self, now: Instant) -> bool {
        self.missing.close(now, MISSING_MODEL_PAUSE)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announce(&self, events: Vec<Event>) {
        for event in events {
            if let Event::Changed { from, to, reason, causes, .. } = &event {
                let (at, causes) = (self.outside.clock.now(), causes.clone());
                *self.last_change() = Some(LastChange { at, from: *from, to: *to, reason, causes });
            }
            let target = self.id.clone();
            self.outside.observer.note(match event {
                Event::Changed { from, to, reason, open_for, causes } => {
                    Note::CircuitChanged { target, from, to, reason, open_for, causes }
                }
                Event::WouldOpen { reason, causes } => Note::WouldOpen { target, reason, causes },
            });
        }
    }

    /// Every closed gate, the one that only an operator can open first.
    pub(super) fn gates(&self, now: Instant) -> [(Gate, Scope, Option<Duration>); 7] {
        [
            (Gate::Credential, Scope::Credential, self.provider.credential.refused(now)),
            (Gate::Credential, Scope::Model, self.own.refused(now)),
            (Gate::Quota, Scope::Credential, self.provider.credential.used_up(now)),
            (Gate::Quota, Scope::Model, self.own.used_up(now)),
            (Gate::MissingModel, Scope::Model, self.missing.left(now)),
            (Gate::Rate, Scope::Credential, self.provider.rate.left(now)),
            (Gate::Rate, Scope::Model, self.rate.left(now)),
        ]
    }

    /// A gate other than the breaker is closed.
    pub(super) fn is_gated(&self) -> bool {
        let now = self.outside.clock.now();
        self.closed_gate(now).or_else(|| self.learned_refusal(now)).is_some()
    }

    fn closed_gate(&self, now: Instant) -> Option<Refusal> {
        let closed = self.gates(now).into_iter().filter(|(_, _, left)| left.is_some());
        // Of a gate's two scopes the longer rest is the honest one.
        let (gate, _, retry_in) =
            closed.reduce(|first, next| match first.0 == next.0 && next.2 > first.2 {
                true => next,
                false => first,
            })?;
        Some(Refusal { gate, retry_in })
    }

    /// What would refuse a call of those gates that are no more than learned.
    pub(super) fn learned_refusal(&self, now: Instant) -> Option<Refusal> {
        if self.limit.is_full() {
            return Some(Refusal { gate: Gate::Concurrency, retry_in: None });
        }
        self.pace.left(now).map(|wait| Refusal { gate: Gate::Pace, retry_in: Some(wait) })
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.limit.under_way()
    }

    /// What is expected of the next call of this kind, by the default of what is slow.
    pub fn forecast(&self, kind: CallKind) -> Forecast {
        self.forecast_against(kind, kind.slo())
    }

    /// What is expected of the next call of this kind, for those to whom more than `slo` is slow.
    pub fn forecast_against(&self, kind: CallKind, slo: Duration) -> Forecast {
        self.outlook(kind).forecast(self.outside.clock.now(), slo)
    }

    pub(super) fn outlook(&self, kind: CallKind) -> &Outlook {
        match kind {
            CallKind::Streamed => &self.streamed,
            CallKind::Plain => &self.plain,
        }
    }

    pub(super) fn last_change(&self) -> MutexGuard<'_, Option<LastChange>> {
        self.last_change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call has entered the limit; the permit leaves it.
    fn permit(self: &Arc<Self>, ticket: Ticket, ask: &Ask, now: Instant) -> Permit {
        self.pace.admitted(now);
        let place = self.outlook(ask.kind).begin(now, ask.size);
        Permit::new(Arc::clone(self), ticket, ask, now, place)
    }
}
