//! What all requests share.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::budget::Budget;
use crate::fault::Chaos;
use crate::ports::{Background, Clock, Observer, PluginSource, Upstream};
use crate::random::Random;
use crate::targets::Targets;

/// Caps on what an upstream may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A whole plain answer.
    pub max_answer_bytes: usize,
    /// One event of a stream.
    pub max_event_bytes: usize,
}

impl Default for Limits {
    /// Generous beside real answers (images as base64 included), small beside a machine's memory.
    fn default() -> Self {
        Self { max_answer_bytes: 64 * 1024 * 1024, max_event_bytes: 16 * 1024 * 1024 }
    }
}

/// Everything requests share.
pub struct Engine {
    /// Health of every target.
    pub targets: Arc<Targets>,
    /// The way out.
    pub upstream: Arc<dyn Upstream>,
    /// The plugins that serve now.
    pub plugins: Arc<dyn PluginSource>,
    /// Armed faults.
    pub chaos: Arc<Chaos>,
    /// What retries and attempts may cost.
    pub budget: Arc<Budget>,
    /// Caps.
    pub limits: Limits,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter and sampling.
    pub random: Arc<Random>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Runs what outlives its request.
    pub background: Arc<dyn Background>,
}

impl Engine {
    pub(crate) fn wall_seconds(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}
