//! Every order of what two or three threads do to one breaker, tried by a model checker on the code that ships. Run by
//! `cargo xtask loom`; without `--cfg loom` this file is not compiled.
//!
//! The first part holds the breaker alone, the second whole permits with their count of calls in flight and their one
//! last resort. After the threads have ended everything is looked at once more: what a lock-free acquire and one under
//! the lock say must agree, and each change must have been told exactly once.

use std::sync::atomic::AtomicUsize as Count;

use loom::sync::atomic::AtomicBool as Flag;
use loom::thread;

use super::super::*;
use super::stage::{LEASE, Stage, acquire};
use crate::class::{Class, Failure};
use crate::target::TargetId;
use crate::targets::Permit;

/// A breaker in the state that a story begins with. What tests count with is no business of the checker: each standard
/// atomic is one step for it.
struct Scene {
    breaker: Breaker,
    /// Calls asked for so far, each of a request of its own.
    asked: Count,
    /// Changes told so far.
    told: Count,
}

impl Scene {
    /// Closed, with this many failed starts counted, and traffic that returns without a ramp.
    fn closed(now: Instant, failures: u32) -> Arc<Self> {
        let settings = BreakerSettings { ramp: Duration::ZERO, probes: 1, ..BreakerSettings::default() };
        let breaker = Breaker::new(settings, now, Arc::new(Random::seeded(1)));
        let scene = Arc::new(Self { breaker, asked: Count::new(0), told: Count::new(0) });
        for _ in 0..failures {
            let ticket = scene.admitted(now);
            scene.fail(now, ticket);
        }
        scene
    }

    /// Open, and its time is over at the second moment.
    fn open(now: Instant) -> (Arc<Self>, Instant) {
        (Self::closed(now, 3), now + Duration::from_secs(5))
    }

    fn hear(&self, events: &[Event]) {
        self.told.fetch_add(events.len(), Ordering::Relaxed);
    }

    fn acquire(&self, at: Instant) -> Option<Ticket> {
        let request = RequestId(self.asked.fetch_add(1, Ordering::Relaxed) as u64);
        let (result, events) = self.breaker.try_acquire(at, request, LEASE, false);
        self.hear(&events);
        result.ok()
    }

    fn admitted(&self, at: Instant) -> Ticket {
        self.acquire(at).expect("nothing refuses here")
    }

    fn content(&self, at: Instant, ticket: &mut Ticket) {
        self.hear(&self.breaker.first_content(at, ticket));
    }

    fn finish(&self, at: Instant, ticket: Ticket) {
        self.hear(&self.breaker.finished(at, ticket));
    }

    fn fail(&self, at: Instant, ticket: Ticket) {
        self.hear(&self.breaker.failed(at, ticket, Weight::Full, None));
    }

    fn neutral(&self, at: Instant, ticket: Ticket) {
        self.hear(&self.breaker.neutral(at, ticket));
    }

    /// The state once all threads have ended; each change was told once, and both ways in agree with it.
    fn end(&self, at: Instant) -> View {
        let (view, events) = self.breaker.view(at);
        self.hear(&events);
        assert_eq!(self.told.load(Ordering::Relaxed) as u64, view.generation - 1, "one event a change");
        let word = self.breaker.door.load(Ordering::Acquire);
        match view.circuit {
            Circuit::Closed => assert_eq!(word, Door::Free(view.generation).packed(at)),
            Circuit::Open | Circuit::ForcedOpen => assert!(word != 0 && word % 2 == 0, "shut: {word}"),
            _ => assert_eq!(word, Door::Ask.packed(at)),
        }
        view
    }
}

/// Runs a story in every order. Time is read once: it is no business of the checker.
fn every_order(story: impl Fn(Instant) + Sync + Send + 'static) {
    let now = Instant::now();
    loom::model(move || story(now));
}

#[test]
fn loom_an_acquire_beside_the_opening_is_before_it_or_refused() {
    every_order(|now| {
        let scene = Scene::closed(now, 2);
        let third = scene.admitted(now);
        let opened = Arc::new(Flag::new(false));
        let opener = {
            let (scene, opened) = (Arc::clone(&scene), Arc::clone(&opened));
            thread::spawn(move || {
                scene.fail(now, third);
                opened.store(true, Ordering::Release);
            })
        };
        let known_open = opened.load(Ordering::Acquire);
        let late = scene.acquire(now);
        assert!(!(known_open && late.is_some()), "whoever knows that it opened is not admitted");
        opener.join().unwrap();
        // The late call's result is of another generation than what it finds.
        if let Some(late) = late {
            assert_eq!(late.generation, 1);
            scene.fail(now, late);
            assert_eq!(scene.breaker.view(now).0.stale_votes, 1);
        }
        let view = scene.end(now);
        assert_eq!((view.circuit, view.generation, view.opens), (Circuit::Open, 2, 1));
        assert!(scene.acquire(now).is_none());
    });
}

