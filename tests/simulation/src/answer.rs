//! The steps of one answer, whole or spoilt.

use std::collections::VecDeque;

use crate::call::Step;
use crate::fate::fixed;
use crate::provider::Fault;
use crate::speech::{self, COMMENT, DONE, GARBAGE, Voice};

/// Which numbers are said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// The first.
    pub(crate) from: u32,
    /// The last of the right answer.
    pub(crate) last: u32,
    /// The last before a fault that needs some content first.
    pub(crate) breaks_after: u32,
}

/// An answer about to be given.
pub(crate) struct Answer<'a> {
    pub(crate) voice: &'a Voice,
    pub(crate) fault: Option<Fault>,
    pub(crate) part: Part,
    /// Between two numbers, in seconds.
    pub(crate) gap_s: f64,
    pub(crate) usage: bool,
}

impl Answer<'_> {
    /// As events; content begins after `first_s`.
    pub(crate) fn stream(&self, first_s: f64) -> VecDeque<Step> {
        let Part { from, last, breaks_after } = self.part;
        let mut steps = VecDeque::with_capacity(2 * last.saturating_sub(from) as usize + 8);
        steps.push_back(Step::Send(self.voice.role()));
        steps.push_back(Step::Wait(first_s));
        let early: &[Step] = match self.fault {
            Some(Fault::SilentStart) => &[Step::Stall],
            Some(Fault::Drip) => &[Step::Drip],
            Some(Fault::EarlyError) => &[Step::Send(speech::error_event("overloaded"))],
            Some(Fault::EarlyCut) => &[Step::Break],
            Some(Fault::Empty) => &[Step::Send(self.voice.finish()), Step::Send(fixed(DONE))],
            _ => &[],
        };
        if !early.is_empty() {
            steps.extend(early.iter().cloned());
            return steps;
        }
        let said = match self.fault {
            Some(Fault::Cut | Fault::Short | Fault::Stall | Fault::LateError) => breaks_after.min(last),
            _ => last,
        };
        for number in from..=said {
            if number > from {
                steps.push_back(Step::Wait(self.gap_s));
                steps.push_back(Step::Send(self.voice.number(number)));
            } else {
                steps.push_back(Step::First(self.voice.number(number)));
            }
            if self.fault == Some(Fault::Garbage) && number == breaks_after {
                steps.push_back(Step::Send(fixed(GARBAGE)));
            }
        }
        steps.push_back(Step::Wait(self.gap_s));
        match self.fault {
            Some(Fault::Cut) => steps.push_back(Step::Break),
            Some(Fault::Short) => {}
            Some(Fault::Stall) => steps.extend([Step::Send(fixed(COMMENT)), Step::Stall]),
            Some(Fault::LateError) => steps.push_back(Step::Send(speech::error_event("server_error"))),
            _ => self.end(&mut steps),
        }
        steps
    }

    /// Finish reason, usage, terminator; a finish alone is content too when the answer had nothing left to say.
    fn end(&self, steps: &mut VecDeque<Step>) {
        let Part { from, last, .. } = self.part;
        steps.push_back(Step::Send(self.voice.finish()));
        if self.usage {
            steps.push_back(Step::Send(self.voice.usage(last.saturating_add(1).saturating_sub(from))));
        }
        if self.fault != Some(Fault::NoTerminator) {
            steps.push_back(Step::Send(fixed(DONE)));
        }
    }

    /// As one document; the numbers take as long as they would in a stream.
    pub(crate) fn document(&self) -> VecDeque<Step> {
        let Part { from, last, .. } = self.part;
        let whole = self.voice.document(from, last);
        let spoken = Step::Wait(self.gap_s * f64::from(last.saturating_sub(from)));
        match self.fault {
            Some(Fault::SilentStart | Fault::Drip | Fault::Stall) => [spoken, Step::Stall].into(),
            Some(Fault::EarlyError | Fault::LateError) => [Step::Send(speech::error("overloaded"))].into(),
            Some(Fault::EarlyCut | Fault::Cut) => [spoken, Step::Send(whole.slice(..20)), Step::Break].into(),
            Some(Fault::Short) => [spoken, Step::Send(whole.slice(..20))].into(),
            Some(Fault::Empty) => [Step::Send(self.voice.document(1, 0))].into(),
            _ => [spoken, Step::First(whole)].into(),
        }
    }
}
