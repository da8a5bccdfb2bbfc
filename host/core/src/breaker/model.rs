//! The breaker against a reference model that was written from the design's sentences: no buckets, no lazy steps where
//! a list of all votes will do. Random walks over both must agree after each step.

use std::cell::RefCell;
use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::*;

const LEASE: Duration = Duration::from_secs(11);

#[derive(Clone, Debug)]
enum Step {
    Acquire {
        only_one_left: bool,
    },
    /// A whole call in one step.
    Call {
        content: bool,
        good: bool,
        soft: bool,
    },
    LastResort,
    Content(usize),
    Finish(usize),
    Fail {
        call: usize,
        soft: bool,
        hint_s: Option<u64>,
    },
    Drop(usize),
    Wait {
        ms: u64,
    },
    ForceOpen {
        ttl_s: u64,
    },
    ForceClosed {
        ttl_s: u64,
    },
    Release,
    Reset,
    Hurry,
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0..6_usize;
    prop_oneof![
        10 => any::<bool>().prop_map(|only_one_left| Step::Acquire { only_one_left }),
        16 => (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(content, good, soft)| Step::Call { content, good, soft }),
        1 => Just(Step::LastResort),
        5 => call.clone().prop_map(Step::Content),
        3 => call.clone().prop_map(Step::Finish),
        9 => (call.clone(), prop::bool::weighted(0.15), prop::option::weighted(0.1, 1..400_u64))
            .prop_map(|(call, soft, hint_s)| Step::Fail { call, soft, hint_s }),
        2 => call.prop_map(Step::Drop),
        8 => prop_oneof![8 => 0..900_u64, 4 => 900..6_000_u64, 1 => 6_000..70_000_u64].prop_map(|ms| Step::Wait { ms }),
        1 => prop_oneof![
            (1..30_u64).prop_map(|ttl_s| Step::ForceOpen { ttl_s }),
            (1..30_u64).prop_map(|ttl_s| Step::ForceClosed { ttl_s }),
            Just(Step::Release),
            Just(Step::Reset),
            Just(Step::Hurry),
        ],
    ]
}

/// What one call looks like to the model.
#[derive(Clone, Debug)]
struct Call {
    generation: u64,
    admission: Admission,
    started: bool,
    id: usize,
}

/// What a vote in CLOSED was, and in which tenth of a window it fell.
#[derive(Clone, Debug)]
struct Voted {
    call: usize,
    tick: u128,
    good: bool,
}

struct Model {
    random: Random,
    epoch: Instant,
    circuit: Circuit,
    generation: u64,
    since: Instant,
    until: Instant,
    ramp: bool,
    probe_deadline: Option<Instant>,
    good_probes: u32,
    streak: u32,
    bad_starts: u32,
    bad_streams: u32,
    votes: Vec<Voted>,
    hint: Option<Instant>,
}