#[test]
fn loom_many_failures_open_once() {
    every_order(|now| {
        let scene = Scene::closed(now, 1);
        let tickets = [scene.admitted(now), scene.admitted(now)];
        let mine = scene.admitted(now);
        let threads = tickets.map(|ticket| {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.fail(now, ticket))
        });
        scene.fail(now, mine);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let view = scene.end(now);
        assert_eq!((view.circuit, view.opens, view.stale_votes), (Circuit::Open, 1, 1));
    });
}

#[test]
fn loom_a_good_start_and_a_bad_one_count_in_some_order() {
    every_order(|now| {
        let scene = Scene::closed(now, 2);
        let (mut good, bad) = (scene.admitted(now), scene.admitted(now));
        let other = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.fail(now, bad))
        };
        scene.content(now, &mut good);
        other.join().unwrap();
        let view = scene.end(now);
        match view.circuit {
            Circuit::Closed => {
                assert_eq!((view.generation, view.stale_votes), (1, 0), "the good one was first")
            }
            _ => assert_eq!((view.generation, view.stale_votes), (2, 1), "the bad one was"),
        }
    });
}

#[test]
fn loom_three_threads_get_one_probe() {
    every_order(|now| {
        let (scene, due) = Scene::open(now);
        let admitted = Arc::new(Count::new(0));
        let ask = move |scene: &Scene, admitted: &Count| {
            if let Some(ticket) = scene.acquire(due) {
                assert_eq!(ticket.admission, Admission::Probe);
                admitted.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (scene, admitted) = (Arc::clone(&scene), Arc::clone(&admitted));
                thread::spawn(move || ask(&scene, &admitted))
            })
            .collect();
        ask(&scene, &admitted);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(admitted.load(Ordering::Relaxed), 1);
        assert_eq!(scene.end(due).circuit, Circuit::HalfOpen);
    });
}

#[test]
fn loom_a_dropped_probe_makes_room_for_one() {
    every_order(|now| {
        let (scene, due) = Scene::open(now);
        let probe = scene.admitted(due);
        let in_flight = Arc::new(Count::new(1));
        let rivals: Vec<_> = (0..2)
            .map(|_| {
                let (scene, in_flight) = (Arc::clone(&scene), Arc::clone(&in_flight));
                thread::spawn(move || {
                    let ticket = scene.acquire(due)?;
                    assert_eq!(in_flight.fetch_add(1, Ordering::AcqRel), 0, "one probe at a time");
                    Some(ticket)
                })
            })
            .collect();
        in_flight.fetch_sub(1, Ordering::AcqRel);
        scene.neutral(due, probe);
        let after: Vec<_> = rivals.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        assert!(after.len() <= 1);
        assert_eq!(scene.acquire(due).is_some(), after.is_empty(), "the slot is free, or one of them has it");
        assert_eq!(scene.end(due).circuit, Circuit::HalfOpen);
    });
}

#[test]
fn loom_a_probe_is_lost_or_good_never_both() {
    every_order(|now| {
        let (scene, due) = Scene::open(now);
        let probe = scene.admitted(due);
        let too_late = due + LEASE;
        let looker = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.acquire(too_late))
        };
        // Its thread read the clock in time, whenever it gets the lock.
        scene.finish(due, probe);
        let next = looker.join().unwrap();
        let view = scene.end(too_late);
        match view.circuit {
            Circuit::Closed => {
                assert_eq!((view.generation, view.stale_votes, view.opens), (4, 0, 1));
                assert!(next.is_some_and(|ticket| ticket.generation == 4), "closed, and it saw that");
            }
            _ => {
                assert_eq!((view.generation, view.stale_votes, view.opens), (4, 1, 2));
                assert!(next.is_none(), "open again");
            }
        }
    });
}

#[test]
fn loom_old_results_move_nothing_while_a_probe_decides() {
    every_order(|now| {
        let scene = Scene::closed(now, 0);
        let (old_good, old_bad) = (scene.admitted(now), scene.admitted(now));
        for ticket in [scene.admitted(now), scene.admitted(now), scene.admitted(now)] {
            scene.fail(now, ticket);
        }
        let due = now + Duration::from_secs(5);
        let probe = scene.admitted(due);
        let bad = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.fail(due, old_bad))
        };
        let good = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.finish(due, old_good))
        };
        scene.finish(due, probe);
        bad.join().unwrap();
        good.join().unwrap();
        let view = scene.end(due);
        assert_eq!((view.circuit, view.generation, view.stale_votes), (Circuit::Closed, 4, 2));
    });
}

