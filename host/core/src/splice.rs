//! Splices: when a stream breaks after content has gone to the client, another upstream goes on in the same stream.
//!
//! What the client has received is never retracted and never repeated. Three modes, from good to bad: *prefill* (the
//! next target is given the delivered text as the beginning of its answer), *restart* (it answers from the beginning,
//! and what equals the delivered text is dropped), *instruct* (it is asked to go on; opt-in). A splice that cannot be
//! verified as far as its mode allows is none: the stream ends in a typed error, without finish and terminator. Every
//! splice says so in the stream, in a member `seawall`.
//!
//! Never spliced: requests that asked for it (`x-seawall-strict`), requests whose repetition would do something twice,
//! streams with several choices, streams of which half a tool call has been delivered, and text beyond a cap.

mod account;
mod continuation;
mod delivered;
mod join;
mod label;
mod repeat;
mod seam;
#[cfg(test)]
mod tests;

pub(crate) use self::account::{Account, estimated_tokens};
pub(crate) use self::continuation::{Continuation, Next, may_be_spliced};
pub(crate) use self::delivered::{Delivered, Mark};
pub(crate) use self::join::{Join, Joint};
pub use self::label::{Mode, Splice};
pub(crate) use self::seam::split_blanks;
#[cfg(test)]
pub(crate) use self::seam::{Diverged, Seam};
