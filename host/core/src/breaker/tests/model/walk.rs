//! The house and the reference side by side.

use std::time::Duration;

use super::book::{Book, Told};
use super::house::{PlainHouse, PlainPermit};
use super::step::{Admin, End, Step, TARGETS, lease};
use crate::breaker::BreakerSettings;
use crate::breaker::tests::stage::Stage;
use crate::class::{Class, Failure, Scope};
use crate::note::{Circuit, Gate, Note};
use crate::target::TargetId;
use crate::targets::{Permit, Refusal};

/// Both sides and the calls under way.
pub(super) struct Walk {
    ids: [TargetId; TARGETS],
    real: Stage,
    plain: PlainHouse,
    calls: Vec<(Permit, PlainPermit)>,
    born: u64,
}

impl Walk {
    pub(super) fn new(seed: u64) -> Self {
        let ids = [TargetId::new("p", "a"), TargetId::new("p", "b"), TargetId::new("q", "a")];
        let settings = BreakerSettings::default();
        let real = Stage::with(seed, settings.clone());
        real.targets.configure(&ids, &settings);
        Self { ids, real, plain: PlainHouse::new(seed, &settings), calls: Vec::new(), born: 0 }
    }

    /// Ends all calls and gives the reference's notes.
    pub(super) fn end(mut self) -> Book {
        while !self.calls.is_empty() {
            self.run(&Step::Drop { call: 0 });
        }
        for (target, id) in self.ids.iter().enumerate() {
            assert_eq!(self.real.state(id).stats().in_flight, 0, "as many permits came back as went out");
            assert_eq!(self.plain.targets[target].in_flight, 0);
        }
        self.plain.book
    }

    fn call(&self, number: usize) -> Option<usize> {
        (!self.calls.is_empty()).then(|| number % self.calls.len())
    }

    /// Takes one step and compares; stories do so after each of their own steps.
    pub(super) fn run(&mut self, step: &Step) {
        match step {
            Step::Acquire { target, only_one_left, short_lease, again } => {
                self.born += u64::from(!again);
                self.acquire(*target, *only_one_left, lease(*short_lease));
            }
            Step::LastResort { target, among } => self.last_resort(*target, *among),
            Step::Content { call } => {
                let Some(call) = self.call(*call) else { return };
                let (permit, plain) = &mut self.calls[call];
                permit.first_content(Duration::from_millis(700));
                self.plain.content(plain);
            }
            Step::Finish { call } => {
                let Some(call) = self.call(*call) else { return };
                let (permit, plain) = self.calls.swap_remove(call);
                permit.finished();
                self.plain.finish(plain);
            }
            Step::Fail { call, end, hint_s } => {
                let Some(call) = self.call(*call) else { return };
                let (permit, plain) = self.calls.swap_remove(call);
                let hint = hint_s.map(Duration::from_secs);
                permit.failed(&failure(*end, hint));
                self.plain.fail(&plain, *end, hint);
            }
            Step::Drop { call } => {
                let Some(call) = self.call(*call) else { return };
                let (permit, plain) = self.calls.swap_remove(call);
                drop(permit);
                self.plain.drop_call(&plain);
            }
            Step::Wait { ms } => self.pass(Duration::from_millis(*ms)),
            Step::WaitTurn { target, early } => {
                if let Some((_, rest)) = self.plain.refusal(*target) {
                    self.pass(rest.saturating_sub(Duration::from_nanos(u64::from(*early))));
                }
            }
            Step::Admin { target, act } => self.admin(*target, *act),
            Step::NewPlugin { provider } => {
                self.real.targets.provider_changed(&self.ids[2 * provider].provider);
                self.plain.new_plugin(*provider);
            }
            Step::Reload { strict } => {
                let settings = settings(*strict);
                self.real.targets.configure(&self.ids, &settings);
                self.plain.reload(&settings);
            }
            Step::Calls { target, ends } => return self.story(*target, ends),
            Step::Burst { target, size, end, hint_s } => return self.burst(*target, *size, *end, *hint_s),
            Step::Recover { target } => return self.recover(*target),
            Step::Probe { target, content, end } => return self.probe(*target, *content, Some(*end)),
            Step::LoseProbe { target } => return self.lose_probe(*target),
            Step::Insist { target, size } => return self.insist(*target, *size),
            Step::Flaky { target, soft } => return self.flaky(*target, *soft),
            Step::Drill { target, open, flaky, release } => {
                return self.drill(*target, *open, *flaky, *release);
            }
            Step::Despair { target, pauses_ms } => return self.despair(*target, pauses_ms),
            Step::Ramp { target, pauses_ms } => return self.ramp(*target, pauses_ms),
            Step::Relapse { target, healthy_s, drill } => return self.relapse(*target, *healthy_s, *drill),
            Step::Limited { target, credential, times } => {
                for _ in 0..*times {
                    self.probe(*target, false, Some(End::RateLimited { credential: *credential }));
                }
                return;
            }
        }
        self.compare();
    }