#[test]
fn loom_a_failure_counts_before_a_reset_or_not_at_all() {
    every_order(|now| {
        let scene = Scene::closed(now, 2);
        let third = scene.admitted(now);
        let operator = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let events = scene.breaker.reset(now);
                scene.hear(&events);
                events.len()
            })
        };
        scene.fail(now, third);
        let changes = operator.join().unwrap();
        let (view, _) = scene.breaker.view(now);
        assert_eq!(view.circuit, Circuit::Closed);
        match changes {
            0 => assert_eq!((view.generation, view.stale_votes, view.opens), (2, 1, 0), "reset came first"),
            _ => assert_eq!((view.generation, view.stale_votes, view.opens), (3, 0, 1), "reset came second"),
        }
        // Two more do not open: nothing of before is left.
        for _ in 0..2 {
            let ticket = scene.admitted(now);
            scene.fail(now, ticket);
        }
        assert_eq!(scene.breaker.view(now).0.circuit, Circuit::Closed);
    });
}

#[test]
fn loom_forcing_open_beside_calls_leaves_nobody_in() {
    every_order(|now| {
        let scene = Scene::closed(now, 0);
        let operator = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                scene.hear(&scene.breaker.force_open(now, Duration::from_secs(60), "drill"))
            })
        };
        if let Some(ticket) = scene.acquire(now) {
            scene.finish(now, ticket);
        }
        operator.join().unwrap();
        assert!(scene.acquire(now).is_none());
        assert_eq!(scene.end(now).circuit, Circuit::ForcedOpen);
    });
}

// --- whole permits ---------------------------------------------------------------------------------------------------

fn id() -> TargetId {
    TargetId::new("p", "a")
}

fn broken() -> Failure {
    Failure::new(Class::ServerError, "x")
}

fn opened() -> Stage {
    let stage = Stage::new(1);
    for request in 0..3 {
        stage.acquire(&id(), request, LEASE, true).unwrap().failed(&broken());
    }
    stage
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Fail,
    Content,
    Leave,
}

impl End {
    fn of(self, mut permit: Permit) {
        match self {
            Self::Fail => permit.failed(&broken()),
            Self::Content => permit.first_content(LEASE),
            Self::Leave => drop(permit),
        }
    }
}

#[test]
fn loom_as_many_permits_come_back_as_go_out() {
    use End::{Content, Fail, Leave};
    for ends in [[Fail, Fail], [Fail, Content], [Leave, Fail], [Content, Leave]] {
        loom::model(move || {
            let stage = Stage::new(1);
            let state = stage.state(&id());
            for _ in 0..2 {
                acquire(&state, 1, LEASE, true).unwrap().failed(&broken());
            }
            let [mine, theirs] = ends;
            let rival = {
                let state = Arc::clone(&state);
                thread::spawn(move || acquire(&state, 2, LEASE, true).map(|permit| theirs.of(permit)).is_ok())
            };
            let admitted = acquire(&state, 3, LEASE, true).map(|permit| mine.of(permit)).is_ok();
            let rival_admitted = rival.join().unwrap();
            let open = state.circuit() == Circuit::Open;
            assert_eq!(state.stats().in_flight, 0);
            assert!(open || (admitted && rival_admitted), "whoever was refused met an open breaker");
            assert!(!open || ends.contains(&Fail), "nothing but a failure opens");
            assert!(open || !ends.contains(&Fail) || ends.contains(&Content), "content alone ends the run");
        });
    }
}

#[test]
fn loom_last_resorts_are_no_more_than_the_credit() {
    loom::model(|| {
        let stage = Arc::new(opened());
        // One place is left.
        let held: Vec<_> = (0..16).map(|n| stage.last_resort(&id(), 1, 10 + n).unwrap()).collect();
        let in_flight = Arc::new(Count::new(0));
        let call = |stage: &Stage, in_flight: &Count| {
            let Some(permit) = stage.last_resort(&id(), 1, 1) else { return false };
            assert_eq!(in_flight.fetch_add(1, Ordering::AcqRel), 0, "one at a time");
            in_flight.fetch_sub(1, Ordering::AcqRel);
            drop(permit);
            true
        };
        let rival = {
            let (stage, in_flight) = (Arc::clone(&stage), Arc::clone(&in_flight));
            thread::spawn(move || call(&stage, &in_flight))
        };
        let mine = call(&stage, &in_flight);
        let theirs = rival.join().unwrap();
        assert!(mine || theirs, "nobody is refused for nothing");
        drop(held);
        assert_eq!(stage.state(&id()).stats().in_flight, 0);
        assert_eq!(stage.state(&id()).status().last_resorts, 17, "all places are free again");
    });
}

#[test]
fn loom_a_last_resorts_content_and_a_due_probe_agree() {
    loom::model(|| {
        let stage = opened();
        let state = stage.state(&id());
        let mut last_resort = stage.last_resort(&id(), 1, 1).unwrap();
        stage.pass(Duration::from_secs(5));
        let probing = {
            let state = Arc::clone(&state);
            thread::spawn(move || acquire(&state, 2, LEASE, true).map(|permit| permit.is_probe()))
        };
        last_resort.first_content(Duration::from_secs(1));
        assert_eq!(probing.join().unwrap(), Ok(true), "whoever comes first, the slot is free");
        drop(last_resort);
        assert_eq!(state.circuit(), Circuit::HalfOpen);
        assert_eq!(state.stats().in_flight, 0);
    });
}
