//! The product from outside: a real gateway on loopback, simulated providers, recorded traffic.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "this crate is test support: it fails loudly, and serde_json's indexing gives null for what is missing"
)]

pub mod components;
pub mod corpus;
mod desk;
pub mod reading;
pub mod replay;
mod stage;

pub use desk::eventually;
pub use stage::{Stage, background, block_on};
