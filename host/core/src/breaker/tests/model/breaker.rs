//! One breaker as the design's sentences say it: no buckets and no lazy steps where a list of all votes will do.

use std::collections::BTreeSet;
use std::time::Duration;

use super::book::{Book, Row, Told};
use crate::breaker::{Admission, BreakerSettings};
use crate::note::Circuit;

/// What one call looks like to the reference.
#[derive(Clone, Debug)]
pub(super) struct PlainCall {
    pub(super) generation: u64,
    pub(super) admission: Admission,
    pub(super) started: bool,
    pub(super) request: u64,
    number: u64,
}

/// A vote while closed, and in which tenth of a window it fell.
#[derive(Clone, Debug)]
struct Vote {
    call: u64,
    tick: u128,
    good: bool,
}

/// Times are distances from the start.
pub(super) struct PlainBreaker {
    target: usize,
    settings: BreakerSettings,
    pub(super) circuit: Circuit,
    pub(super) generation: u64,
    pub(super) opens: u64,
    pub(super) stale: u64,
    pub(super) would_open: u64,
    calls: u64,
    since: Duration,
    until: Duration,
    ramp: bool,
    /// Deadline and request of the probe under way.
    probe: Option<(Duration, u64)>,
    good_probes: Vec<u64>,
    streak: u32,
    bad_starts: Vec<u64>,
    bad_streams: Vec<u64>,
    failures: Vec<u64>,
    window_start: Duration,
    votes: Vec<Vote>,
    hint: Option<Duration>,
}

impl PlainBreaker {
    pub(super) fn new(target: usize, settings: BreakerSettings) -> Self {
        Self {
            target,
            settings,
            circuit: Circuit::Closed,
            generation: 1,
            opens: 0,
            stale: 0,
            would_open: 0,
            calls: 0,
            since: Duration::ZERO,
            until: Duration::ZERO,
            ramp: false,
            probe: None,
            good_probes: Vec::new(),
            streak: 0,
            bad_starts: Vec::new(),
            bad_streams: Vec::new(),
            failures: Vec::new(),
            window_start: Duration::ZERO,
            votes: Vec::new(),
            hint: None,
        }
    }

    /// How long a call would be refused.
    pub(super) fn rest(&self, now: Duration) -> Option<Duration> {
        let rest = match self.circuit {
            Circuit::Open | Circuit::ForcedOpen => self.until.saturating_sub(now),
            Circuit::HalfOpen => self.probe.map_or(Duration::ZERO, |(deadline, _)| {
                deadline.saturating_sub(now).min(self.settings.open_base)
            }),
            _ => Duration::ZERO,
        };
        (!rest.is_zero()).then_some(rest)
    }

    pub(super) fn time(&mut self, now: Duration, book: &mut Book) {
        match (self.circuit, self.probe) {
            (Circuit::HalfOpen, Some((deadline, request))) if now >= deadline => {
                book.hit(Row::ProbeLost);
                self.hint = None;
                self.open(deadline, "probe_lost", vec![request], book);
            }
            (Circuit::ForcedOpen, _) if now >= self.until => {
                book.hit(Row::ForcedOpenExpired);
                self.become_(Circuit::HalfOpen, "force_expired", None, vec![], book);
            }
            (Circuit::ForcedClosed, _) if now >= self.until => {
                book.hit(Row::ForcedClosedExpired);
                self.close(self.until, false, "force_expired", vec![], book);
            }
            _ => {}
        }
    }

