//! The contract as code: one module per minor version of `wit/`, chosen once at load.

pub(crate) mod v0_1;
