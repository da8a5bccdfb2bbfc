//! The promises of the plugin host, each with real components that try to break it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests may fail loudly, and these measure real time"
)]

mod adapter;
mod diagnostics;
mod isolation;
mod lifecycle;
mod logs;
mod others;
mod soak;
mod strikes;
mod support;