    fn pass(&mut self, time: Duration) {
        self.real.pass(time);
        self.plain.now += time;
    }

    fn acquire(&mut self, target: usize, only_one_left: bool, lease: Duration) {
        let request = self.born;
        let real = self.real.acquire(&self.ids[target], request, lease, only_one_left);
        if let Err(refusal) = real
            && !is_modelled(refusal.gate)
        {
            assert_eq!(self.plain.gate(target), None, "gates are asked first");
            return;
        }
        match (real, self.plain.acquire(target, request, lease, only_one_left)) {
            (Ok(permit), Ok(plain)) => {
                assert_eq!(permit.is_probe(), plain.is_probe());
                self.calls.push((permit, plain));
            }
            (Err(Refusal { gate, retry_in }), Err(plain)) => {
                assert_eq!((gate, retry_in), (plain.0, Some(plain.1)))
            }
            (real, plain) => {
                panic!("{:?} here, {:?} there", real.map(|_| "admitted"), plain.map(|_| "admitted"))
            }
        }
    }

    fn last_resort(&mut self, target: usize, among: usize) {
        self.born += 1;
        let request = self.born;
        let real = self.real.last_resort(&self.ids[target], among, request);
        let gates = self.real.state(&self.ids[target]).status().gates;
        if real.is_none() && gates.iter().any(|it| it.gate == Gate::Concurrency.label()) {
            // As many calls are under way as the target takes; the reference knows of no such limit.
            return;
        }
        let plain = self.plain.last_resort(target, among, request);
        assert_eq!(real.is_some(), plain.is_some(), "last resort");
        self.calls.extend(real.zip(plain));
    }

    fn admin(&mut self, target: usize, act: Admin) {
        let (targets, id) = (&self.real.targets, &self.ids[target]);
        let (now, book) = (self.plain.now, &mut self.plain.book);
        let breaker = &mut self.plain.targets[target].breaker;
        match act {
            Admin::ForceOpen { ttl_s } => {
                let ttl = Duration::from_secs(ttl_s);
                targets.force_open(id, "drill", ttl);
                breaker.force(now, Circuit::ForcedOpen, ttl, book);
            }
            Admin::ForceClosed { ttl_s } => {
                let ttl = Duration::from_secs(ttl_s);
                targets.force_closed(id, "drill", ttl);
                breaker.force(now, Circuit::ForcedClosed, ttl, book);
            }
            Admin::Release => {
                targets.release(id);
                breaker.release(now, book);
            }
            Admin::Reset => {
                targets.reset(id);
                self.plain.reset(target);
            }
        }
    }

    fn story(&mut self, target: usize, ends: &[(bool, Option<End>)]) {
        for (content, end) in ends {
            let call = self.calls.len();
            self.run(&Step::Acquire { target, only_one_left: true, short_lease: false, again: false });
            if self.calls.len() == call {
                return;
            }
            if *content {
                self.run(&Step::Content { call });
            }
            self.run(&match end {
                Some(end) => Step::Fail { call, end: *end, hint_s: None },
                None => Step::Finish { call },
            });
        }
    }

