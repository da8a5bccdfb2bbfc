//! What other circuit breakers promise in their own tests, in our words and against our breaker, one file for each
//! origin; and what none of them promises, in [`ours`]. Scripts are explained in `script`.
//!
//! Not here, and why:
//!
//! | origin | behaviour | reason |
//! |---|---|---|
//! | resilience4j | opens on the rate of slow calls | a slow target is left by routing, which knows who is faster; a breaker would take it from those who have nobody else |
//! | resilience4j | several permitted probes, longest time in half-open | one probe at a time; its lease is that time |
//! | resilience4j | automatic change after the wait, timers | nothing runs by itself: time is looked at with each question (see "a timer" below) |
//! | resilience4j | DISABLED, no events | forced closed is as harmless and tells what it would have done |
//! | resilience4j | jcstress suites | the interleaving tests, `cargo xtask loom` |
//! | Polly | hedging: losers, delays, whose error is told | no breaker decides that; the cascade's tests |
//! | failsafe-go | hedging by quantile, floor of a budget | the same |
//! | failsafe-go | breakers inside breakers | a target has one; the gates beside it are asked first (see `sentinel`) |
//! | linkerd2 | a slow but healthy probe reopens | slow within its lease is good enough to serve, and routing ranks it; slower is lost |
//! | linkerd2 | the end of the channel ends the task | there is no task |
//! | Finagle | retry budget, backup requests, a node without history is asked once | budgets and routing have their own tests |
//! | tower-resilience | a waiter wakes when a slot is free | nobody waits at a breaker: a refusal says when to come back |
//! | tower | hedge, retry, load shed, budgets | other modules |
//!
//! Of our own twelve, that probes are twins (no client waits for one) is the cascade's to show.

mod failsafe;
mod finagle;
mod linkerd;
mod ours;
mod polly;
mod resilience4j;
mod sentinel;
mod tower;

use super::script::{HALF, LEASE, OPEN, check, check_with, reason};
use super::stage::{self, Stage};
use super::*;
use crate::class::{Class, Failure, Scope};
use crate::note::Gate;
use crate::target::TargetId;

const S: fn(u64) -> Duration = Duration::from_secs;

fn id() -> TargetId {
    TargetId::new("p", "a")
}

fn server_error() -> Failure {
    Failure::new(Class::ServerError, "x")
}

fn limited(retry_after_s: Option<u64>, scope: Scope) -> Failure {
    Failure { scope, retry_after: retry_after_s.map(S), ..Failure::new(Class::RateLimited, "x") }
}

/// A stage whose target is open; the longest open time of a first opening is five seconds.
fn open_stage() -> Stage {
    let stage = Stage::new(3);
    for request in 0..3 {
        stage.acquire(&id(), request, stage::LEASE, true).unwrap().failed(&server_error());
    }
    assert_eq!(stage.state(&id()).circuit(), Circuit::Open);
    stage
}
