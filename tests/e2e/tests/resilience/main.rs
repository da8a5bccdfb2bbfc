//! What the resilience core promises, over real sockets: the gateway as it is started, simulated providers that
//! misbehave, clients that believe nothing. What the upstreams were asked comes from the simulator's own log.
//!
//! One binary, so that the suites run beside each other: most of their time is waiting for somebody's timer.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

mod crash_scenarios;
mod cuts;
mod fault_matrix;
