//! Environment variables as a value, so that reading a configuration is a function of its arguments.

use std::collections::BTreeMap;

/// Where variables come from.
#[derive(Clone, Debug)]
pub enum Environment {
    /// The process' own.
    Process,
    /// These and no others.
    Fixed(BTreeMap<String, String>),
    /// These first, then the process' own.
    Over(BTreeMap<String, String>),
}

impl Environment {
    /// These variables and no others.
    pub fn fixed<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Fixed(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A variable's value; an empty one counts as not set, as shells and compose files produce those by accident.
    pub fn get(&self, name: &str) -> Option<String> {
        let process = || std::env::var(name).ok();
        let value = match self {
            Self::Process => process(),
            Self::Fixed(pairs) => pairs.get(name).cloned(),
            Self::Over(pairs) => pairs.get(name).cloned().or_else(process),
        };
        value.filter(|value| !value.is_empty())
    }
}
