//! All targets as the design's sentences say it: which gate refuses first, who shares a credential, what each end of a
//! call means, and who may be a last resort.

use std::time::Duration;

use super::book::{Book, Row, Told};
use super::breaker::{PlainBreaker, PlainCall};
use super::gates::{PlainCredential, PlainCredit, PlainGate, PlainRate};
use super::step::{End, TARGETS};
use crate::breaker::{Admission, BreakerSettings};
use crate::note::{Circuit, Gate};

const SECOND: Duration = Duration::from_secs(1);
const HALF_HOUR: Duration = Duration::from_secs(1_800);

#[derive(Default)]
struct Shared {
    rate: PlainRate,
    credential: PlainCredential,
}

pub(super) struct PlainTarget {
    pub(super) breaker: PlainBreaker,
    own: Shared,
    missing: PlainGate,
    pub(super) credit: PlainCredit,
    pub(super) in_flight: u32,
}

/// What a caller holds.
pub(super) struct PlainPermit {
    pub(super) target: usize,
    pub(super) call: PlainCall,
    admitted: Duration,
    lease: Duration,
    holds_last_resort: bool,
}

impl PlainPermit {
    pub(super) fn is_probe(&self) -> bool {
        self.call.admission == Admission::Probe
    }
}

/// Three targets; the first two share a credential.
pub(super) struct PlainHouse {
    pub(super) book: Book,
    pub(super) now: Duration,
    pub(super) targets: Vec<PlainTarget>,
    providers: [Shared; 2],
}

fn provider_of(target: usize) -> usize {
    target / 2
}

impl PlainHouse {
    pub(super) fn new(seed: u64, settings: &BreakerSettings) -> Self {
        let target = |number| PlainTarget {
            breaker: PlainBreaker::new(number, settings.clone()),
            own: Shared::default(),
            missing: PlainGate::default(),
            credit: PlainCredit::default(),
            in_flight: 0,
        };
        Self {
            book: Book::new(seed),
            now: Duration::ZERO,
            targets: (0..TARGETS).map(target).collect(),
            providers: Default::default(),
        }
    }

    /// Every closed gate of a target: credential first, then own.
    pub(super) fn closed_gates(&self, target: usize) -> Vec<(Gate, &'static str, Duration)> {
        let (own, shared) = (&self.targets[target].own, &self.providers[provider_of(target)]);
        let all = [
            (Gate::Credential, "credential", &shared.credential.refused),
            (Gate::Credential, "model", &own.credential.refused),
            (Gate::Quota, "credential", &shared.credential.used_up),
            (Gate::Quota, "model", &own.credential.used_up),
            (Gate::MissingModel, "model", &self.targets[target].missing),
            (Gate::Rate, "credential", &shared.rate.gate),
            (Gate::Rate, "model", &own.rate.gate),
        ];
        let closed = all.into_iter().filter_map(|(gate, scope, it)| Some((gate, scope, it.left(self.now)?)));
        closed.collect()
    }

    /// The gate that refuses a call, and the longest time that it does.
    pub(super) fn gate(&self, target: usize) -> Option<(Gate, Duration)> {
        let closed = self.closed_gates(target);
        let first = closed.first()?.0;
        let left = closed.iter().filter(|(gate, ..)| *gate == first).map(|(.., left)| *left).max();
        left.map(|left| (first, left))
    }

    /// What would refuse a call now.
    pub(super) fn refusal(&mut self, target: usize) -> Option<(Gate, Duration)> {
        self.targets[target].breaker.time(self.now, &mut self.book);
        let rest = self.targets[target].breaker.rest(self.now);
        self.gate(target).or(rest.map(|rest| (Gate::Breaker, rest)))
    }

