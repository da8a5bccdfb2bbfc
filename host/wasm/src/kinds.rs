//! The three kinds of plugins, each behind its port of the core.

pub(crate) mod adapter;
pub(crate) mod decoder;
pub(crate) mod fault;
pub(crate) mod policy;
