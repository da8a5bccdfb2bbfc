//! What may happen, and how often. Some steps are whole stories, so that short walks get far.

use std::time::Duration;

use proptest::prelude::*;

/// `p/a` and `p/b` share a credential, `q/a` has its own.
pub(super) const TARGETS: usize = 3;

/// How a call fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Server,
    Broken,
    Empty,
    FirstTokenTimeout,
    TotalTimeout,
    BadRequest,
    Missing,
    RateLimited { credential: bool },
    Quota { credential: bool },
    Auth { credential: bool },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Admin {
    ForceOpen { ttl_s: u64 },
    ForceClosed { ttl_s: u64 },
    Release,
    Reset,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Acquire {
        target: usize,
        only_one_left: bool,
        short_lease: bool,
        /// For the same request as the call before.
        again: bool,
    },
    LastResort {
        target: usize,
        /// Of so many resting targets.
        among: usize,
    },
    /// Calls are numbered round the ones under way.
    Content {
        call: usize,
    },
    Finish {
        call: usize,
    },
    Fail {
        call: usize,
        end: End,
        hint_s: Option<u64>,
    },
    Drop {
        call: usize,
    },
    Wait {
        ms: u64,
    },
    /// Until a call would pass, or a nanosecond less.
    WaitTurn {
        target: usize,
        early: bool,
    },
    Admin {
        target: usize,
        act: Admin,
    },
    NewPlugin {
        provider: usize,
    },
    Reload {
        strict: bool,
    },
    /// Whole calls one after the other.
    Calls {
        target: usize,
        ends: Vec<(bool, Option<End>)>,
    },
    /// Calls side by side that all end alike.
    Burst {
        target: usize,
        size: usize,
        end: End,
        hint_s: Option<u64>,
    },
    /// Waits its turn and probes until it is closed.
    Recover {
        target: usize,
    },
    /// One call when its turn comes.
    Probe {
        target: usize,
        content: bool,
        end: End,
    },
    /// A probe that never ends.
    LoseProbe {
        target: usize,
    },
    /// One request fails again and again.
    Insist {
        target: usize,
        size: usize,
    },
    /// Too few failures in a row, too many in all.
    Flaky {
        target: usize,
        soft: bool,
    },
    /// An operator forces, calls fail meanwhile, and it ends early or by itself.
    Drill {
        target: usize,
        open: bool,
        flaky: bool,
        release: bool,
    },
    /// Last resorts in a row.
    Despair {
        target: usize,
        pauses_ms: Vec<u64>,
    },
    /// Recovers and takes calls while traffic ramps up.
    Ramp {
        target: usize,
        pauses_ms: Vec<u64>,
    },
    /// Opens, recovers, stays healthy for a while, perhaps until an operator's drill, and opens again.
    Relapse {
        target: usize,
        healthy_s: u64,
        drill: bool,
    },
    /// Limited whenever it is asked.
    Limited {
        target: usize,
        credential: bool,
        times: usize,
    },
}

pub(super) fn walk() -> impl Strategy<Value = (u64, Vec<Step>)> {
    (any::<u64>(), prop::collection::vec(step(), 4..20))
}

fn target() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![6 => Just(0_usize), 2 => Just(1), 2 => Just(2)]
}

fn end() -> impl Strategy<Value = End> + Clone {
    let scoped = |make: fn(bool) -> End| any::<bool>().prop_map(make);
    prop_oneof![
        12 => Just(End::Server),
        4 => Just(End::Broken),
        4 => Just(End::Empty),
        2 => Just(End::FirstTokenTimeout),
        2 => Just(End::TotalTimeout),
        2 => Just(End::BadRequest),
        1 => Just(End::Missing),
        6 => scoped(|credential| End::RateLimited { credential }),
        1 => scoped(|credential| End::Quota { credential }),
        1 => scoped(|credential| End::Auth { credential }),
    ]
}