    pub(super) fn acquire(
        &mut self,
        target: usize,
        request: u64,
        lease: Duration,
        only_one_left: bool,
    ) -> Result<PlainPermit, (Gate, Duration)> {
        if let Some(refused) = self.gate(target) {
            self.book.hit(match refused.0 {
                Gate::Rate => Row::RateRefuses,
                Gate::Quota => Row::QuotaRefuses,
                Gate::Credential => Row::CredentialRefuses,
                _ => Row::MissingRefuses,
            });
            if self.closed_gates(target).iter().all(|(_, scope, _)| *scope == "credential") {
                self.book.hit(Row::SiblingRefused);
            }
            return Err(refused);
        }
        let breaker = &mut self.targets[target].breaker;
        match breaker.acquire(self.now, request, lease, only_one_left, &mut self.book) {
            Ok(call) => Ok(self.permit(target, call, lease)),
            Err(rest) => Err((Gate::Breaker, rest)),
        }
    }

    pub(super) fn last_resort(&mut self, target: usize, among: usize, request: u64) -> Option<PlainPermit> {
        let lease = 11 * SECOND;
        match self.acquire(target, request, lease, true) {
            Ok(permit) => {
                if permit.is_probe() {
                    self.book.hit(Row::LastResortIsTheProbe);
                }
                return Some(permit);
            }
            Err((Gate::Breaker, _)) => {}
            Err(_) => {
                self.book.hit(Row::LastResortMeetsGate);
                return None;
            }
        }
        let it = &mut self.targets[target];
        if !it.credit.take(self.now, among) {
            self.book.hit(Row::LastResortWithoutCredit);
            return None;
        }
        let Some(call) = it.breaker.last_resort(request) else {
            it.credit.waiting -= 1;
            self.book.hit(Row::LastResortMeetsOperator);
            return None;
        };
        let probed = it.breaker.circuit == Circuit::HalfOpen;
        self.book.hit(if probed { Row::LastResortBesideProbe } else { Row::LastResortAdmitted });
        let mut permit = self.permit(target, call, lease);
        permit.holds_last_resort = true;
        Some(permit)
    }

    fn permit(&mut self, target: usize, call: PlainCall, lease: Duration) -> PlainPermit {
        self.targets[target].in_flight += 1;
        PlainPermit { target, call, admitted: self.now, lease, holds_last_resort: false }
    }

    pub(super) fn content(&mut self, permit: &mut PlainPermit) {
        if !permit.call.started {
            self.targets[permit.target].breaker.content(self.now, &mut permit.call, &mut self.book);
            self.targets[permit.target].credit.answered(self.now);
            self.succeeded(permit.target);
        }
        if std::mem::take(&mut permit.holds_last_resort) {
            self.targets[permit.target].credit.waiting -= 1;
        }
    }

    pub(super) fn finish(&mut self, permit: PlainPermit) {
        if !permit.call.started {
            self.targets[permit.target].credit.answered(self.now);
        }
        self.give_back(&permit);
        self.targets[permit.target].breaker.finish(self.now, permit.call, &mut self.book);
        self.succeeded(permit.target);
    }

    fn succeeded(&mut self, target: usize) {
        self.targets[target].own.rate.succeeded(&mut self.book);
        self.providers[provider_of(target)].rate.succeeded(&mut self.book);
    }

    fn give_back(&mut self, permit: &PlainPermit) {
        let it = &mut self.targets[permit.target];
        it.in_flight -= 1;
        if permit.holds_last_resort {
            it.credit.waiting -= 1;
        }
    }

    pub(super) fn drop_call(&mut self, permit: &PlainPermit) {
        self.give_back(permit);
        self.targets[permit.target].breaker.neutral(self.now, &permit.call, &mut self.book);
    }

