//! The outlook on a target: how long its next call will take, judged by the calls that ended and by those that wait.
//!
//! Streamed calls are judged by the time to their first content, plain ones by the time of their whole answer; these are
//! different histories of one target. Times are divided by the request's [`SizeFactor`], so that a few long prompts do
//! not make a target look slow.

/// Which history a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Judged by its first content.
    Streamed,
    /// Judged by its whole answer.
    Plain,
}

impl CallKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Streamed, Self::Plain];

    /// Label for the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::Plain => "plain",
        }
    }
}

/// How much longer a request takes than a small one, because its prompt is larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeFactor(f64);

impl SizeFactor {
    /// A small request.
    pub const ONE: Self = Self(1.0);

    /// Of a prompt of this estimated size: one more for every 4096 tokens.
    pub fn of_tokens(tokens: u32) -> Self {
        const TOKENS_A_UNIT: f64 = 4_096.0;
        Self(1.0 + f64::from(tokens) / TOKENS_A_UNIT)
    }

    /// At least 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What is expected of the next call of one kind. Times are seconds of a request of size 1: multiply by the request's
/// [`SizeFactor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// What candidates are compared by: the time within which nine of ten calls start, ten seconds from now, plus a price
    /// for failures.
    pub score_s: f64,
    /// Half of the calls take no longer.
    pub p50_s: f64,
    /// 95 of 100 calls take no longer.
    pub p95_s: f64,
    /// 99 of 100 calls take no longer.
    pub q99_s: f64,
    /// So many waiting calls are late that those under way are better doubled elsewhere.
    pub suspect: bool,
    /// How many calls that rests on, at most 200. Without any the times are a guess.
    pub samples: u32,
}

impl Forecast {
    /// Before the first call. Good enough to be preferred, so that a target without history is tried in its turn.
    pub(crate) fn blank(kind: CallKind) -> Self {
        let (score_s, p50_s, p95_s, q99_s) = match kind {
            CallKind::Streamed => (1.9, 1.0, 2.3, 3.2),
            CallKind::Plain => (15.2, 8.0, 18.3, 25.6),
        };
        Self { score_s, p50_s, p95_s, q99_s, suspect: false, samples: 0 }
    }
}