impl Model {
    fn new(now: Instant, seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            epoch: now,
            circuit: Circuit::Closed,
            generation: 1,
            since: now,
            until: now,
            ramp: false,
            probe_deadline: None,
            good_probes: 0,
            streak: 0,
            bad_starts: 0,
            bad_streams: 0,
            votes: Vec::new(),
            hint: None,
        }
    }

    fn become_(&mut self, circuit: Circuit) {
        self.circuit = circuit;
        self.generation += 1;
        self.bad_starts = 0;
        self.bad_streams = 0;
        self.votes.clear();
        self.hint = None;
        self.probe_deadline = None;
        self.good_probes = 0;
    }

    fn close(&mut self, at: Instant, ramp: bool) {
        self.become_(Circuit::Closed);
        self.since = at;
        self.ramp = ramp;
    }

    fn open(&mut self, at: Instant) {
        self.forgive(at);
        self.streak += 1;
        let seconds = [5, 10, 15][(self.streak as usize - 1).min(2)];
        let rest = Duration::from_secs(seconds).mul_f64(self.random.between(0.8, 1.0));
        let until = (at + rest).max(self.hint.unwrap_or(at));
        self.become_(Circuit::Open);
        self.until = until;
    }

    fn forgive(&mut self, at: Instant) {
        if self.circuit == Circuit::Closed {
            let minutes = (at - self.since).as_secs() / 60;
            self.streak = self.streak.saturating_sub(u32::try_from(minutes).unwrap());
        }
    }

    fn time(&mut self, now: Instant) {
        match self.circuit {
            Circuit::HalfOpen if self.probe_deadline.is_some_and(|deadline| now >= deadline) => {
                let deadline = self.probe_deadline.unwrap();
                self.hint = None;
                self.open(deadline);
            }
            Circuit::ForcedOpen if now >= self.until => self.become_(Circuit::HalfOpen),
            Circuit::ForcedClosed if now >= self.until => self.close(self.until, false),
            _ => {}
        }
    }

    fn acquire(&mut self, now: Instant, id: usize, only_one_left: bool) -> Option<Call> {
        self.time(now);
        let admission = match self.circuit {
            Circuit::ForcedClosed => Admission::Normal,
            Circuit::Closed => {
                let passed = (now - self.since).as_secs_f64();
                let ramping = self.ramp && passed < 10.0;
                if ramping && !only_one_left && self.random.unit() >= 0.1 + 0.9 * passed / 10.0 {
                    return None;
                }
                Admission::Normal
            }
            Circuit::Open | Circuit::ForcedOpen if now < self.until => return None,
            Circuit::HalfOpen if self.probe_deadline.is_some() => return None,
            _ => {
                if self.circuit != Circuit::HalfOpen {
                    self.become_(Circuit::HalfOpen);
                }
                self.probe_deadline = Some(now + LEASE);
                Admission::Probe
            }
        };
        Some(Call { generation: self.generation, admission, started: false, id })
    }

    fn last_resort(&mut self, now: Instant, id: usize) -> Option<Call> {
        self.time(now);
        if self.circuit == Circuit::Open && now < self.until {
            let admission = Admission::LastResort;
            return Some(Call { generation: self.generation, admission, started: false, id });
        }
        self.acquire(now, id, true)
    }

    fn tick(&self, now: Instant) -> u128 {
        (now - self.epoch).as_millis() / 3_000
    }

    fn good_probe(&mut self, now: Instant) {
        self.good_probes += 1;
        if self.good_probes == 3 {
            self.close(now, true);
        }
    }

    fn content(&mut self, now: Instant, call: &mut Call) {
        self.time(now);
        if std::mem::replace(&mut call.started, true) || call.generation != self.generation {
            return;
        }
        match (self.circuit, call.admission) {
            (Circuit::Closed | Circuit::ForcedClosed, _) => {
                self.bad_starts = 0;
                self.hint = None;
                self.votes.push(Voted { call: call.id, tick: self.tick(now), good: true });
            }
            (Circuit::HalfOpen, Admission::Probe) => {
                self.probe_deadline = None;
                self.good_probe(now);
            }
            (Circuit::Open, Admission::LastResort) => {
                self.become_(Circuit::HalfOpen);
                self.good_probe(now);
            }
            _ => {}
        }
    }

    fn finish(&mut self, now: Instant, mut call: Call) {
        let streamed = call.started;
        self.content(now, &mut call);
        if streamed && call.generation == self.generation {
            self.bad_streams = 0;
        }
    }

    fn fail(&mut self, now: Instant, call: &Call, soft: bool, hint_s: Option<u64>) {
        self.time(now);
        let hint = hint_s.map(|s| now + Duration::from_secs(s.min(300)));
        let may_extend = call.generation == self.generation || call.generation + 1 == self.generation;
        if self.circuit == Circuit::Open && may_extend {
            self.until = self.until.max(hint.unwrap_or(now));
        }
        if call.generation != self.generation {
            return;
        }
        match self.circuit {
            Circuit::Closed => {
                self.hint = self.hint.max(hint);
                if self.is_too_much(now, call, soft) {
                    self.open(now);
                }
            }
            Circuit::ForcedClosed if self.is_too_much(now, call, soft) => {
                self.bad_starts = 0;
                self.bad_streams = 0;
                self.votes.clear();
            }
            Circuit::HalfOpen if call.admission == Admission::Probe => {
                self.hint = hint;
                self.open(now);
            }
            _ => {}
        }
    }

    fn is_too_much(&mut self, now: Instant, call: &Call, soft: bool) -> bool {
        self.votes.retain(|vote| vote.call != call.id);
        self.votes.push(Voted { call: call.id, tick: self.tick(now), good: false });
        let newest = self.tick(now);
        let recent = self.votes.iter().filter(|vote| vote.tick + 10 > newest);
        let (all, bad) = recent.fold((0, 0), |(all, bad), vote| (all + 1, bad + i32::from(!vote.good)));
        self.run_is_long(call, soft) || (all >= 20 && 2 * bad >= all)
    }

    fn run_is_long(&mut self, call: &Call, soft: bool) -> bool {
        let run = if call.started { &mut self.bad_streams } else { &mut self.bad_starts };
        *run += u32::from(!soft);
        !soft && *run >= 3
    }

    fn drop_call(&mut self, now: Instant, call: &Call) {
        if call.admission == Admission::Normal {
            return;
        }
        self.time(now);
        if call.admission == Admission::Probe && !call.started && call.generation == self.generation {
            self.probe_deadline = None;
        }
    }

    fn force(&mut self, now: Instant, to: Circuit, ttl_s: u64) {
        self.time(now);
        self.forgive(now);
        if self.circuit != to {
            self.become_(to);
        }
        self.until = now + Duration::from_secs(ttl_s);
    }

    fn release(&mut self, now: Instant) {
        self.time(now);
        match self.circuit {
            Circuit::ForcedOpen => self.become_(Circuit::HalfOpen),
            Circuit::ForcedClosed => self.close(now, false),
            _ => {}
        }
    }
}

