//! A lane: one simulated provider account with its settings, faults and log. It speaks every dialect at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::armed::Faults;
use crate::fault::{Fault, Kind};
use crate::log::{Entry, Log, Outcome};
use crate::seed;

/// The most lanes that one simulator creates.
pub const MOST_LANES: usize = 64;
const LONGEST_NAME: usize = 64;

/// What a lane does with a conversation that ends with the beginning of an assistant's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefill {
    /// Goes on exactly where the beginning stops.
    #[default]
    Accepts,
    /// Answers 400 in the dialect's own shape.
    Refuses,
    /// Words every answer differently from other lanes, and starts over instead of going on.
    Diverges,
    /// Goes on, but says the last three words of the beginning once more.
    Repeats,
    /// Takes it and answers from the start, as if there were no beginning.
    Ignores,
}

/// How a lane answers when no fault is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The credential that requests must carry; none: anything goes.
    pub key: Option<String>,
    /// What happens to a beginning of the answer.
    pub prefill: Prefill,
    /// Milliseconds before the first content of every answer.
    pub first_token_ms: u64,
    /// Milliseconds between the content events of every stream.
    pub pace_ms: u64,
}

/// A handle to one simulated provider account. Cheap to clone; all clones are the same lane.
#[derive(Clone, Debug)]
pub struct Lane(pub(crate) Arc<State>);

#[derive(Debug)]
pub(crate) struct State {
    name: String,
    salt: u64,
    /// False: no fault and no setting, so that the common request asks no lock.
    special: AtomicBool,
    settings: Mutex<Settings>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
}

/// A poisoned lock only means that another request's thread panicked; the data here cannot be half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    fn new(name: &str, seed: u64) -> Self {
        let salt = name.bytes().fold(seed, |salt, byte| seed::mix(salt ^ u64::from(byte)));
        Self(Arc::new(State {
            name: name.to_owned(),
            salt,
            special: AtomicBool::new(false),
            settings: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
        }))
    }

    /// The lane's part of the URL.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Adds a fault behind those that are armed already.
    pub fn arm(&self, fault: Fault) {
        self.arm_all([fault]);
    }

    /// Adds faults, in order, behind those that are armed already; at most 64 are kept.
    pub fn arm_all(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.0.faults).arm(faults);
        self.mark_special();
    }

    /// Replaces the armed faults.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        {
            let mut armed = lock(&self.0.faults);
            armed.clear();
            armed.arm(faults);
        }
        self.mark_special();
    }

    /// Changes how the lane answers when no fault is due.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.0.settings));
        self.mark_special();
    }

    /// The settings as they are.
    pub fn settings(&self) -> Settings {
        lock(&self.0.settings).clone()
    }

    /// No faults, default settings. The log stays.
    pub fn clear(&self) {
        lock(&self.0.faults).clear();
        *lock(&self.0.settings) = Settings::default();
        self.mark_special();
    }

    /// The requests that arrived, oldest first; at most [`LOG_CAPACITY`](crate::LOG_CAPACITY).
    pub fn log(&self) -> Vec<Entry> {
        lock(&self.0.log).entries()
    }

    /// The full body of the last request, unless it was longer than 8 MiB.
    pub fn last_body(&self) -> Option<Bytes> {
        lock(&self.0.log).last_body()
    }

    /// Empties the log; numbers go on.
    pub fn clear_log(&self) {
        lock(&self.0.log).clear();
    }

    /// As the control API shows it.
    pub(crate) fn show(&self) -> Value {
        let settings = self.settings();
        json!({
            "lane": self.name(),
            "key": settings.key.is_some(),
            "prefill": settings.prefill,
            "first_token_ms": settings.first_token_ms,
            "pace_ms": settings.pace_ms,
            "faults": lock(&self.0.faults).show(),
            "requests": lock(&self.0.log).total(),
        })
    }

    fn mark_special(&self) {
        let special = !lock(&self.0.faults).is_empty() || *lock(&self.0.settings) != Settings::default();
        self.0.special.store(special, Ordering::Release);
    }

    /// Whether any fault is armed or any setting differs from the default.
    pub(crate) fn is_special(&self) -> bool {
        self.0.special.load(Ordering::Acquire)
    }

    pub(crate) fn take_fault(&self) -> Option<Kind> {
        if !self.is_special() {
            return None;
        }
        let count = lock(&self.0.log).total();
        lock(&self.0.faults).take(self.0.salt ^ count.wrapping_mul(MOST_LANES as u64))
    }

    /// Opens the log entry of a request; the ticket closes it.
    pub(crate) fn admit(&self, entry: Entry, body: Bytes) -> Ticket {
        let number = lock(&self.0.log).push(entry, body);
        Ticket { lane: self.clone(), number, sent: 0, outcome: Outcome::Open }
    }
}

/// One request's claim on its log entry. Dropped without a verdict it means that the client left.
#[derive(Debug)]
pub(crate) struct Ticket {
    lane: Lane,
    number: u64,
    sent: u64,
    outcome: Outcome,
}

impl Ticket {
    /// A number from which ids are made; differs for every request.
    pub(crate) fn salt(&self) -> u64 {
        seed::mix(self.lane.0.salt ^ self.number)
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Entry)) {
        lock(&self.lane.0.log).update(self.number, change);
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    pub(crate) fn close(&mut self, outcome: Outcome) {
        if self.outcome == Outcome::Open {
            self.outcome = outcome;
            let sent = self.sent;
            self.note(|entry| {
                entry.outcome = outcome;
                entry.sent_bytes = sent;
            });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close(Outcome::ClientLeft);
    }
}

/// All lanes by name, created on first use.
#[derive(Debug)]
pub(crate) struct Lanes {
    seed: u64,
    known: RwLock<BTreeMap<String, Lane>>,
}

impl Lanes {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, known: RwLock::default() }
    }

    /// The lane of that name; none if the name is not one or there are too many lanes already.
    pub(crate) fn get(&self, name: &str) -> Option<Lane> {
        if let Some(lane) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(lane.clone());
        }
        if !is_lane_name(name) {
            return None;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_LANES && !known.contains_key(name) {
            return None;
        }
        Some(known.entry(name.to_owned()).or_insert_with(|| Lane::new(name, self.seed)).clone())
    }

    /// A lane that no URL reaches.
    pub(crate) fn detached(&self, name: &str) -> Lane {
        Lane::new(name, self.seed)
    }

    pub(crate) fn all(&self) -> Vec<Lane> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Letters, digits, `-`, `_` and `.`; not the first segment of a provider's own path, and not the control API's.
fn is_lane_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(allowed)
        && !name.starts_with(['_', '.'])
        && !["v1", "v1beta"].contains(&name)
}
