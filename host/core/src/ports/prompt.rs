//! Prompt templates: the operator's words around a client's system prompt, for models that need other instructions.

use std::fmt::{Debug, Display, Formatter};
use std::sync::Arc;

use crate::target::TargetId;

/// Which version of which template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateRef {
    /// As the operator named it.
    pub name: Arc<str>,
    /// Changes with its text: the beginning of a SHA-256, in hexadecimal digits.
    pub version: Arc<str>,
}

impl Display for TemplateRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// What a template is given.
#[derive(Clone, Copy, Debug)]
pub struct PromptFacts<'a> {
    /// Who is to answer.
    pub target: &'a TargetId,
    /// It stands in for a better one.
    pub degraded: bool,
    /// The client's own system prompt; empty if it sends none.
    pub system: &'a str,
}

/// Writes the system prompt of a target. Pure: the same facts give the same words.
pub trait PromptTemplate: Send + Sync + Debug {
    /// For the record.
    fn template(&self) -> &TemplateRef;

    /// The prompt; empty = none is sent. An `Err` says what is wrong, without quoting the client.
    fn render(&self, facts: &PromptFacts<'_>) -> Result<String, String>;
}