/// Both sides and the calls under way.
struct Walk {
    now: Instant,
    real: Breaker,
    model: Model,
    calls: Vec<(Ticket, Call)>,
    born: usize,
    changes: Vec<Event>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let real = Breaker::new(BreakerSettings::default(), now, Arc::new(Random::seeded(seed)));
        Self { now, real, model: Model::new(now, seed), calls: Vec::new(), born: 0, changes: Vec::new() }
    }

    fn admit(&mut self, real: Option<Ticket>, model: Option<Call>) {
        assert_eq!(
            real.as_ref().map(|t| (t.admission, t.generation)),
            model.as_ref().map(|c| (c.admission, c.generation))
        );
        self.calls.extend(real.zip(model));
    }

    fn take(&mut self, call: usize) -> Option<(Ticket, Call)> {
        (call < self.calls.len()).then(|| self.calls.swap_remove(call))
    }

    fn run(&mut self, step: &Step) {
        let now = self.now;
        let changes = match *step {
            Step::Acquire { only_one_left } => {
                self.born += 1;
                let (real, changes) =
                    self.real.try_acquire(now, RequestId(self.born as u64), LEASE, only_one_left);
                let model = self.model.acquire(now, self.born, only_one_left);
                self.admit(real.ok(), model);
                changes
            }
            Step::Call { content, good, soft } => {
                let before = self.calls.len();
                self.run(&Step::Acquire { only_one_left: true });
                if self.calls.len() > before {
                    if content {
                        self.run(&Step::Content(before));
                    }
                    self.run(&match good {
                        true => Step::Finish(before),
                        false => Step::Fail { call: before, soft, hint_s: None },
                    });
                }
                Vec::new()
            }
            Step::LastResort => {
                self.born += 1;
                let (real, changes) = self.real.last_resort(now, RequestId(self.born as u64), LEASE);
                let model = self.model.last_resort(now, self.born);
                self.admit(real, model);
                changes
            }
            Step::Content(call) => {
                let Some((ticket, mirror)) = self.calls.get_mut(call) else { return };
                self.model.content(now, mirror);
                self.real.first_content(now, ticket)
            }
            Step::Finish(call) => {
                let Some((ticket, mirror)) = self.take(call) else { return };
                self.model.finish(now, mirror);
                self.real.finished(now, ticket)
            }
            Step::Fail { call, soft, hint_s } => {
                let Some((ticket, mirror)) = self.take(call) else { return };
                self.model.fail(now, &mirror, soft, hint_s);
                let weight = if soft { Weight::Soft } else { Weight::Full };
                self.real.failed(now, ticket, weight, hint_s.map(Duration::from_secs))
            }
            Step::Drop(call) => {
                let Some((ticket, mirror)) = self.take(call) else { return };
                self.model.drop_call(now, &mirror);
                self.real.neutral(now, ticket)
            }
            Step::Wait { ms } => {
                self.now += Duration::from_millis(ms);
                Vec::new()
            }
            Step::ForceOpen { ttl_s } => {
                self.model.force(now, Circuit::ForcedOpen, ttl_s);
                self.real.force_open(now, Duration::from_secs(ttl_s), "drill")
            }
            Step::ForceClosed { ttl_s } => {
                self.model.force(now, Circuit::ForcedClosed, ttl_s);
                self.real.force_closed(now, Duration::from_secs(ttl_s), "drill")
            }
            Step::Release => {
                self.model.release(now);
                self.real.release(now)
            }
            Step::Reset => {
                self.model.time(now);
                self.model.streak = 0;
                self.model.close(now, false);
                self.real.reset(now)
            }
            Step::Hurry => {
                self.model.time(now);
                if self.model.circuit == Circuit::Open {
                    self.model.until = self.model.until.min(now);
                }
                self.real.may_probe_now(now)
            }
        };
        self.changes.extend(changes);
    }

    /// Both agree, and what must always hold does.
    fn compare(&mut self) {
        let (view, changes) = self.real.view(self.now);
        self.changes.extend(changes);
        self.model.time(self.now);
        assert_eq!((view.circuit, view.generation), (self.model.circuit, self.model.generation));
        let until = match self.model.circuit {
            Circuit::Open | Circuit::ForcedOpen => Some(self.model.until),
            Circuit::HalfOpen => {
                self.model.probe_deadline.map(|end| end.min(self.now + Duration::from_secs(5)))
            }
            _ => None,
        };
        let left =
            until.map(|until| until.saturating_duration_since(self.now)).filter(|left| !left.is_zero());
        assert_eq!(view.retry_in, left);
        let in_lease = |(ticket, _): &&(Ticket, Call)| {
            ticket.admission == Admission::Probe && !ticket.started && ticket.generation == view.generation
        };
        assert!(self.calls.iter().filter(in_lease).count() <= 1, "one probe at a time");
        let mut before = Circuit::Closed;
        for change in &self.changes {
            if let Event::Changed { from, to, .. } = change {
                assert_eq!(
                    *from, before,
                    "each change begins where the one before ended: {:?}",
                    self.changes
                );
                assert_ne!(from, to, "{:?}", self.changes);
                before = *to;
            }
        }
    }
}

