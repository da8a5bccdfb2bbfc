//! Names: a provider is a configured account at an upstream, a target is one model behind it.

use std::fmt;
use std::sync::Arc;

/// Name of a configured provider, the part before the first slash of a target. Cheap to clone.
pub type ProviderName = Arc<str>;

/// (provider, upstream model): the thing that has a breaker, a latency history and capabilities.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId {
    /// The configured provider.
    pub provider: ProviderName,
    /// The model as the upstream knows it; may itself hold slashes.
    pub model: Arc<str>,
}

impl TargetId {
    /// A target from its two parts.
    pub fn new(provider: impl Into<Arc<str>>, model: impl Into<Arc<str>>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }

    /// Splits `provider/model` at the first slash; `None` when there is none or a part is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once('/')?;
        (!provider.is_empty() && !model.is_empty()).then(|| Self::new(provider, model))
    }

    /// `provider/model` in one allocation of its size: every answer carries it.
    pub fn text(&self) -> String {
        [&*self.provider, "/", &*self.model].concat()
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Plain: it is written for every request more than once.
        f.write_str(&self.provider)?;
        f.write_str("/")?;
        f.write_str(&self.model)
    }
}

impl fmt::Debug for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one model behind one provider can do, as its adapter and the operator declare it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read one at a time")]
pub struct Capabilities {
    /// Answers token by token.
    pub streams: bool,
    /// Takes tool definitions.
    pub tools: bool,
    /// Takes images.
    pub vision: bool,
    /// Obeys a JSON schema.
    pub json_schema: bool,
    /// Gives more than one choice in one answer.
    pub choices: bool,
    /// Continues an assistant message at the end of the conversation.
    pub continues_assistant_prefix: bool,
    /// Context window in tokens, if known.
    pub context_window: Option<u32>,
    /// US dollars for a million input tokens.
    pub input_price_per_1m: Option<f64>,
    /// US dollars for a million output tokens.
    pub output_price_per_1m: Option<f64>,
}

impl Default for Capabilities {
    /// What nearly every chat model can do; nothing is known about size and price.
    fn default() -> Self {
        Self {
            streams: true,
            tools: true,
            vision: true,
            json_schema: true,
            choices: true,
            continues_assistant_prefix: false,
            context_window: None,
            input_price_per_1m: None,
            output_price_per_1m: None,
        }
    }
}
