//! Why a fault was not armed.

use super::MAX_ARMED;

/// Why a fault was not armed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// Nobody offers the kind.
    #[error("there is no kind of fault `{kind}`; known kinds: {}", known.join(", "))]
    UnknownKind {
        /// As asked for.
        kind: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The kind does not take the parameters.
    #[error("the parameters of `{kind}` have a problem at `{path}`: {message}")]
    Config {
        /// The kind.
        kind: String,
        /// JSON pointer.
        path: String,
        /// What is wrong.
        message: String,
        /// What to do.
        fix: Option<String>,
    },
    /// A member is out of range.
    #[error("`{member}` {message}")]
    Range {
        /// Which.
        member: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The component itself failed.
    #[error("the fault component failed: {0}")]
    Plugin(String),
    /// Too many.
    #[error("{limit} faults are armed already (of {MAX_ARMED} at most)")]
    Full {
        /// What the operator allows.
        limit: usize,
    },
}
