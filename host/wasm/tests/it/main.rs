//! The promises of the plugin host, each with real components that try to break it.

mod adapter;
mod diagnostics;
mod isolation;
mod lifecycle;
mod others;
mod soak;
mod strikes;
mod support;