    pub(super) fn acquire(
        &mut self,
        now: Duration,
        request: u64,
        lease: Duration,
        only_one_left: bool,
        book: &mut Book,
    ) -> Result<PlainCall, Duration> {
        self.time(now, book);
        if let Some(rest) = self.rest(now) {
            book.hit(match self.circuit {
                Circuit::Open => Row::OpenRefuses,
                Circuit::ForcedOpen => Row::ForcedOpenRefuses,
                _ => Row::HalfOpenRefuses,
            });
            return Err(rest);
        }
        let passed = now - self.since.min(now);
        match self.circuit {
            Circuit::Closed if self.ramp && passed < self.settings.ramp => {
                let share = 0.1 + 0.9 * passed.as_secs_f64() / self.settings.ramp.as_secs_f64();
                if only_one_left {
                    book.hit(Row::RampYields);
                } else if book.random.unit() >= share {
                    book.hit(Row::RampRefuses);
                    return Err((self.settings.ramp - passed).min(Duration::from_millis(100)));
                } else {
                    book.hit(Row::RampAdmits);
                }
                Ok(self.call(Admission::Normal, request))
            }
            Circuit::Closed | Circuit::ForcedClosed => {
                book.hit(Row::ClosedAdmits);
                Ok(self.call(Admission::Normal, request))
            }
            _ => {
                if self.circuit == Circuit::Open {
                    book.hit(Row::OpenTimeOver);
                    self.become_(Circuit::HalfOpen, "open_time_over", None, vec![request], book);
                }
                book.hit(Row::ProbeAdmitted);
                self.probe = Some((now + lease, request));
                Ok(self.call(Admission::Probe, request))
            }
        }
    }

    /// Of a call that was just refused.
    pub(super) fn last_resort(&mut self, request: u64) -> Option<PlainCall> {
        let rests = matches!(self.circuit, Circuit::Open | Circuit::HalfOpen);
        rests.then(|| self.call(Admission::LastResort, request))
    }

