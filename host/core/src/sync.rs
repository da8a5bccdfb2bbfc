//! Locks and atomics of what threads do to a target's health at the same time. The standard library's; under
//! `--cfg loom` those of a model checker, which tries every order of their operations (`cargo xtask loom`). Time, chance
//! and the gates stay on standard ones there: each is asked in one step, so no order of threads is missed that the
//! breaker could see.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64},
};
