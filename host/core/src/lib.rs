//! Seawall's decisions, and nothing else: what a failure means, where a request goes next, when a target rests, how a
//! stream ends. This crate does no I/O, reads no clock but the one it is given, spawns nothing and knows no provider;
//! under paused time it is deterministic from one seed. What it needs from outside stands in [`ports`].

mod answer;
mod atomic;
mod attempt;
pub mod availability;
pub mod body;
pub mod breaker;
pub mod budget;
pub mod cascade;
pub mod class;
pub mod egress;
pub mod event;
pub mod experiment;
pub mod fault;
pub mod frame;
pub mod gate;
mod ledger;
pub mod note;
pub mod outlook;
pub mod ports;
pub mod protocol;
pub mod random;
mod reading;
pub mod record;
pub mod reply;
pub mod request;
pub mod route;
pub mod rule;
pub mod settings;
pub mod splice;
mod sync;
pub mod target;
pub mod targets;
#[cfg(test)]
mod testing;
pub mod trace;