    fn burst(&mut self, target: usize, size: usize, end: End, hint_s: Option<u64>) {
        let first = self.calls.len();
        for _ in 0..size {
            self.run(&Step::Acquire { target, only_one_left: true, short_lease: true, again: false });
        }
        while self.calls.len() > first {
            self.run(&Step::Fail { call: first, end, hint_s });
        }
    }

    fn insist(&mut self, target: usize, size: usize) {
        for again in (0..size).map(|time| time > 0) {
            let call = self.calls.len();
            self.run(&Step::Acquire { target, only_one_left: true, short_lease: true, again });
            if self.calls.len() > call {
                self.run(&Step::Fail { call, end: End::Server, hint_s: None });
            }
        }
    }

    fn recover(&mut self, target: usize) {
        for _ in 0..3 {
            self.probe(target, false, None);
        }
    }

    fn probe(&mut self, target: usize, content: bool, end: Option<End>) {
        self.run(&Step::WaitTurn { target, early: false });
        self.story(target, &[(content, end)]);
    }

    fn lose_probe(&mut self, target: usize) {
        self.trip(target);
        self.run(&Step::WaitTurn { target, early: false });
        self.run(&Step::Acquire { target, only_one_left: true, short_lease: true, again: false });
        let beside = self.calls.len();
        self.run(&Step::LastResort { target, among: 1 });
        if self.calls.len() > beside {
            self.run(&Step::Fail { call: beside, end: End::Server, hint_s: None });
        }
        self.run(&Step::Wait { ms: 3_000 });
    }

    fn trip(&mut self, target: usize) {
        self.burst(target, 3, End::Server, None);
    }

    fn flaky(&mut self, target: usize, soft: bool) {
        let bad = Some(if soft { End::Empty } else { End::Server });
        let round = [(false, bad), (false, bad), (true, None)];
        for _ in 0..8 {
            self.story(target, &round);
        }
    }

    fn drill(&mut self, target: usize, open: bool, flaky: bool, release: bool) {
        let ttl_s = 9;
        let act = if open { Admin::ForceOpen { ttl_s } } else { Admin::ForceClosed { ttl_s } };
        self.run(&Step::Admin { target, act });
        match flaky {
            true => self.flaky(target, true),
            false => self.burst(target, 3, End::Broken, None),
        }
        if flaky && !release {
            self.run(&Step::Admin { target, act });
        }
        self.run(&match release {
            true => Step::Admin { target, act: Admin::Release },
            false => Step::Wait { ms: 9_000 },
        });
    }

    fn despair(&mut self, target: usize, pauses_ms: &[u64]) {
        self.trip(target);
        for (turn, ms) in pauses_ms.iter().enumerate() {
            let call = self.calls.len();
            self.run(&Step::LastResort { target, among: 1 + turn % 3 });
            self.run(&Step::Wait { ms: *ms });
            if turn % 3 == 0 && self.calls.len() > call {
                self.run(&Step::Fail { call, end: End::Server, hint_s: None });
            }
        }
    }

    fn ramp(&mut self, target: usize, pauses_ms: &[u64]) {
        self.trip(target);
        self.recover(target);
        for ms in pauses_ms {
            self.run(&Step::Wait { ms: *ms });
            self.run(&Step::Acquire { target, only_one_left: false, short_lease: true, again: false });
        }
    }

    fn relapse(&mut self, target: usize, healthy_s: u64, drill: bool) {
        self.trip(target);
        self.recover(target);
        self.run(&Step::Wait { ms: 1_000 * healthy_s });
        if drill {
            self.run(&Step::Admin { target, act: Admin::ForceOpen { ttl_s: 1 } });
            self.run(&Step::Admin { target, act: Admin::Release });
        }
        self.trip(target);
    }

