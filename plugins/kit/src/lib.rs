//! What the plugins' own tests share: recorded traffic with the readings of the providers' own clients, a framer, and
//! readers of results. Nothing in here is compiled into a component.
//!
//! It fails loudly: it is test code, and a fixture that cannot be read is a broken test.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: failing loudly is its purpose"
)]

mod corpus;
mod drive;
mod framing;
mod reading;
mod whole;

pub use corpus::{Corpus, Exchange, Expected};
pub use drive::{check_exchange, check_splits, decode, decode_split, failure_of, sent, target};
pub use framing::frames;
pub use reading::{Call, Reading};
pub use whole::{body_of, completion_of, events_of, usage_of};