fn pauses(longest_ms: u64) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..longest_ms, 2..6)
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0..8_usize;
    let hint = || prop::option::weighted(0.25, 1..400_u64);
    let counted = prop_oneof![Just(End::Server), Just(End::Broken), Just(End::Empty)];
    let one = (any::<bool>(), prop::option::weighted(0.6, counted)).boxed();
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    let story = prop_oneof![
        5 => (target(), prop::collection::vec(one, 1..12)).prop_map(|(target, ends)| Step::Calls { target, ends }),
        4 => target().prop_map(|target| Step::Burst { target, size: 3, end: End::Server, hint_s: None }),
        3 => (target(), 2..9_usize, end(), hint())
            .prop_map(|(target, size, end, hint_s)| Step::Burst { target, size, end, hint_s }),
        2 => target().prop_map(|target| Step::Recover { target }),
        3 => (target(), any::<bool>(), end()).prop_map(|(target, content, end)| Step::Probe { target, content, end }),
        1 => target().prop_map(|target| Step::LoseProbe { target }),
        1 => (target(), any::<bool>()).prop_map(|(target, soft)| Step::Flaky { target, soft }),
        1 => (target(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(target, open, flaky, release)| Step::Drill { target, open, flaky, release }),
        1 => (target(), 2..6_usize).prop_map(|(target, size)| Step::Insist { target, size }),
        1 => (target(), prop::collection::vec(0..400_u64, 2..32)).prop_map(|(target, pauses_ms)| Step::Despair { target, pauses_ms }),
        1 => (target(), pauses(4_000)).prop_map(|(target, pauses_ms)| Step::Ramp { target, pauses_ms }),
        1 => (target(), 30..300_u64, any::<bool>())
            .prop_map(|(target, healthy_s, drill)| Step::Relapse { target, healthy_s, drill }),
        1 => (target(), any::<bool>(), 2..6_usize)
            .prop_map(|(target, credential, times)| Step::Limited { target, credential, times }),
    ];
    let time = prop_oneof![
        6 => (0..900_u64).prop_map(|ms| Step::Wait { ms }),
        4 => (900..6_000_u64).prop_map(|ms| Step::Wait { ms }),
        2 => (6_000..14_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (14_000..140_000_u64).prop_map(|ms| Step::Wait { ms }),
        6 => (target(), prop::bool::weighted(0.2)).prop_map(|(target, early)| Step::WaitTurn { target, early }),
    ];
    let act = prop_oneof![
        3 => (1..30_u64).prop_map(|ttl_s| Admin::ForceOpen { ttl_s }),
        3 => (1..60_u64).prop_map(|ttl_s| Admin::ForceClosed { ttl_s }),
        2 => Just(Admin::Release),
        2 => Just(Admin::Reset),
    ];
    let rare = prop_oneof![
        6 => (target(), act).prop_map(|(target, act)| Step::Admin { target, act }),
        2 => (0..2_usize).prop_map(|provider| Step::NewPlugin { provider }),
        1 => any::<bool>().prop_map(|strict| Step::Reload { strict }),
    ];
    let plain = prop_oneof![
        12 => (target(), flags).prop_map(|(target, (only_one_left, short_lease, again))| {
            Step::Acquire { target, only_one_left, short_lease, again }
        }),
        4 => (target(), 1..4_usize).prop_map(|(target, among)| Step::LastResort { target, among }),
        5 => call.clone().prop_map(|call| Step::Content { call }),
        3 => call.clone().prop_map(|call| Step::Finish { call }),
        9 => (call.clone(), end(), hint()).prop_map(|(call, end, hint_s)| Step::Fail { call, end, hint_s }),
        3 => call.prop_map(|call| Step::Drop { call }),
    ];
    // Boxed, or moving the generator's own trees about would take most of the time.
    prop_oneof![36 => plain.boxed(), 12 => story.boxed(), 10 => time.boxed(), 3 => rare.boxed()].boxed()
}

/// Leases of calls.
pub(super) fn lease(short: bool) -> Duration {
    Duration::from_secs(if short { 3 } else { 11 })
}
