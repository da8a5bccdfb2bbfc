//! Ids of requests and of everything else that is put on record.
//!
//! An id is the number of its run (23 random bits, so that gateways do not share ids) and a count. Within a run ids are
//! given out in order and without gaps; every one of them is either on record or known to be missing.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use seawall_core::request::RequestId;

/// A run of a million requests a second is over after twelve days.
const COUNT_BITS: u32 = 40;
/// Ids stay positive where a database knows signed numbers only.
const RUN_BITS: u32 = 63 - COUNT_BITS;

/// One start of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Run(u64);

impl Run {
    fn random() -> Self {
        Self(RandomState::new().hash_one(0) & ((1 << RUN_BITS) - 1))
    }

    /// The one that gave an id out.
    pub(super) fn of(id: RequestId) -> Self {
        Self(id.0 >> COUNT_BITS)
    }

    /// From the digits in a file's name.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let number = u64::from_str_radix(digits, 16).ok()?;
        (digits.len() == 6 && number < 1 << RUN_BITS).then_some(Self(number))
    }

    /// Six hexadecimal digits, the ones that its ids begin with.
    pub(super) fn digits(self) -> String {
        format!("{:06x}", self.0)
    }

    /// Its first id.
    pub(super) fn first(self) -> u64 {
        self.0 << COUNT_BITS
    }

    /// The first id that it cannot give out.
    pub(super) fn end(self) -> u64 {
        (self.0 + 1) << COUNT_BITS
    }
}

/// Gives ids out, and rings where it was asked to.
#[derive(Debug)]
pub struct Ids {
    next: AtomicU64,
    /// From this id on it rings, once.
    ring_at: AtomicU64,
    bell: Bell,
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

impl Ids {
    /// A run of its own.
    pub fn new() -> Self {
        let first = Run::random().first();
        Self { next: AtomicU64::new(first), ring_at: AtomicU64::new(u64::MAX), bell: Bell::default() }
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let ring_at = self.ring_at.load(Ordering::Relaxed);
        if id >= ring_at {
            self.ring(ring_at);
        }
        RequestId(id)
    }

    /// Once for each time that it was asked to.
    #[cold]
    fn ring(&self, at: u64) {
        if self.ring_at.compare_exchange(at, u64::MAX, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.bell.ring();
        }
    }

    /// The id that will be given out next.
    pub(super) fn upcoming(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Rings when this id is given out.
    pub(super) fn ring_at(&self, id: u64) {
        self.ring_at.store(id, Ordering::Relaxed);
    }

    /// The keeper's.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The run that ids are of now.
    pub(super) fn run(&self) -> Run {
        Run::of(RequestId(self.upcoming()))
    }

    /// Goes on under another run: what cannot be reserved must not look as if it were.
    pub(super) fn start_anew(&self) {
        self.ring_at(u64::MAX);
        self.next.store(Run::random().first(), Ordering::Relaxed);
    }
}

/// Wakes a thread that waits at it. A ring that nobody waits for is heard by the next wait.
#[derive(Debug, Default)]
pub(super) struct Bell(OnceLock<Thread>);

impl Bell {
    /// Whom it wakes from now on.
    pub(super) fn wakes(&self, thread: Thread) {
        // The first stays the one.
        let _ = self.0.set(thread);
    }

    /// For the thread that it wakes: until it rings, or for so long.
    pub(super) fn wait(longest: Duration) {
        thread::park_timeout(longest);
    }

    pub(super) fn ring(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// An id as people write it: with or without `req_`, and without the zeros in front.
pub fn parse_id(text: &str) -> Option<RequestId> {
    let digits = text.trim().strip_prefix("req_").unwrap_or(text.trim());
    let usable = !digits.is_empty() && digits.len() <= 16;
    usable.then(|| u64::from_str_radix(digits, 16).ok().map(RequestId)).flatten()
}
