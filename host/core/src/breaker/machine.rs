//! The breaker's states and what moves between them; see the table in the parent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::window::Window;
use super::{Admission, BreakerSettings, Door, Event, Ticket, View, Weight};
use crate::note::Circuit;
use crate::random::Random;
use crate::request::RequestId;

const GOOD: usize = 0;
const BAD: usize = 1;

/// A ramp's refusal is short-lived: the next call has a better chance.
const RAMP_PAUSE: Duration = Duration::from_millis(100);
/// Share of traffic right after closing.
const RAMP_START: f64 = 0.1;
/// Nobody forgets a forced breaker for longer than this.
const FORCE_CAP: Duration = Duration::from_hours(24);
/// No probe takes longer, whatever its caller says.
const LEASE_CAP: Duration = Duration::from_hours(1);
/// Longest reason of an operator that is kept.
const REASON_CHARS: usize = 200;

/// Why it opens, and the requests that caused it.
type Verdict = (&'static str, Vec<RequestId>);

/// A run of events and the last three requests in it.
#[derive(Debug, Default)]
struct Run {
    length: u32,
    /// It is not all of one request.
    several: bool,
    last: [Option<RequestId>; 3],
}

impl Run {
    fn push(&mut self, request: RequestId) -> u32 {
        let [_, second, third] = self.last;
        self.several |= third.is_some_and(|before| before != request);
        self.last = [second, third, Some(request)];
        self.length = self.length.saturating_add(1);
        self.length
    }

    /// One request's failures are not enough, however often it is repeated, unless a single one is.
    fn reaches(&self, limit: u32) -> bool {
        self.length >= limit && (self.several || limit <= 1)
    }

    fn causes(&self) -> Vec<RequestId> {
        self.last.iter().flatten().copied().collect()
    }
}

#[derive(Debug)]
struct Lease {
    deadline: Instant,
    request: RequestId,
}

#[derive(Debug)]
enum State {
    Closed { since: Instant, ramping: bool },
    Open { until: Instant },
    HalfOpen { probe: Option<Lease>, good: Run },
    ForcedOpen { until: Instant },
    ForcedClosed { until: Instant },
}

#[derive(Debug)]
pub(super) struct Machine {
    settings: BreakerSettings,
    random: Arc<Random>,
    state: State,
    generation: u64,
    /// Openings, forgiven one by one while closed; sets the open time.
    streak: u32,
    opens: u64,
    starts: Run,
    streams: Run,
    failures: Run,
    window: Window<2>,
    /// Latest time that a failure's hint asked for.
    hinted: Option<Instant>,
    forced_reason: Option<Arc<str>>,
    stale_votes: u64,
    would_open: u64,
    events: Vec<Event>,
}

impl Machine {
    pub(super) fn new(settings: BreakerSettings, now: Instant, random: Arc<Random>) -> Self {
        Self {
            window: Window::new(now, settings.window),
            settings,
            random,
            state: State::Closed { since: now, ramping: false },
            generation: 1,
            streak: 0,
            opens: 0,
            starts: Run::default(),
            streams: Run::default(),
            failures: Run::default(),
            hinted: None,
            forced_reason: None,
            stale_votes: 0,
            would_open: 0,
            events: Vec::new(),
        }
    }

    /// What can be said without the lock. Forced closed is not free: its expiry needs a look.
    pub(super) fn door(&self) -> Door {
        match self.state {
            State::Closed { ramping: false, .. } => Door::Free(self.generation),
            State::Open { until } | State::ForcedOpen { until } => Door::Shut(until),
            _ => Door::Ask,
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    // --- calls ------------------------------------------------------------------------------------------------------

    pub(super) fn acquire(
        &mut self,
        now: Instant,
        request: RequestId,
        lease: Duration,
        only_one_left: bool,
    ) -> Result<Ticket, Duration> {
        self.advance(now);
        match &self.state {
            State::Closed { since, ramping: true } if !only_one_left => {
                let passed = now.saturating_duration_since(*since);
                let share =
                    RAMP_START + (1.0 - RAMP_START) * passed.as_secs_f64() / self.settings.ramp.as_secs_f64();
                if self.random.unit() >= share {
                    return Err(self.settings.ramp.saturating_sub(passed).min(RAMP_PAUSE));
                }
                Ok(self.ticket(Admission::Normal, request))
            }
            State::Closed { .. } | State::ForcedClosed { .. } => Ok(self.ticket(Admission::Normal, request)),
            State::Open { until } | State::ForcedOpen { until } if now < *until => Err(*until - now),
            State::HalfOpen { probe: Some(lease), .. } => Err(self.probe_pause(now, lease)),
            State::Open { .. } | State::ForcedOpen { .. } => {
                let waiting = State::HalfOpen { probe: None, good: Run::default() };
                self.enter(waiting, "open_time_over", None, vec![request]);
                Ok(self.lease(now, request, lease))
            }
            State::HalfOpen { probe: None, .. } => Ok(self.lease(now, request, lease)),
        }
    }

    pub(super) fn last_resort(
        &mut self,
        now: Instant,
        request: RequestId,
        lease: Duration,
    ) -> Option<Ticket> {
        self.advance(now);
        match &self.state {
            State::Open { until } if now < *until => Some(self.ticket(Admission::LastResort, request)),
            // Nobody is refused because somebody else's probe has not ended yet. It has no vote there.
            State::HalfOpen { probe: Some(_), .. } => Some(self.ticket(Admission::LastResort, request)),
            _ => self.acquire(now, request, lease, true).ok(),
        }
    }

    pub(super) fn first_content(&mut self, now: Instant, ticket: &mut Ticket) {
        self.advance(now);
        if ticket.started {
            return;
        }
        ticket.started = true;
        if !self.is_current(ticket) {
            return;
        }
        match &mut self.state {
            State::Closed { .. } | State::ForcedClosed { .. } => {
                self.starts = Run::default();
                self.hinted = None;
                ticket.counted = Some(self.window.add(now, GOOD));
            }
            State::HalfOpen { probe, .. } if ticket.admission == Admission::Probe => {
                *probe = None;
                self.good_probe(now, ticket.request);
            }
            State::Open { .. } if ticket.admission == Admission::LastResort => {
                let waiting = State::HalfOpen { probe: None, good: Run::default() };
                self.enter(waiting, "last_resort_good", None, vec![ticket.request]);
                self.good_probe(now, ticket.request);
            }
            _ => {}
        }
    }

    pub(super) fn finished(&mut self, now: Instant, mut ticket: Ticket) {
        let streamed = ticket.started;
        self.first_content(now, &mut ticket);
        if streamed
            && self.is_current(&ticket)
            && matches!(self.state, State::Closed { .. } | State::ForcedClosed { .. })
        {
            self.streams = Run::default();
        }
    }

    pub(super) fn failed(&mut self, now: Instant, ticket: Ticket, weight: Weight, hint: Option<Duration>) {
        self.advance(now);
        let hinted = hint.map(|hint| now + hint.min(self.settings.hint_cap));
        if !self.is_current(&ticket) {
            // No vote, but news: the provider still asks for rest, in answer to a call of just before the opening.
            if ticket.generation.saturating_add(1) == self.generation {
                self.extend_open(hinted);
            }
            return;
        }
        match self.state {
            State::Closed { .. } => {
                self.hinted = self.hinted.max(hinted);
                if let Some((reason, causes)) = self.count_failure(now, &ticket, weight) {
                    self.open(now, reason, causes);
                }
            }
            State::ForcedClosed { .. } => {
                if let Some((reason, causes)) = self.count_failure(now, &ticket, weight) {
                    self.would_open = self.would_open.saturating_add(1);
                    self.forget();
                    self.events.push(Event::WouldOpen { reason, causes });
                }
            }
            State::HalfOpen { .. } if ticket.admission == Admission::Probe => {
                self.hinted = hinted;
                self.open(now, "probe_failed", vec![ticket.request]);
            }
            State::Open { .. } => self.extend_open(hinted),
            _ => {}
        }
    }

    pub(super) fn neutral(&mut self, now: Instant, ticket: &Ticket) {
        self.advance(now);
        if ticket.admission == Admission::Probe
            && !ticket.started
            && ticket.generation == self.generation
            && let State::HalfOpen { probe, .. } = &mut self.state
        {
            *probe = None;
        }
    }

    // --- operators --------------------------------------------------------------------------------------------------

    pub(super) fn force(&mut self, now: Instant, to: Circuit, ttl: Duration, reason: &str) {
        self.advance(now);
        self.forgive(now);
        let until = now + ttl.min(FORCE_CAP);
        self.forced_reason = Some(reason.chars().take(REASON_CHARS).collect::<String>().into());
        let (state, open_for) = match to {
            Circuit::ForcedOpen => (State::ForcedOpen { until }, Some(until - now)),
            _ => (State::ForcedClosed { until }, None),
        };
        if self.circuit() == to {
            self.state = state;
        } else {
            self.enter(state, "forced", open_for, Vec::new());
        }
    }

    pub(super) fn release(&mut self, now: Instant) {
        self.advance(now);
        self.end_forced(now, "released");
    }

    pub(super) fn reset(&mut self, now: Instant) {
        self.advance(now);
        self.streak = 0;
        let closed = State::Closed { since: now, ramping: false };
        if self.circuit() == Circuit::Closed {
            self.generation = self.generation.saturating_add(1);
            self.state = closed;
            self.forget();
        } else {
            self.enter(closed, "reset", None, Vec::new());
        }
    }

    pub(super) fn may_probe_now(&mut self, now: Instant) {
        self.advance(now);
        if let State::Open { until } = &mut self.state {
            *until = (*until).min(now);
        }
    }

    pub(super) fn set(&mut self, now: Instant, settings: BreakerSettings) {
        self.advance(now);
        if settings.window != self.settings.window {
            self.window.restart(now, settings.window);
        }
        self.settings = settings;
    }

    pub(super) fn view(&mut self, now: Instant) -> View {
        self.advance(now);
        let retry_in = match &self.state {
            State::Open { until } | State::ForcedOpen { until } => Some(until.saturating_duration_since(now)),
            State::HalfOpen { probe: Some(lease), .. } => Some(self.probe_pause(now, lease)),
            _ => None,
        };
        View {
            circuit: self.circuit(),
            generation: self.generation,
            opens: self.opens,
            retry_in: retry_in.filter(|left| !left.is_zero()),
            forced_reason: self.forced_reason.clone(),
            stale_votes: self.stale_votes,
            would_open: self.would_open,
        }
    }

    // --- inside -----------------------------------------------------------------------------------------------------

    fn circuit(&self) -> Circuit {
        match self.state {
            State::Closed { .. } => Circuit::Closed,
            State::Open { .. } => Circuit::Open,
            State::HalfOpen { .. } => Circuit::HalfOpen,
            State::ForcedOpen { .. } => Circuit::ForcedOpen,
            State::ForcedClosed { .. } => Circuit::ForcedClosed,
        }
    }

    /// What time alone changes. A lease lapses at its deadline, not when somebody looks.
    fn advance(&mut self, now: Instant) {
        match &mut self.state {
            State::HalfOpen { probe: Some(lease), .. } if now >= lease.deadline => {
                let (deadline, request) = (lease.deadline, lease.request);
                self.open(deadline, "probe_lost", vec![request]);
            }
            State::Closed { since, ramping } if *ramping => {
                *ramping = now.saturating_duration_since(*since) < self.settings.ramp;
            }
            State::ForcedOpen { until } | State::ForcedClosed { until } if now >= *until => {
                let until = *until;
                self.end_forced(until, "force_expired");
            }
            _ => {}
        }
    }

    fn ticket(&self, admission: Admission, request: RequestId) -> Ticket {
        Ticket { generation: self.generation, admission, request, started: false, counted: None }
    }

    fn lease(&mut self, now: Instant, request: RequestId, lease: Duration) -> Ticket {
        if let State::HalfOpen { probe, .. } = &mut self.state {
            *probe = Some(Lease { deadline: now + lease.min(LEASE_CAP), request });
        }
        self.ticket(Admission::Probe, request)
    }

    /// A probe is mostly decided long before its lease ends, which for plain answers may be a minute.
    fn probe_pause(&self, now: Instant, lease: &Lease) -> Duration {
        lease.deadline.saturating_duration_since(now).min(self.settings.open_base)
    }

    fn is_current(&mut self, ticket: &Ticket) -> bool {
        let current = ticket.generation == self.generation;
        if !current {
            self.stale_votes = self.stale_votes.saturating_add(1);
        }
        current
    }

    fn good_probe(&mut self, now: Instant, request: RequestId) {
        let State::HalfOpen { good, .. } = &mut self.state else { return };
        if good.push(request) >= self.settings.probes {
            let causes = good.causes();
            let ramping = !self.settings.ramp.is_zero();
            self.enter(State::Closed { since: now, ramping }, "probes_good", None, causes);
        }
    }

    /// Counts a failure; `Some` when it is one too many.
    fn count_failure(&mut self, now: Instant, ticket: &Ticket, weight: Weight) -> Option<Verdict> {
        self.failures.push(ticket.request);
        if let Some(tick) = ticket.counted {
            self.window.take_back(now, tick, GOOD);
        }
        self.window.add(now, BAD);
        let run = self.push_run(ticket, weight);
        run.or_else(|| self.rate_is_bad(now).then(|| ("failure_rate", self.failures.causes())))
    }

    /// Lengthens the failure's run; `Some` when the run is long enough to open.
    fn push_run(&mut self, ticket: &Ticket, weight: Weight) -> Option<Verdict> {
        if weight == Weight::Soft {
            return None;
        }
        let (run, reason) = match ticket.started {
            false => (&mut self.starts, "consecutive_failures"),
            true => (&mut self.streams, "broken_streams"),
        };
        run.push(ticket.request);
        run.reaches(self.settings.consecutive).then(|| (reason, run.causes()))
    }

    fn rate_is_bad(&mut self, now: Instant) -> bool {
        let [good, bad] = self.window.sums(now);
        let all = good + bad;
        #[expect(clippy::cast_precision_loss, reason = "counts of calls in half a minute are far below 2^52")]
        let share = bad as f64 / all.max(1) as f64;
        all >= u64::from(self.settings.rate_minimum) && share >= self.settings.failure_rate
    }

    /// Opens as of `at`, which may lie in the past for a lapsed lease.
    fn open(&mut self, at: Instant, reason: &'static str, causes: Vec<RequestId>) {
        self.forgive(at);
        self.streak = self.streak.saturating_add(1);
        self.opens = self.opens.saturating_add(1);
        let doublings = 2_u32.saturating_pow(self.streak - 1);
        let rest = self.settings.open_base.saturating_mul(doublings).min(self.settings.open_cap);
        let until = at + rest.mul_f64(self.random.between(0.8, 1.0));
        let until = self.hinted.map_or(until, |hinted| hinted.max(until));
        self.enter(State::Open { until }, reason, Some(until - at), causes);
    }

    /// Forgives one opening for each span that was spent closed. Whoever leaves CLOSED calls it before.
    fn forgive(&mut self, at: Instant) {
        if let State::Closed { since, .. } = self.state {
            let spans =
                at.saturating_duration_since(since).as_nanos() / self.settings.forgive.as_nanos().max(1);
            self.streak = self.streak.saturating_sub(u32::try_from(spans).unwrap_or(u32::MAX));
        }
    }

    fn extend_open(&mut self, hinted: Option<Instant>) {
        if let (State::Open { until }, Some(hinted)) = (&mut self.state, hinted) {
            *until = (*until).max(hinted);
        }
    }

    fn end_forced(&mut self, at: Instant, reason: &'static str) {
        let next = match self.state {
            State::ForcedOpen { .. } => State::HalfOpen { probe: None, good: Run::default() },
            State::ForcedClosed { .. } => State::Closed { since: at, ramping: false },
            _ => return,
        };
        self.enter(next, reason, None, Vec::new());
    }

    fn enter(
        &mut self,
        state: State,
        reason: &'static str,
        open_for: Option<Duration>,
        causes: Vec<RequestId>,
    ) {
        let from = self.circuit();
        self.state = state;
        self.generation = self.generation.saturating_add(1);
        let to = self.circuit();
        if !matches!(to, Circuit::ForcedOpen | Circuit::ForcedClosed) {
            self.forced_reason = None;
        }
        self.forget();
        self.events.push(Event::Changed { from, to, reason, open_for, causes });
    }

    /// What was counted belongs to the generation that is over.
    fn forget(&mut self) {
        self.starts = Run::default();
        self.streams = Run::default();
        self.failures = Run::default();
        self.hinted = None;
        self.window.clear();
    }
}
