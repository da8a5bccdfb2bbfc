//! What must never happen, one small checker each over the record of a simulation. None of them knows the core's inside:
//! they see what clients, providers and the observer saw.
//!
//! A checker that cannot fail is worth nothing, so each has a test that shows it a planted violation.

mod budget;
mod calls;
mod counting;
mod deadlines;
mod endings;
mod gates;
mod permits;
mod probes;
mod promise;
mod recovery;
#[cfg(test)]
pub(crate) mod story;
mod votes;

use crate::record::{Record, Violation};

/// One rule.
pub type Check = fn(&Record) -> Vec<Violation>;

/// Every rule by name.
pub const ALL: [(&str, Check); 10] = [
    ("one end", endings::check),
    ("counting", counting::check),
    ("deadlines", deadlines::check),
    ("gates", gates::check),
    ("permits", permits::check),
    ("one probe", probes::check),
    ("votes", votes::check),
    ("budget", budget::check),
    ("promise", promise::check),
    ("recovery", recovery::check),
];

/// Everything that is wrong with a record.
pub fn all(record: &Record) -> Vec<Violation> {
    ALL.iter().flat_map(|(_, check)| check(record)).collect()
}
