//! What a splice says about itself.

use serde::Serialize;

use crate::protocol::Labels;
use crate::reply::Degraded;
use crate::target::TargetId;

/// How an upstream went on where another broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It was given the delivered text as the beginning of its answer.
    Prefill,
    /// It answered from the beginning, and its text equalled the delivered text as far as that went.
    Restart,
    /// It was asked in words to go on.
    Instruct,
}

impl Mode {
    /// Label for logs, metrics and clients.
    pub fn label(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Restart => "restart",
            Self::Instruct => "instruct",
        }
    }
}

/// One splice of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Who broke off.
    pub from: TargetId,
    /// Who went on.
    pub to: TargetId,
    /// Characters of text that the client had by then.
    pub at_char: usize,
    /// How.
    pub mode: Mode,
}

#[derive(Serialize)]
struct Label<'a> {
    splice: Said<'a>,
    #[serde(flatten)]
    end: Option<End>,
}

#[derive(Serialize)]
struct Said<'a> {
    from: &'a str,
    to: &'a str,
    at_char: usize,
    mode: &'static str,
}

/// What only the end of a stream can tell.
#[derive(Clone, Copy, Serialize)]
struct End {
    attempts: u32,
    degraded: &'static str,
    /// Whether the usage beside it was counted by one upstream, or put together with an estimate.
    usage: &'static str,
}

impl Splice {
    /// The members `seawall` of the first event behind the splice, and of the event that tells usage.
    pub(crate) fn labels(&self, attempts: u32, degraded: Degraded) -> Labels {
        let usage = match self.mode {
            Mode::Restart => "counted",
            Mode::Prefill | Mode::Instruct => "estimated",
        };
        let end = End { attempts, degraded: degraded.label(), usage };
        Labels { first: self.label(None), last: self.label(Some(end)) }
    }

    fn label(&self, end: Option<End>) -> Option<String> {
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let splice = Said { from: &from, to: &to, at_char: self.at_char, mode: self.mode.label() };
        serde_json::to_string(&Label { splice, end }).ok()
    }
}