/// Every reason for a change, and how often all walks together must have met it, or they prove nothing.
const REACHED: [(&str, usize); 13] = [
    ("consecutive_failures", 300),
    ("broken_streams", 300),
    ("failure_rate", 300),
    ("open_time_over", 300),
    ("probe_failed", 300),
    ("probe_lost", 100),
    ("probes_good", 100),
    ("last_resort_good", 100),
    ("forced", 300),
    ("force_expired", 300),
    ("released", 100),
    ("reset", 100),
    ("stale vote", 1_000),
];

#[test]
fn agrees_with_the_model() {
    let config = ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_26),
        ..ProptestConfig::default()
    };
    let reached = RefCell::new(HashMap::<&str, usize>::new());
    let walks = (any::<u64>(), prop::collection::vec(step(), 1..160));
    let outcome = TestRunner::new(config).run(&walks, |(seed, steps)| {
        let mut walk = Walk::new(seed);
        for step in &steps {
            walk.run(step);
            walk.compare();
        }
        let mut reached = reached.borrow_mut();
        for change in &walk.changes {
            let (Event::Changed { reason, .. } | Event::WouldOpen { reason, .. }) = change;
            *reached.entry(reason).or_default() += 1;
        }
        let stale = walk.real.view(walk.now).0.stale_votes;
        *reached.entry("stale vote").or_default() += usize::try_from(stale).unwrap();
        Ok(())
    });
    outcome.unwrap();
    let reached = reached.into_inner();
    for (reason, least) in REACHED {
        let times = reached.get(reason).copied().unwrap_or(0);
        assert!(times >= least, "{reason}: met {times} times, not {least}; all: {reached:?}");
    }
}
