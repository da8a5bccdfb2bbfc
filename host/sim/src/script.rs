//! What is sent when: an answer's events turned into steps, with the lane's pace and one fault worked in.

use std::time::Duration;

use bytes::Bytes;

use crate::ask::Framing;
use crate::dialect::{Event, Role, Wire};
use crate::fault::Kind;
use crate::trouble::{Code, Trouble};

/// One thing that a body does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// Sends these bytes again and again, waiting before each.
    Beat(Bytes, Duration),
    /// Sends so many bytes of nothing.
    Fill(u64),
    /// Silent until the client leaves.
    Silence,
    /// Breaks the body off: with a TCP reset, or with an orderly close where more was promised.
    Cut {
        reset: bool,
    },
}

/// How an answer is paced when no fault says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Before the first content.
    pub(crate) first_ms: u64,
    /// Between content events.
    pub(crate) each_ms: u64,
}

/// The events of an answer, and how they are framed; a plain answer has no framing.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) events: Vec<Event>,
    pub(crate) framing: Option<Framing>,
}

/// Events that a plain answer is taken to consist of.
const PLAIN_EVENTS: usize = 8;

impl Reply {
    /// A plain answer in equal parts, so that faults can strike within it.
    pub(crate) fn plain(body: &Bytes) -> Self {
        let size = body.len().div_ceil(PLAIN_EVENTS).max(1);
        let part = |part: &[u8]| Event { bytes: body.slice_ref(part), role: Role::Content };
        Self { events: body.chunks(size).map(part).collect(), framing: None }
    }

    /// The steps of this answer under a fault that strikes within the body; any other kind changes nothing.
    pub(crate) fn steps(self, fault: Option<&Kind>, pace: Pace, wire: &dyn Wire) -> Vec<Step> {
        let framing = self.framing.unwrap_or(Framing::Array);
        let mut script = Script { steps: Vec::with_capacity(self.events.len() + 2), content: 0 };
        let pace = match fault {
            Some(Kind::SlowFirstToken { ms }) => Pace { first_ms: *ms, ..pace },
            Some(Kind::Drip { ms_per_event }) => Pace { first_ms: *ms_per_event, each_ms: *ms_per_event },
            _ => pace,
        };
        match fault {
            Some(Kind::StallAfter { events, ms }) => {
                script.send(before(self.events, *events), pace);
                script.steps.extend(stall(*ms));
            }
            Some(Kind::CutAfter { events: Some(events), reset, .. }) => {
                script.send(before(self.events, *events), pace);
                script.steps.push(Step::Cut { reset: *reset });
            }
            Some(Kind::CutAfter { bytes, reset, .. }) => {
                script.send(self.events, pace);
                script.cut_at(bytes.unwrap_or_default());
                script.steps.push(Step::Cut { reset: *reset });
            }
            Some(Kind::CloseCleanAfter { events }) => script.send(before(self.events, *events), pace),
            Some(Kind::MalformedEvent { at }) => {
                let mut events = self.events;
                let broken = Event { bytes: wire.malformed(framing), role: Role::Frame };
                let place = nth_content(&events, at.saturating_sub(1)).unwrap_or(events.len());
                events.insert(place, broken);
                script.send(events, pace);
            }
            Some(Kind::NoTerminator {}) => {
                let kept = self.events.into_iter().filter(|event| event.role != Role::Terminator);
                script.send(kept.collect(), pace);
            }
            Some(Kind::ErrorEventAt { at, code }) => {
                let mut kept = before(self.events, *at);
                let word = code.as_deref().map_or(Code::Overloaded, Code::from_word);
                let bytes = wire.error_event(&Trouble::of(word), framing, kept.is_empty());
                kept.push(Event { bytes, role: Role::Frame });
                script.send(kept, pace);
            }
            Some(Kind::TruncatedJson {}) => {
                let events = truncated(self.events, self.framing);
                script.send(events, pace);
            }
            _ => script.send(self.events, pace),
        }
        script.steps
    }
}

/// Steps under construction.
struct Script {
    steps: Vec<Step>,
    content: u64,
}

impl Script {
    fn send(&mut self, events: Vec<Event>, pace: Pace) {
        for event in events {
            if event.role == Role::Content {
                let wait = if self.content == 0 { pace.first_ms } else { pace.each_ms };
                if wait > 0 {
                    self.steps.push(Step::Wait(Duration::from_millis(wait)));
                }
                self.content += 1;
            }
            self.steps.push(Step::Send(event.bytes));
        }
    }

    /// Keeps the first `bytes` of what is sent.
    fn cut_at(&mut self, bytes: u64) {
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        for step in &mut self.steps {
            if let Step::Send(piece) = step {
                piece.truncate(left);
                left = left.saturating_sub(piece.len());
            }
        }
        self.steps.retain(|step| !matches!(step, Step::Send(piece) if piece.is_empty()));
    }
}

fn stall(ms: Option<u64>) -> Vec<Step> {
    match ms {
        Some(ms) => vec![Step::Wait(Duration::from_millis(ms)), Step::Cut { reset: false }],
        None => vec![Step::Silence],
    }
}

/// Where the content event with this number, counted from 0, stands.
fn nth_content(events: &[Event], nth: u64) -> Option<usize> {
    let content = events.iter().enumerate().filter(|(_, event)| event.role == Role::Content);
    content.map(|(place, _)| place).nth(usize::try_from(nth).unwrap_or(usize::MAX))
}

/// Everything up to the first `count` content events. If there are not more than that, the end of the stream is left
/// out all the same: what strikes after the content must not let the finish reason through.
fn before(mut events: Vec<Event>, count: u64) -> Vec<Event> {
    let ending = |event: &Event| matches!(event.role, Role::Finish | Role::Terminator);
    let end = nth_content(&events, count).or_else(|| events.iter().position(ending)).unwrap_or(events.len());
    events.truncate(end);
    // Frame events right before the missing content (a block's start) would not have been sent either,
    // but those at the very start of the stream would.
    let content = events.iter().rposition(|event| event.role == Role::Content);
    if let Some(last) = content.filter(|_| count > 0) {
        events.truncate(last + 1);
    }
    events
}

/// The last content event stops in the middle and nothing follows.
fn truncated(mut events: Vec<Event>, framing: Option<Framing>) -> Vec<Event> {
    let last = events.iter().rposition(|event| event.role == Role::Content);
    events.truncate(last.map_or(0, |last| last + 1));
    if let Some(event) = events.last_mut() {
        let half = event.bytes.len() / 2;
        event.bytes.truncate(half);
        if framing == Some(Framing::Sse) {
            event.bytes = [event.bytes.as_ref(), b"\n\n"].concat().into();
        }
    }
    events
}

#[cfg(test)]
mod tests;
