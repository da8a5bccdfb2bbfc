//! What is known of models, as a small table in the adapter: size, abilities, prices.

use crate::adapter::Capabilities;
use crate::chat;

/// One model, or a family that shares everything said here.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The model's name, or the beginning of it up to a dash, a colon or a dot.
    pub name: &'static str,
    /// In tokens.
    pub context_window: u32,
    /// US dollars for a million input tokens.
    pub input_price: f64,
    /// US dollars for a million output tokens.
    pub output_price: f64,
    /// What it can do beyond text and streams.
    pub can: &'static [Can],
}

/// What not every model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// Call tools.
    Tools,
    /// See images.
    Vision,
    /// Keep to a JSON schema.
    Schema,
    /// Give several choices.
    Choices,
    /// Continue an assistant message at the end of the conversation.
    Prefix,
}

/// The entry with the longest name that `model` is or begins with. A name matches up to its end or a `-`, `:` or `@`,
/// so that `gpt-5` does not speak for `gpt-5.9`.
pub fn find<'a>(table: &'a [Known], model: &str) -> Option<&'a Known> {
    let fits = |known: &&Known| {
        let rest = model.strip_prefix(known.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':', '@']))
    };
    table.iter().filter(fits).max_by_key(|known| known.name.len())
}

/// Capabilities by the table; a model that is not in it gets [`chat::capabilities`].
pub fn capabilities(table: &[Known], model: &str) -> Capabilities {
    find(table, model).map_or_else(chat::capabilities, Known::capabilities)
}

impl Known {
    /// As the contract wants them.
    pub fn capabilities(&self) -> Capabilities {
        let can = |ability| self.can.contains(&ability);
        Capabilities {
            streams: true,
            tools: can(Can::Tools),
            vision: can(Can::Vision),
            json_schema: can(Can::Schema),
            choices: can(Can::Choices),
            continues_assistant_prefix: can(Can::Prefix),
            context_window: Some(self.context_window),
            input_price_per_1m: Some(self.input_price),
            output_price_per_1m: Some(self.output_price),
        }
    }
}
