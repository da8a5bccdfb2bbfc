//! What a request asks for, free of any dialect. Each dialect reads its own body into this.

use serde_json::Value;

use crate::answer::text::prompt_tokens;

/// How a stream is framed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Framing {
    /// `data: ...` lines with a blank line after each event.
    Sse,
    /// One JSON array whose elements arrive over time.
    Array,
}

/// A function that the caller offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Named(String),
}

/// The form in which the text of the answer is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Shape {
    #[default]
    Text,
    /// Any JSON object.
    Object,
    /// JSON that is valid against this schema.
    Schema(Value),
}

/// Whether the model thinks, and whether the caller sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reasoning {
    #[default]
    Off,
    /// Counted in the usage only.
    Hidden,
    Shown,
}

/// One turn of the conversation, reduced to what an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    System(String),
    User(String),
    Assistant(String),
    /// The assistant called tools.
    Called,
    ToolResult(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) model: String,
    /// None: one plain answer.
    pub(crate) stream: Option<Framing>,
    /// The caller wants the extra usage chunk.
    pub(crate) include_usage: bool,
    /// The last thing the user said.
    pub(crate) user: String,
    /// The conversation ends with this beginning of an assistant's answer.
    pub(crate) prefix: Option<String>,
    /// The conversation ends with this result of a tool.
    pub(crate) tool_result: Option<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    /// Several tool calls at once are allowed.
    pub(crate) parallel: bool,
    pub(crate) shape: Shape,
    pub(crate) reasoning: Reasoning,
    pub(crate) choices: usize,
    pub(crate) stops: Vec<String>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) prompt_tokens: usize,
}

impl Ask {
    /// The most alternatives that one request may ask for.
    pub(crate) const MOST_CHOICES: usize = 16;

    pub(crate) fn new(model: impl Into<String>, conversation: Vec<Said>) -> Self {
        let prompt_tokens = conversation.iter().map(|said| prompt_tokens(said.text())).sum();
        let user = conversation.iter().rev().find_map(|said| match said {
            Said::User(text) => Some(text.clone()),
            _ => None,
        });
        let (prefix, tool_result) = match conversation.into_iter().next_back() {
            Some(Said::Assistant(text)) => (Some(text), None),
            Some(Said::ToolResult(text)) => (None, Some(text)),
            _ => (None, None),
        };
        Self {
            model: model.into(),
            stream: None,
            include_usage: false,
            user: user.unwrap_or_default(),
            prefix,
            tool_result,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel: true,
            shape: Shape::Text,
            reasoning: Reasoning::Off,
            choices: 1,
            stops: Vec::new(),
            max_tokens: None,
            prompt_tokens,
        }
    }
}

impl Said {
    fn text(&self) -> &str {
        match self {
            Self::System(text) | Self::User(text) | Self::Assistant(text) | Self::ToolResult(text) => text,
            Self::Called => "",
        }
    }
}

/// A JSON array's strings; anything else in it is left out.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A JSON number as a count; a negative, fractional or absurd one is none.
pub(crate) fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}