    pub(super) fn fail(&mut self, permit: &PlainPermit, end: End, hint: Option<Duration>) {
        self.give_back(permit);
        let (now, target) = (self.now, permit.target);
        let patience = permit.lease - SECOND;
        let silent_for = |time: Duration| !permit.call.started && now - permit.admitted >= time;
        let mut votes = |yes: bool| {
            self.book.hit(if yes { Row::SilenceCounts } else { Row::SilenceTooShort });
            yes.then_some(false)
        };
        // `Some(soft)` when the breaker counts it.
        let vote = match end {
            End::Server | End::Broken => Some(false),
            End::Empty => Some(true),
            End::FirstTokenTimeout => votes(silent_for(patience / 4)),
            End::TotalTimeout => votes(silent_for(patience)),
            End::BadRequest => None,
            End::Missing | End::Auth { .. } | End::Quota { .. } => {
                self.close_gate(permit, end, hint);
                None
            }
            End::RateLimited { .. } => {
                let storm = self.close_gate(permit, end, hint);
                let counts = storm && permit.call.admission == Admission::Normal;
                if counts {
                    self.book.hit(Row::RateStorm);
                } else if permit.is_probe()
                    && permit.call.generation == self.targets[target].breaker.generation
                {
                    self.book.hit(Row::ProbeRateLimited);
                }
                counts.then_some(false)
            }
        };
        if vote.is_some() {
            self.targets[target].credit.failed(now);
        }
        let breaker = &mut self.targets[target].breaker;
        match vote {
            Some(soft) => breaker.fail(now, &permit.call, soft, hint, &mut self.book),
            None => breaker.neutral(now, &permit.call, &mut self.book),
        }
    }

    /// Closes the gate that a failure is about; `true` when it was one limit too many.
    fn close_gate(&mut self, permit: &PlainPermit, end: End, hint: Option<Duration>) -> bool {
        let (now, target) = (self.now, permit.target);
        let scope = match end {
            End::RateLimited { credential: true }
            | End::Quota { credential: true }
            | End::Auth { credential: true } => &mut self.providers[provider_of(target)],
            _ => &mut self.targets[target].own,
        };
        let (was_open, storm, gate, for_time) = match end {
            End::RateLimited { .. } => {
                let (was_open, storm) = scope.rate.limited(now, hint, &mut self.book);
                (was_open, storm, Gate::Rate, scope.rate.gate.left(now).unwrap())
            }
            End::Quota { .. } => {
                let time = hint.map_or(HALF_HOUR, |hint| hint.min(48 * HALF_HOUR));
                self.book.hit(Row::QuotaClosed);
                (scope.credential.used_up.close(now, time), false, Gate::Quota, time)
            }
            End::Auth { .. } => {
                self.book.hit(Row::CredentialClosed);
                (scope.credential.refused.close(now, HALF_HOUR), false, Gate::Credential, HALF_HOUR)
            }
            _ => {
                self.book.hit(Row::MissingClosed);
                let time = 300 * SECOND;
                (self.targets[target].missing.close(now, time), false, Gate::MissingModel, time)
            }
        };
        if was_open {
            let request = permit.call.request;
            self.book.told.push(Told::GateClosed { target, gate, for_time, request });
        }
        storm
    }

    pub(super) fn reset(&mut self, target: usize) {
        self.targets[target].breaker.reset(self.now, &mut self.book);
        self.targets[target].own.rate.reset(&mut self.book);
        self.targets[target].credit.reset();
        self.repair(target);
    }

    pub(super) fn reload(&mut self, settings: &BreakerSettings) {
        for target in 0..TARGETS {
            self.targets[target].breaker.reload(self.now, settings, &mut self.book);
            self.repair(target);
        }
        self.providers.iter_mut().for_each(|provider| provider.credential.reset());
    }

    pub(super) fn new_plugin(&mut self, provider: usize) {
        self.providers[provider].credential.reset();
        for target in (0..TARGETS).filter(|target| provider_of(*target) == provider) {
            self.targets[target].breaker.new_plugin(self.now, &mut self.book);
            self.repair(target);
        }
    }

    /// What only an operator can repair.
    fn repair(&mut self, target: usize) {
        self.targets[target].own.credential.reset();
        self.targets[target].missing.open();
    }
}