    pub(super) fn content(&mut self, now: Duration, call: &mut PlainCall, book: &mut Book) {
        self.time(now, book);
        if std::mem::replace(&mut call.started, true) {
            return;
        }
        if call.generation != self.generation {
            self.stale += 1;
            book.hit(Row::StaleGood);
            return;
        }
        match (self.circuit, call.admission) {
            (Circuit::Closed | Circuit::ForcedClosed, _) => {
                book.hit(Row::ClosedGood);
                self.bad_starts.clear();
                self.hint = None;
                self.votes.push(Vote { call: call.number, tick: self.tick(now), good: true });
            }
            (Circuit::HalfOpen, Admission::Probe) => {
                self.probe = None;
                self.good_probe(now, call.request, book);
            }
            (Circuit::Open, Admission::LastResort) => {
                book.hit(Row::LastResortGood);
                self.become_(Circuit::HalfOpen, "last_resort_good", None, vec![call.request], book);
                self.good_probe(now, call.request, book);
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, now: Duration, mut call: PlainCall, book: &mut Book) {
        let streamed = call.started;
        self.content(now, &mut call, book);
        if !streamed {
            return;
        }
        if call.generation != self.generation {
            self.stale += 1;
            book.hit(Row::StaleGood);
        } else if matches!(self.circuit, Circuit::Closed | Circuit::ForcedClosed) {
            book.hit(Row::StreamFinished);
            self.bad_streams.clear();
        }
    }

    pub(super) fn fail(
        &mut self,
        now: Duration,
        call: &PlainCall,
        soft: bool,
        hint: Option<Duration>,
        book: &mut Book,
    ) {
        self.time(now, book);
        let hint = hint.map(|hint| now + hint.min(self.settings.hint_cap));
        let recent = self.generation - call.generation <= 1;
        if self.circuit == Circuit::Open && recent && hint.is_some_and(|hint| hint > self.until) {
            book.hit(Row::StaleHintHeard);
            self.until = self.until.max(hint.unwrap());
        }
        if call.generation != self.generation {
            self.stale += 1;
            book.hit(Row::StaleBad);
            return;
        }
        match self.circuit {
            Circuit::Closed => {
                self.hint = self.hint.max(hint);
                match self.too_many(now, call, soft, book) {
                    Some((reason, causes)) => {
                        book.hit(match reason {
                            "consecutive_failures" => Row::OpenedByStarts,
                            "broken_streams" => Row::OpenedByStreams,
                            _ => Row::OpenedByRate,
                        });
                        self.open(now, reason, causes, book);
                    }
                    None => book.hit(Row::ClosedBadBelow),
                }
            }
            Circuit::ForcedClosed => {
                if let Some((reason, causes)) = self.too_many(now, call, soft, book) {
                    book.hit(match reason {
                        "failure_rate" => Row::WouldOpenByRate,
                        _ => Row::WouldOpenByRun,
                    });
                    self.would_open += 1;
                    self.forget();
                    book.told.push(Told::WouldOpen { target: self.target, reason, causes });
                }
            }
            Circuit::HalfOpen if call.admission == Admission::Probe => {
                book.hit(if call.started { Row::FormerProbeBroke } else { Row::ProbeFailed });
                self.hint = hint;
                self.open(now, "probe_failed", vec![call.request], book);
            }
            Circuit::HalfOpen => book.hit(Row::LastResortHasNoVote),
            Circuit::Open => book.hit(Row::LastResortBad),
            Circuit::ForcedOpen => unreachable!("nobody is admitted there"),
        }
    }

    pub(super) fn neutral(&mut self, now: Duration, call: &PlainCall, book: &mut Book) {
        if call.admission != Admission::Normal {
            self.time(now, book);
        }
        let current = call.generation == self.generation;
        match call.admission {
            Admission::Probe if current && !call.started => {
                book.hit(Row::ProbeNeutral);
                self.probe = None;
            }
            Admission::LastResort => book.hit(Row::LastResortNeutral),
            Admission::Normal if current => book.hit(Row::ClosedNeutral),
            _ => {}
        }
    }

    pub(super) fn force(&mut self, now: Duration, to: Circuit, ttl: Duration, book: &mut Book) {
        self.time(now, book);
        self.forgive(now, book);
        if self.circuit == to {
            book.hit(Row::ForcedAgain);
        } else {
            let open = to == Circuit::ForcedOpen;
            book.hit(if open { Row::ForcedOpen } else { Row::ForcedClosed });
            self.become_(to, "forced", open.then_some(ttl), vec![], book);
        }
        self.until = now + ttl;
    }

    pub(super) fn release(&mut self, now: Duration, book: &mut Book) {
        self.time(now, book);
        match self.circuit {
            Circuit::ForcedOpen => {
                book.hit(Row::ForcedOpenReleased);
                self.become_(Circuit::HalfOpen, "released", None, vec![], book);
            }
            Circuit::ForcedClosed => {
                book.hit(Row::ForcedClosedReleased);
                self.close(now, false, "released", vec![], book);
            }
            _ => {}
        }
    }

    pub(super) fn reset(&mut self, now: Duration, book: &mut Book) {
        self.time(now, book);
        self.streak = 0;
        if self.circuit == Circuit::Closed {
            book.hit(Row::ResetClosed);
            self.generation += 1;
            self.forget();
            self.since = now;
            self.ramp = false;
        } else {
            book.hit(Row::ResetOther);
            self.close(now, false, "reset", vec![], book);
        }
    }

    pub(super) fn new_plugin(&mut self, now: Duration, book: &mut Book) {
        self.time(now, book);
        if self.circuit == Circuit::Open {
            book.hit(Row::NewPluginWhileOpen);
            self.until = self.until.min(now);
        }
    }

    pub(super) fn reload(&mut self, now: Duration, settings: &BreakerSettings, book: &mut Book) {
        self.time(now, book);
        book.hit(if self.circuit == Circuit::Closed { Row::ReloadClosed } else { Row::ReloadOther });
        if settings.window != self.settings.window {
            book.hit(Row::ReloadWindow);
            self.votes.clear();
            self.window_start = now;
        }
        self.settings = settings.clone();
    }

    fn call(&mut self, admission: Admission, request: u64) -> PlainCall {
        self.calls += 1;
        PlainCall { generation: self.generation, admission, started: false, request, number: self.calls }
    }

    fn become_(
        &mut self,
        to: Circuit,
        reason: &'static str,
        open_for: Option<Duration>,
        causes: Vec<u64>,
        book: &mut Book,
    ) {
        let told = Told::Changed { target: self.target, from: self.circuit, to, reason, open_for, causes };
        book.told.push(told);
        self.circuit = to;
        self.generation += 1;
        self.forget();
        self.probe = None;
        self.good_probes.clear();
    }

    fn forget(&mut self) {
        self.bad_starts.clear();
        self.bad_streams.clear();
        self.failures.clear();
        self.votes.clear();
        self.hint = None;
    }

    fn close(&mut self, at: Duration, ramp: bool, reason: &'static str, causes: Vec<u64>, book: &mut Book) {
        self.become_(Circuit::Closed, reason, None, causes, book);
        self.since = at;
        self.ramp = ramp;
    }

    fn open(&mut self, at: Duration, reason: &'static str, causes: Vec<u64>, book: &mut Book) {
        self.forgive(at, book);
        self.streak += 1;
        self.opens += 1;
        let rest =
            (self.settings.open_base * 2_u32.pow((self.streak - 1).min(10))).min(self.settings.open_cap);
        let rest = rest.mul_f64(book.random.between(0.8, 1.0));
        let until = (at + rest).max(self.hint.unwrap_or(at));
        if until > at + rest {
            book.hit(Row::HintExtends);
        }
        self.become_(Circuit::Open, reason, Some(until - at), causes, book);
        self.until = until;
    }

    fn forgive(&mut self, at: Duration, book: &mut Book) {
        if self.circuit == Circuit::Closed {
            let minutes = u32::try_from((at - self.since).as_secs() / 60).unwrap();
            if minutes > 0 && self.streak > 0 {
                book.hit(Row::OpeningForgiven);
            }
            self.streak = self.streak.saturating_sub(minutes);
        }
    }

    fn good_probe(&mut self, now: Duration, request: u64, book: &mut Book) {
        self.good_probes.push(request);
        if self.good_probes.len() < self.settings.probes as usize {
            book.hit(Row::GoodProbe);
        } else {
            book.hit(Row::ProbesClose);
            let causes = last_three(&self.good_probes);
            self.close(now, true, "probes_good", causes, book);
        }
    }

    fn tick(&self, now: Duration) -> u128 {
        (now - self.window_start).as_nanos() / (self.settings.window.as_nanos() / 10)
    }

    fn too_many(
        &mut self,
        now: Duration,
        call: &PlainCall,
        soft: bool,
        book: &mut Book,
    ) -> Option<(&'static str, Vec<u64>)> {
        self.failures.push(call.request);
        let tick = self.tick(now);
        self.votes.retain(|vote| vote.call != call.number);
        self.votes.push(Vote { call: call.number, tick, good: false });
        let recent = self.votes.iter().filter(|vote| vote.tick + 10 > tick);
        let (all, bad) = recent.fold((0, 0), |(all, bad), vote| (all + 1, bad + u32::from(!vote.good)));
        if soft {
            book.hit(Row::SoftFailure);
        } else {
            let (run, reason) = match call.started {
                false => (&mut self.bad_starts, "consecutive_failures"),
                true => (&mut self.bad_streams, "broken_streams"),
            };
            run.push(call.request);
            if run.len() >= self.settings.consecutive as usize {
                let requests: BTreeSet<u64> = run.iter().copied().collect();
                if requests.len() > 1 || self.settings.consecutive == 1 {
                    return Some((reason, last_three(run)));
                }
                book.hit(Row::RunOfOneRequest);
            }
        }
        let is_bad = all >= self.settings.rate_minimum
            && f64::from(bad) >= self.settings.failure_rate * f64::from(all);
        is_bad.then(|| ("failure_rate", last_three(&self.failures)))
    }
}

fn last_three(requests: &[u64]) -> Vec<u64> {
    requests[requests.len().saturating_sub(3)..].to_vec()
}
