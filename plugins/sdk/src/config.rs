//! The operator's settings for a plugin: JSON in, values and problems at JSON pointers out.

pub use seawall_params::options::{Finding, escape};

pub use crate::bindings::adapter::seawall::plugin::types::ConfigProblem;

/// Reads an object member by member and collects every problem; see [`seawall_params::options::Options`].
pub type Options = seawall_params::options::Options<ConfigProblem>;

impl Finding for ConfigProblem {
    fn found(path: String, message: String, fix: Option<String>) -> Self {
        Self { path, message, fix }
    }
}

/// A problem at a JSON pointer ("" is the whole).
pub fn problem(path: impl Into<String>, message: impl Into<String>, fix: Option<String>) -> ConfigProblem {
    ConfigProblem { path: path.into(), message: message.into(), fix }
}

/// All problems in one line, for errors that are text.
pub fn summary(problems: &[ConfigProblem]) -> String {
    let lines = problems.iter().map(|p| match p.path.as_str() {
        "" => p.message.clone(),
        path => format!("{path}: {}", p.message),
    });
    lines.collect::<Vec<_>>().join("; ")
}
