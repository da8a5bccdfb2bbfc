//! What the reference writes down: what it would tell watchers, and which rows of the table it went through.

use std::time::Duration;

use crate::note::{Circuit, Gate};
use crate::random::Random;

/// Something a watcher is told; targets are numbers here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Changed {
        target: usize,
        from: Circuit,
        to: Circuit,
        reason: &'static str,
        open_for: Option<Duration>,
        causes: Vec<u64>,
    },
    WouldOpen {
        target: usize,
        reason: &'static str,
        causes: Vec<u64>,
    },
    GateClosed {
        target: usize,
        gate: Gate,
        for_time: Duration,
        request: u64,
    },
}

macro_rules! rows {
    ($($(#[$doc:meta])* $row:ident,)*) => {
        /// Everything that can happen, one row each. `T` numbers are the design's transition table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Row { $($(#[$doc])* $row,)* }

        impl Row {
            pub(super) const ALL: &[Self] = &[$(Self::$row,)*];
        }
    };
}

rows! {
    /// T1
    ClosedAdmits,
    /// T2
    ClosedGood,
    StreamFinished,
    /// T3
    ClosedBadBelow,
    SoftFailure,
    /// T4, calls that failed before content.
    OpenedByStarts,
    /// Long enough for T4, but all of one request.
    RunOfOneRequest,
    /// T4, streams that broke.
    OpenedByStreams,
    /// T5
    OpenedByRate,
    /// T7
    ClosedNeutral,
    /// T8
    OpenRefuses,
    /// T9
    OpenTimeOver,
    /// T10
    ProbeAdmitted,
    /// T11
    HalfOpenRefuses,
    /// T12
    GoodProbe,
    /// T13
    ProbesClose,
    /// T14
    ProbeFailed,
    /// T14 for a probe that brought content and broke later.
    FormerProbeBroke,
    /// T15
    ProbeLost,
    /// T16
    ProbeNeutral,
    /// T17
    ProbeRateLimited,
    /// T18, good and bad.
    StaleGood,
    StaleBad,
    /// T18: no vote, but the provider's wish for rest is heard.
    StaleHintHeard,
    /// T19
    ForcedOpen,
    ForcedClosed,
    ForcedAgain,
    ForcedOpenRefuses,
    /// T20
    ForcedOpenExpired,
    ForcedOpenReleased,
    /// T21
    ForcedClosedExpired,
    ForcedClosedReleased,
    /// T22, by a run and by the rate.
    WouldOpenByRun,
    WouldOpenByRate,
    /// T23, from CLOSED and from elsewhere.
    ResetClosed,
    ResetOther,
    /// T24, in CLOSED and elsewhere; and with another window.
    ReloadClosed,
    ReloadOther,
    ReloadWindow,
    /// T25
    NewPluginWhileOpen,
    /// T26
    LastResortAdmitted,
    LastResortGood,
    LastResortBad,
    LastResortNeutral,
    LastResortHasNoVote,
    LastResortIsTheProbe,
    LastResortBesideProbe,
    LastResortWithoutCredit,
    LastResortMeetsGate,
    LastResortMeetsOperator,
    /// The open time is longer because the provider said so; because a late answer said so.
    HintExtends,
    OpeningForgiven,
    RampAdmits,
    RampRefuses,
    RampYields,
    /// Gates.
    RateHint,
    RateBackoff,
    RateBackoffDoubled,
    RateBurst,
    RateStorm,
    BackoffForgotten,
    QuotaClosed,
    CredentialClosed,
    MissingClosed,
    RateRefuses,
    QuotaRefuses,
    CredentialRefuses,
    MissingRefuses,
    SiblingRefused,
    /// Silence that is the target's fault, and that is not.
    SilenceCounts,
    SilenceTooShort,
}

/// Chance, and what was written.
pub(super) struct Book {
    pub(super) random: Random,
    pub(super) told: Vec<Told>,
    pub(super) hits: Vec<u32>,
}

impl Book {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::seeded(seed), told: Vec::new(), hits: vec![0; Row::ALL.len()] }
    }

    pub(super) fn hit(&mut self, row: Row) {
        self.hits[row as usize] += 1;
    }
}
