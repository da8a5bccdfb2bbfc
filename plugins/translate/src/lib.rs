//! For adapters of providers that do not speak chat completions: the client's chat body as types on the way in, a
//! provider's answer as events on the way out.
//!
//! One idea carries both adapters that stand on this: **a plain answer is a stream that came at once**. An adapter
//! turns a reply into the contract's stream events, whether it came whole or in pieces, and the host writes what its
//! client reads. Nothing is mapped twice.
//!
//! Nothing in here fails on strange input other than by a typed refusal that names the request member.

pub mod json;
pub mod media;
pub mod message;
pub mod opaque;
pub mod settings;
pub mod tool;

pub use json::Json;
