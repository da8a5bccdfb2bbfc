//! One break, and what the fallback makes of the beginning.

use seawall_e2e::random::Dice;
use seawall_sim::{Fault, Kind, Prefill};

/// Two texts: in one a doubled or missing piece shows at once, in the other words repeat, so that a beginning and its
/// continuation seem to overlap where they do not.
pub(super) const MODELS: [&str; 2] = ["count-30", "prose-30"];
const EVENTS: usize = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    Accepts,
    Refuses,
    Diverges,
    Repeats,
    Ignores,
}

impl Fallback {
    pub(super) const ALL: [Self; 5] =
        [Self::Accepts, Self::Refuses, Self::Diverges, Self::Repeats, Self::Ignores];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Accepts => "accepts",
            Self::Refuses => "refuses",
            Self::Diverges => "diverges",
            Self::Repeats => "repeats",
            Self::Ignores => "ignores",
        }
    }

    pub(super) fn prefill(self) -> Prefill {
        match self {
            Self::Accepts => Prefill::Accepts,
            Self::Refuses => Prefill::Refuses,
            Self::Diverges => Prefill::Diverges,
            Self::Repeats => Prefill::Repeats,
            Self::Ignores => Prefill::Ignores,
        }
    }

    /// What the operator says about it. Whoever words things differently does not claim to go on from a beginning;
    /// the one who refuses or ignores it is claimed to, wrongly.
    pub(super) fn declared(self) -> bool {
        self != Self::Diverges
    }
}

/// One stream that breaks.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) model: &'static str,
    pub(super) kind: Kind,
}

impl Case {
    /// Events and bytes in turn, so that a small sample has some of each; where, is chance.
    pub(super) fn thrown(model: &'static str, nth: usize, bytes: usize, dice: &mut Dice) -> Self {
        let events = dice.below(EVENTS + 1) as u64;
        let at = dice.below(bytes) as u64;
        let kind = match nth % 7 {
            0 => Kind::CutAfter { events: Some(events), bytes: None, reset: false },
            1 | 2 => Kind::CutAfter { events: None, bytes: Some(at), reset: false },
            3 => Kind::CutAfter { events: None, bytes: Some(at), reset: true },
            4 => Kind::StallAfter { events, ms: None },
            5 => Kind::CloseCleanAfter { events },
            _ => Kind::ErrorEventAt { at: events, code: None },
        };
        Self { model, kind }
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.model, serde_json::to_string(&self.kind).unwrap_or_default())
    }

    pub(super) fn fault(&self) -> Fault {
        self.kind.clone().into()
    }
}
