//! The event log: everything that happened in one simulation, in order, with virtual time; and its hash.
//!
//! Two runs of one seed must give the same log. Whatever leaks real time, the order of a hash map or the thread's random
//! state into a decision shows as another hash.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_core::note::Note;
use seawall_core::ports::{Clock, Observer};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use tokio::time::Instant;

use crate::heard::Heard;
use crate::order::Order;

/// How an upstream call ended, as its provider sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It said all it had to say, good or bad.
    Said,
    /// The gateway hung up.
    Dropped,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The core's word.
    Core(Note),
    /// A provider received a call.
    CallBegan {
        /// Counts calls.
        call: u64,
        /// For which request.
        request: RequestId,
        /// At which target.
        target: TargetId,
    },
    /// A provider handed over its first content; plain, its whole answer.
    CallStarted {
        /// Which call.
        call: u64,
    },
    /// A call is over.
    CallEnded {
        /// Which call.
        call: u64,
        /// How.
        end: CallEnd,
    },
    /// A client asks.
    Asked(Order),
    /// A client has all it will get.
    Heard(RequestId, Heard),
    /// A client left.
    Left(RequestId),
    /// An operator did something.
    Admin(Admin),
    /// All faults are over.
    Healed,
}

/// What an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Held open for some seconds.
    ForceOpen(TargetId, u64),
    /// Held closed for some seconds.
    ForceClosed(TargetId, u64),
    /// Ended a forced state.
    Release(TargetId),
    /// Reset a target.
    Reset(TargetId),
    /// Loaded the configuration again.
    Configure,
    /// Replaced a provider's adapter.
    Replace(Arc<str>),
}

/// An event and its time since the start.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// What.
    pub event: Event,
}

impl fmt::Display for Entry {
    /// The canonical line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} {:?}", self.at.as_secs_f64(), self.event)
    }
}

/// The log of one simulation, and its clock.
#[derive(Debug)]
pub struct Log {
    epoch: Instant,
    keeps: bool,
    entries: Mutex<Vec<Entry>>,
}

impl Log {
    /// Begins now.
    pub fn begin() -> Arc<Self> {
        Arc::new(Self { epoch: Instant::now(), keeps: true, entries: Mutex::default() })
    }

    /// Begins now and keeps nothing: for runs that are only measured.
    pub fn clock_only() -> Arc<Self> {
        Arc::new(Self { epoch: Instant::now(), keeps: false, entries: Mutex::default() })
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Writes one entry.
    pub fn write(&self, event: Event) {
        if !self.keeps {
            return;
        }
        let at = self.elapsed();
        self.lock().push(Entry { at, event });
    }

    /// Takes everything written so far.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Log {
    fn note(&self, note: Note) {
        self.write(Event::Core(note));
    }
}

/// Virtual time for both clocks: a real wall clock would make every run another one.
#[derive(Debug)]
pub struct VirtualClock {
    epoch: Instant,
}

impl VirtualClock {
    /// The wall clock stands at an arbitrary moment.
    pub fn begin() -> Self {
        Self { epoch: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        const ARBITRARY: Duration = Duration::from_secs(1_750_000_000);
        UNIX_EPOCH + ARBITRARY + self.epoch.elapsed()
    }
}

/// FNV-1a over every entry's canonical line.
pub fn hash(entries: &[Entry]) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for entry in entries {
        // Writing into a hash cannot fail.
        let _written = writeln!(hash, "{} {:?}", entry.at.as_nanos(), entry.event);
    }
    hash.0
}

struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
