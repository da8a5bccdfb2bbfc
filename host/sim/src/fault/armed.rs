//! A lane's list of faults and the rule who takes a request: the first fault of the list that is due. One request
//! meets at most one fault, so that `[{429, times 1}, {503, times 2}]` is a sequence.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Fault, Kind};
use crate::seed;

#[derive(Debug)]
struct Armed {
    fault: Fault,
    since: Instant,
    /// Requests that reached this fault.
    seen: u64,
    /// Requests that it took.
    taken: u64,
}

/// The faults of one lane, in order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    /// More than anybody needs; the control API refuses longer lists.
    pub(crate) const MOST: usize = 64;

    pub(crate) fn arm(&mut self, faults: impl IntoIterator<Item = Fault>) {
        let armed = |fault| Armed { fault, since: Instant::now(), seen: 0, taken: 0 };
        self.0.extend(faults.into_iter().map(armed));
        self.0.truncate(Self::MOST);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fault that takes the next request.
    pub(crate) fn take(&mut self, salt: u64) -> Option<Kind> {
        self.0.iter_mut().enumerate().find_map(|(place, armed)| armed.take(seed::mix(salt ^ place as u64)))
    }

    /// As the control API shows them.
    pub(crate) fn show(&self) -> Value {
        self.0.iter().map(Armed::show).collect()
    }
}

impl Armed {
    fn take(&mut self, salt: u64) -> Option<Kind> {
        let over = self.fault.for_ms.is_some_and(|ms| self.since.elapsed() >= Duration::from_millis(ms));
        let spent = self.fault.times.is_some_and(|times| self.taken >= times);
        if over || spent {
            return None;
        }
        self.seen += 1;
        if self.seen <= self.fault.after || seed::unit(salt) >= self.fault.probability {
            return None;
        }
        self.taken += 1;
        Some(self.fault.kind.clone())
    }

    fn show(&self) -> Value {
        let mut shown = serde_json::to_value(&self.fault).unwrap_or_default();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("seen".to_owned(), json!(self.seen));
            shown.insert("taken".to_owned(), json!(self.taken));
        }
        shown
    }
}