    /// Both agree on what is visible, and what must always hold does.
    fn compare(&mut self) {
        for (target, id) in self.ids.iter().enumerate() {
            let state = self.real.state(id);
            let (real, plain) = (state.refusal(), self.plain.refusal(target));
            match real {
                // A learned pace refuses before the breaker does, and after every other gate.
                Some(learned) if !is_modelled(learned.gate) => assert_eq!(self.plain.gate(target), None),
                _ => assert_eq!(real.map(|it| (it.gate, it.retry_in)), plain.map(|it| (it.0, Some(it.1)))),
            }
            let status = state.status();
            let last_resorts = self.plain.targets[target].credit.left(self.plain.now);
            let plain_target = &self.plain.targets[target];
            let breaker = &plain_target.breaker;
            assert_eq!(
                (status.circuit, status.generation, status.opens, status.stale_votes, status.would_open),
                (
                    breaker.circuit.label(),
                    breaker.generation,
                    breaker.opens,
                    breaker.stale,
                    breaker.would_open
                )
            );
            assert_eq!(status.retry_in_ms, breaker.rest(self.plain.now).map(millis), "{id}");
            assert_eq!(status.stats.in_flight, plain_target.in_flight);
            assert_eq!(status.last_resorts, last_resorts, "{id}");
            let plain_gates = self.plain.closed_gates(target);
            let known = plain_gates.iter().map(|(gate, scope, left)| (gate.label(), *scope, millis(*left)));
            let shown = status.gates.iter().filter(|it| MODELLED.iter().any(|gate| gate.label() == it.gate));
            assert!(
                known.eq(shown.map(|it| (it.gate, it.scope, it.remaining_ms.unwrap()))),
                "{:?}",
                status.gates
            );
            let probes = self.calls.iter().filter(|(permit, plain)| {
                permit.target() == id
                    && permit.is_probe()
                    && !plain.call.started
                    && plain.call.generation == status.generation
            });
            assert!(probes.count() <= 1, "one probe at a time");
        }
        let heard: Vec<Told> = self.real.notes().into_iter().map(|note| told(&self.ids, note)).collect();
        assert_eq!(heard, std::mem::take(&mut self.plain.book.told));
    }
}

/// Gates that the reference knows; others (pace, concurrency) have references of their own.
const MODELLED: [Gate; 5] = [Gate::Breaker, Gate::Rate, Gate::Credential, Gate::Quota, Gate::MissingModel];

fn is_modelled(gate: Gate) -> bool {
    MODELLED.contains(&gate)
}

fn settings(strict: bool) -> BreakerSettings {
    let usual = BreakerSettings::default();
    if !strict {
        return usual;
    }
    BreakerSettings {
        consecutive: 2,
        failure_rate: 0.25,
        rate_minimum: 10,
        window: Duration::from_secs(60),
        open_base: Duration::from_secs(3),
        probes: 2,
        ramp: Duration::from_secs(4),
        ..usual
    }
}

fn failure(end: End, hint: Option<Duration>) -> Failure {
    let (class, credential) = match end {
        End::Server => (Class::ServerError, false),
        End::Broken => (Class::StreamBroken, false),
        End::Empty => (Class::EmptyAnswer, false),
        End::FirstTokenTimeout => (Class::TimeoutFirstToken, false),
        End::TotalTimeout => (Class::TimeoutTotal, false),
        End::BadRequest => (Class::BadRequest, false),
        End::Missing => (Class::ModelNotFound, false),
        End::RateLimited { credential } => (Class::RateLimited, credential),
        End::Quota { credential } => (Class::QuotaExhausted, credential),
        End::Auth { credential } => (Class::Auth, credential),
    };
    let scope = if credential { Scope::Credential } else { Scope::Model };
    Failure { scope, retry_after: hint, ..Failure::new(class, "x") }
}

fn told(ids: &[TargetId], note: Note) -> Told {
    let number = |target: &TargetId| ids.iter().position(|id| id == target).unwrap();
    let numbers = |causes: Vec<crate::request::RequestId>| causes.iter().map(|cause| cause.0).collect();
    match note {
        Note::CircuitChanged { target, from, to, reason, open_for, causes } => {
            Told::Changed { target: number(&target), from, to, reason, open_for, causes: numbers(causes) }
        }
        Note::WouldOpen { target, reason, causes } => {
            Told::WouldOpen { target: number(&target), reason, causes: numbers(causes) }
        }
        Note::GateClosed { target, gate, for_time, id } => {
            Told::GateClosed { target: number(&target), gate, for_time, request: id.0 }
        }
        other => panic!("nothing else is said about targets: {other:?}"),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap()
}
