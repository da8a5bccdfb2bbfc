//! Rows of the transition table as scripts. One word a step, `1` to `9` name calls:
//!
//! | word | step |
//! |---|---|
//! | `a1`, `A1` | call 1 is admitted; `A`: it has no other candidate |
//! | `p1` | call 1 is admitted as the probe |
//! | `x` | a call is refused |
//! | `l1`, `lx` | last resort admitted, refused |
//! | `c1`, `f1` | first content, finish |
//! | `b1`, `b1@60`, `s1` | counted failure (with a hint in seconds), soft failure |
//! | `n1` | ends without a verdict |
//! | `+5` | seconds pass |
//! | `open@9`, `shut@9`, `release`, `reset`, `hurry` | an operator forces open, forces closed, ...; new plugin |
//! | `=open`, ... | the state is this |
//! | `!reason` | the last change had this reason |

use std::collections::HashMap;

use super::super::*;

pub(super) const LEASE: Duration = Duration::from_secs(11);

/// A breaker, its time, the calls under way and what it told.
pub(super) struct Script {
    pub(super) breaker: Breaker,
    pub(super) now: Instant,
    calls: HashMap<String, Ticket>,
    pub(super) events: Vec<Event>,
}

impl Script {
    fn new(settings: BreakerSettings) -> Self {
        let now = Instant::now();
        let breaker = Breaker::new(settings, now, Arc::new(Random::seeded(42)));
        Self { breaker, now, calls: HashMap::new(), events: Vec::new() }
    }

    fn acquire(&mut self, name: &str, only_one_left: bool) -> Option<Admission> {
        let request = RequestId(name.parse().unwrap_or(0));
        let (result, events) = self.breaker.try_acquire(self.now, request, LEASE, only_one_left);
        self.events.extend(events);
        let ticket = result.ok()?;
        let admission = ticket.admission();
        self.calls.insert(name.to_owned(), ticket);
        Some(admission)
    }

    pub(super) fn take(&mut self, name: &str) -> Ticket {
        self.calls.remove(name).expect("the script names a running call")
    }

    fn circuit(&mut self) -> Circuit {
        let (view, events) = self.breaker.view(self.now);
        self.events.extend(events);
        view.circuit
    }

    #[track_caller]
    pub(super) fn step(&mut self, word: &str, script: &str) {
        let at = || format!("`{word}` in `{script}`");
        let (verb, rest) = word.split_at(1);
        let (name, hint) = rest.split_once('@').unwrap_or((rest, ""));
        let seconds = hint.parse().ok().map(Duration::from_secs);
        let now = self.now;
        let ttl = seconds.unwrap_or_default();
        let events = match (verb, rest) {
            ("o", _) => self.breaker.force_open(now, ttl, "drill"),
            ("s", _) if rest.starts_with("hut@") => self.breaker.force_closed(now, ttl, "drill"),
            ("r", "elease") => self.breaker.release(now),
            ("r", "eset") => self.breaker.reset(now),
            ("h", "urry") => self.breaker.may_probe_now(now),
            ("l", "x") => {
                assert!(self.breaker.last_resort(now, RequestId(0), LEASE).0.is_none(), "{}", at());
                Vec::new()
            }
            ("l", _) => {
                let (ticket, events) = self.breaker.last_resort(now, RequestId(9), LEASE);
                self.calls.insert(name.to_owned(), ticket.unwrap_or_else(|| panic!("{}", at())));
                events
            }
            ("a" | "A", _) => {
                assert_eq!(self.acquire(name, verb == "A"), Some(Admission::Normal), "{}", at());
                Vec::new()
            }
            ("p", _) => {
                assert_eq!(self.acquire(name, false), Some(Admission::Probe), "{}", at());
                Vec::new()
            }
            ("x", _) => {
                assert_eq!(self.acquire("0", false), None, "{}", at());
                Vec::new()
            }
            ("c", _) => {
                let mut ticket = self.take(name);
                let events = self.breaker.first_content(now, &mut ticket);
                self.calls.insert(name.to_owned(), ticket);
                events
            }
            ("f", _) => {
                let ticket = self.take(name);
                self.breaker.finished(now, ticket)
            }
            ("b" | "s", _) => {
                let ticket = self.take(name);
                let weight = if verb == "b" { Weight::Full } else { Weight::Soft };
                self.breaker.failed(now, ticket, weight, seconds)
            }
            ("n", _) => {
                let ticket = self.take(name);
                self.breaker.neutral(now, ticket)
            }
            ("+", _) => {
                self.now += Duration::from_secs_f64(rest.parse().unwrap());
                Vec::new()
            }
            ("=", _) => {
                assert_eq!(self.circuit().label(), rest, "{}", at());
                Vec::new()
            }
            ("!", _) => {
                self.circuit();
                assert_eq!(self.events.last().map(reason), Some(rest), "{}", at());
                Vec::new()
            }
            _ => panic!("no such step: {}", at()),
        };
        self.events.extend(events);
    }
}

#[track_caller]
pub(super) fn check_with(settings: BreakerSettings, script: &str) -> Script {
    let mut run = Script::new(settings);
    for word in script.split_whitespace() {
        run.step(word, script);
    }
    run
}

#[track_caller]
pub(super) fn check(script: &str) -> Script {
    check_with(BreakerSettings::default(), script)
}

/// Why an event happened.
pub(super) fn reason(event: &Event) -> &'static str {
    match event {
        Event::Changed { reason, .. } | Event::WouldOpen { reason, .. } => reason,
    }
}

/// What a new breaker needs to be open, and to be half open and free.
pub(super) const OPEN: &str = "a1 b1 a2 b2 a3 b3 =open ";
pub(super) const HALF: &str = "a1 b1 a2 b2 a3 b3 +5 p4 n4 =half_open ";
