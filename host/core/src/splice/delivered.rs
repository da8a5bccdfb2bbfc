//! What a client has received of an answer so far, as far as going on with it is concerned.

use crate::event::Event;
use crate::protocol::Sink;

/// Beyond this much text no stream is spliced: it would have to be kept, and read by the next upstream.
const TEXT_CAP: usize = 1024 * 1024;

/// The delivered part of an answer with one choice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    text: String,
    /// Reasoning is part of it.
    reasoning: bool,
    /// Something is part of it that cannot be gone on with: a tool call, a provider's own tool, another choice.
    fixed: bool,
    too_long: bool,
}

/// A moment in a delivery, to go back to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    text: usize,
    reasoning: bool,
    fixed: bool,
}

impl Delivered {
    /// The text, if there is none beyond what is kept.
    pub(crate) fn text(&self) -> Option<&str> {
        (!self.too_long).then_some(self.text.as_str())
    }

    pub(crate) fn has_reasoning(&self) -> bool {
        self.reasoning
    }

    /// Whether another upstream could go on behind it.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.fixed && !self.too_long
    }

    /// Nothing can go on behind it any more.
    pub(crate) fn fix(&mut self) {
        self.fixed = true;
        self.text = String::new();
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { text: self.text.len(), reasoning: self.reasoning, fixed: self.fixed }
    }

    /// What came behind the mark was not delivered after all.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        (self.reasoning, self.fixed) = (mark.reasoning, mark.fixed);
    }

    /// Takes note of an event that is on its way to the client.
    pub(crate) fn note(&mut self, choice: u32, what: &Event) {
        match what {
            Event::Text(text) if choice == 0 => self.push(text),
            Event::Reasoning { .. } if choice == 0 => self.reasoning = true,
            what if what.is_content() => self.fixed = true,
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if self.fixed || self.too_long {
            return;
        }
        if self.text.len().saturating_add(text.len()) > TEXT_CAP {
            self.too_long = true;
            self.text = String::new();
            return;
        }
        self.text.push_str(text);
    }
}

impl Sink for Delivered {
    fn add(&mut self, choice: u32, what: impl FnOnce() -> Event) {
        self.note(choice, &what());
    }

    fn add_text(&mut self, choice: u32, inside: &str) {
        if choice != 0 || inside.contains('\\') {
            return self.add(choice, || Event::Text(crate::protocol::unescape(inside)));
        }
        self.push(inside);
    }
}
