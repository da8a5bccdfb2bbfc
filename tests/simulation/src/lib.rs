//! The whole core in virtual time: simulated providers, clients and an operator around the real cascade, its breakers,
//! gates and budgets, on one thread and from one seed. What takes ten minutes outside takes a fraction of a second here,
//! and the same seed gives the same history, event for event.
//!
//! Four uses of it: [`random`] worlds that are checked against [`checks`] (what must never happen), the [`routing`]
//! scenarios with their table of figures, [`storm`]s, and the trial of the [`availability`] formulas. See the README
//! beside this crate for how to replay a failure.

mod adapter;
mod answer;
pub mod availability;
mod call;
pub mod checks;
pub mod client;
pub mod dice;
pub mod engine;
mod fate;
pub mod heard;
pub mod log;
pub mod order;
pub mod phases;
pub mod provider;
pub mod random;
pub mod record;
pub mod routing;
pub mod speech;
pub mod storm;
pub mod suites;
pub mod upstream;
pub mod world;
