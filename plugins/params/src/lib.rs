//! Parameters that operators give to plugins and faults: read with diagnostics, described as JSON Schema, drawn from.
//!
//! Components and the gateway's own faults share it, so that the same parameters mean the same everywhere and a schema
//! cannot drift from its reader. Nothing in here reads a clock or a random source: draws follow from their seed.

pub mod delay;
pub mod kinds;
mod nearest;
pub mod options;
pub mod random;

pub use nearest::nearest;
