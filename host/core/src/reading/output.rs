//! The way from a reading to its client: units are held, and what has been delivered is remembered.

use bytes::Bytes;

use crate::atomic::Hold;
use crate::event::Event;
use crate::protocol::{Place, Sink, Writer};
use crate::splice::{Delivered, Mark};

/// What stands between a reading and its client.
pub(super) struct Output {
    pub(super) hold: Hold,
    /// Kept only for streams that may be spliced.
    pub(super) delivered: Option<Delivered>,
    /// Where the unit began that is held.
    pub(super) back: Option<Back>,
    /// The first relayed event with content, or until it has come the last one without: it names the answer.
    pub(super) opening: Option<Bytes>,
    /// `opening` has content.
    pub(super) opened: bool,
}

/// A moment before a unit that was not delivered.
pub(super) struct Back {
    pub(super) moment: Moment,
    /// As it was then; where events are written rather than relayed.
    pub(super) writer: Option<Writer>,
}

/// Where a stream stood.
#[derive(Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) mark: Mark,
    pub(super) place: Place,
    /// Something had gone out.
    pub(super) begun: bool,
}

impl Output {
    pub(super) fn moment(&self, place: Place) -> Moment {
        let mark = self.delivered.as_ref().map(Delivered::mark).unwrap_or_default();
        Moment { mark, place, begun: self.opening.is_some() }
    }

    /// Nothing can go on behind what has been delivered now.
    pub(super) fn fix(&mut self) {
        if let Some(delivered) = &mut self.delivered {
            delivered.fix();
        }
    }

    /// An event was relayed.
    pub(super) fn relayed(&mut self, data: &Bytes, content: bool) {
        if !self.opened {
            self.opening = Some(data.clone());
            self.opened = content;
        }
    }

    pub(super) fn note(&mut self, choice: u32, what: &Event) {
        self.hold.note(choice, what);
        if let Some(delivered) = &mut self.delivered {
            delivered.note(choice, what);
        }
    }
}

/// Relays see what they pass on through this.
impl Sink for Output {
    fn add(&mut self, choice: u32, what: impl FnOnce() -> Event) {
        self.note(choice, &what());
    }

    fn add_text(&mut self, choice: u32, inside: &str) {
        if self.hold.reads_text() {
            return self.add(choice, || Event::Text(crate::protocol::unescape(inside)));
        }
        if let Some(delivered) = &mut self.delivered {
            delivered.add_text(choice, inside);
        }
    }
}
