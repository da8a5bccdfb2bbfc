//! What happened lately, for a watcher that comes back.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::batch::{Batch, Draft};

/// Events that are kept.
const EVENTS: usize = 8_192;
/// Of batches that are kept.
const BYTES: usize = 8 << 20;

/// The last batches, and the sequence of events.
#[derive(Debug, Default)]
pub(super) struct Ring {
    batches: VecDeque<Arc<Batch>>,
    events: usize,
    bytes: usize,
    /// Of the last event; 0 before the first.
    last: u64,
}

impl Ring {
    /// Makes a batch of the draft and keeps it, if it holds anything.
    pub(super) fn enter(&mut self, draft: Draft, sums: &RawValue, boot: u32) -> Arc<Batch> {
        let batch = Arc::new(draft.write(self.last + 1, boot, sums));
        self.last = batch.last;
        if batch.events > 0 {
            self.events += batch.events;
            self.bytes += batch.message.len();
            self.batches.push_back(Arc::clone(&batch));
        }
        while self.events > EVENTS || self.bytes > BYTES {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.events -= oldest.events;
            self.bytes -= oldest.message.len();
        }
        batch
    }

    /// Of the last event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Everything behind this event; none where something is missing in between.
    pub(super) fn behind(&self, seq: u64) -> Option<Vec<Arc<Batch>>> {
        if seq == self.last {
            return Some(Vec::new());
        }
        let known = self.batches.front().is_some_and(|oldest| oldest.first <= seq + 1) && seq < self.last;
        known.then(|| self.batches.iter().filter(|batch| batch.last > seq).cloned().collect())
    }

    /// From here on the sequence has a hole.
    pub(super) fn forget(&mut self) {
        *self = Self { last: self.last + 1, ..Self::default() };
    }
}
