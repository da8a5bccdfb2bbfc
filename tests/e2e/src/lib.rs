//! The product from outside: a real gateway on loopback, simulated providers, recorded traffic.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "this crate is test support: it fails loudly, and serde_json's indexing gives null for what is missing"
)]

pub mod canary;
pub mod client;
mod collector;
pub mod components;
pub mod corpus;
mod desk;
pub mod kills;
pub mod matrix;
pub mod random;
pub mod reading;
pub mod recorded;
pub mod replay;
mod stage;
mod together;

pub use collector::{Collector, Span};
pub use desk::eventually;
pub use stage::{Stage, background, block_on, http_client};
pub use together::{Complaints, Verdict, all_of, together};
