//! Between the next upstream and the client's stream: what repeats is left out, what begins anew is taken away, and the
//! counts become those of the whole answer.

use super::account::Account;
use super::delivered::Delivered;
use super::label::Mode;
use super::seam::{Diverged, Seam};
use crate::event::{Event, StreamEvent, Usage};
use crate::protocol::Writer;
use crate::request::Protocol;

/// What the next upstream's stream is joined to.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    /// What the client has had.
    pub(crate) delivered: Delivered,
    /// Writes on in the client's stream.
    pub(crate) writer: Writer,
    /// How the next upstream was told to go on.
    pub(crate) mode: Mode,
    /// Who counted what so far.
    pub(crate) account: Account,
}

/// Joins one stream to another.
#[derive(Debug)]
pub(crate) struct Join {
    seam: Seam,
    mode: Mode,
    /// Reasoning is new, too.
    takes_reasoning: bool,
    account: Account,
    /// Bytes of text before the seam, and behind it.
    before: usize,
    behind: usize,
}

impl Join {
    pub(crate) fn new(client: Protocol, mode: Mode, delivered: &Delivered, account: Account) -> Self {
        let text = delivered.text().unwrap_or_default();
        // A message can hold a second block of reasoning; in chat the two would run into one another.
        let takes_reasoning = text.is_empty() && (client == Protocol::Messages || !delivered.has_reasoning());
        Self { seam: Seam::new(mode, text), mode, takes_reasoning, account, before: text.len(), behind: 0 }
    }

    /// Whether everything is new by now.
    pub(crate) fn passed(&self) -> bool {
        self.seam.passed()
    }

    /// What of an event goes on.
    pub(crate) fn take(&mut self, event: StreamEvent) -> Result<[Option<StreamEvent>; 2], Diverged> {
        let StreamEvent { choice, what } = event;
        if choice != 0 {
            return Ok([None, None]);
        }
        let (first, second) = match what {
            Event::Start { model, .. } => (Some(Event::Start { id: None, model }), None),
            Event::Text(text) if self.passed() => (Some(Event::Text(text)), None),
            Event::Text(text) => (self.seam.text(&text)?.map(Event::Text), None),
            Event::Reasoning { .. } if !self.takes_reasoning => (None, None),
            Event::RawChoice(_) if !self.passed() => (None, None),
            Event::Usage(usage) => (Some(Event::Usage(self.for_client(&usage))), None),
            what @ (Event::ToolCall(_) | Event::Finish(_)) => (self.seam.end()?.map(Event::Text), Some(what)),
            what => (Some(what), None),
        };
        if let Some(Event::Text(text)) = &first {
            self.behind = self.behind.saturating_add(text.len());
            // From here on it is this upstream's answer.
            self.takes_reasoning = true;
        }
        let event = |what| StreamEvent { choice, what };
        Ok([first.map(event), second.map(event)])
    }

    /// What the client is told of these counts.
    pub(crate) fn for_client(&self, last: &Usage) -> Usage {
        self.account.for_client(self.mode, last, self.before, self.behind)
    }

    /// The account up to this stream, and the bytes of text that this stream's upstream wrote.
    pub(crate) fn into_account(self) -> (Account, usize) {
        let again = if self.mode == Mode::Restart { self.before } else { 0 };
        (self.account, self.behind.saturating_add(again))
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }
}
