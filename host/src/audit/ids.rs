//! Ids of requests and of everything else that is put on record.
//!
//! An id is the number of its run (23 random bits, so that gateways do not share ids) and a count. Within a run ids are
//! given out in order and without gaps; every one of them is either on record or known to be missing.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Gives ids out.
#[derive(Debug)]
pub struct Ids(AtomicU64);

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

impl Ids {
    /// A run of its own.
    pub fn new() -> Self {
        Self(AtomicU64::new(Run::random().first()))
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId(self.0.fetch_add(1, Ordering::Relaxed))
    }

    /// The id that will be given out next.
    pub(super) fn upcoming(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The run that ids are of now.
    pub(super) fn run(&self) -> Run {
        Run::of(RequestId(self.upcoming()))
    }

    /// Goes on under another run: what cannot be reserved must not look as if it were.
    pub(super) fn start_anew(&self) {
        self.0.store(Run::random().first(), Ordering::Relaxed);
    }
}

/// An id as people write it: with or without `req_`, and without the zeros in front.
pub fn parse_id(text: &str) -> Option<RequestId> {
    let digits = text.trim().strip_prefix("req_").unwrap_or(text.trim());
    let usable = !digits.is_empty() && digits.len() <= 16;
    usable.then(|| u64::from_str_radix(digits, 16).ok().map(RequestId)).flatten()
}
