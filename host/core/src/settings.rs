//! What an operator can set about resilience, already resolved: no optional soup, every value valid.

use std::sync::Arc;
use std::time::Duration;

use crate::target::{Capabilities, TargetId};

/// Time limits of one alias. Attempt limits are ceilings, the total is the request's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS.
    pub connect: Duration,
    /// Streamed attempts: until the first content.
    pub first_token: Duration,
    /// Plain attempts: until the answer is complete.
    pub answer: Duration,
    /// Silence after content; comments and pings do not count as a sign of life.
    pub stall: Duration,
    /// The whole request.
    pub total: Duration,
}

impl Default for Timeouts {
    /// Ceilings of the design: reasoning models may need more, an operator says so per alias.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(15),
            total: Duration::from_secs(120),
        }
    }
}

/// One model name that clients use, and where it leads.
#[derive(Clone, Debug)]
pub struct Alias {
    /// As clients name it.
    pub name: Arc<str>,
    /// Targets in the order of the operator's wish; never empty.
    pub targets: Vec<AliasTarget>,
    /// Its time limits.
    pub timeouts: Timeouts,
    /// A policy component by id, with its configuration as JSON; none = configured order.
    pub policy: Option<PolicyChoice>,
    /// Whether a refusal by policy may be routed around.
    pub reroute_content_filter: bool,
    /// Report the alias instead of the upstream model in answers.
    pub report_alias: bool,
}

/// One target of an alias.
#[derive(Clone, Debug)]
pub struct AliasTarget {
    /// Where.
    pub id: TargetId,
    /// For weighted policies; 1.0 unless given.
    pub weight: f64,
    /// What the operator knows better than the adapter.
    pub overrides: Option<Arc<CapabilityOverrides>>,
}

/// The operator's word on one model; what is `None` stays as the adapter says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapabilityOverrides {
    /// Answers token by token.
    pub streams: Option<bool>,
    /// Takes tool definitions.
    pub tools: Option<bool>,
    /// Takes images.
    pub vision: Option<bool>,
    /// Obeys a JSON schema.
    pub json_schema: Option<bool>,
    /// Gives more than one choice in one answer.
    pub choices: Option<bool>,
    /// Continues an assistant message at the end of the conversation.
    pub continues_assistant_prefix: Option<bool>,
    /// Context window in tokens.
    pub context_window: Option<u32>,
    /// US dollars for a million input tokens.
    pub input_price_per_1m: Option<f64>,
    /// US dollars for a million output tokens.
    pub output_price_per_1m: Option<f64>,
}

impl CapabilityOverrides {
    /// What the adapter says, corrected.
    #[must_use]
    pub fn apply(&self, base: &Capabilities) -> Capabilities {
        Capabilities {
            streams: self.streams.unwrap_or(base.streams),
            tools: self.tools.unwrap_or(base.tools),
            vision: self.vision.unwrap_or(base.vision),
            json_schema: self.json_schema.unwrap_or(base.json_schema),
            choices: self.choices.unwrap_or(base.choices),
            continues_assistant_prefix: self
                .continues_assistant_prefix
                .unwrap_or(base.continues_assistant_prefix),
            context_window: self.context_window.or(base.context_window),
            input_price_per_1m: self.input_price_per_1m.or(base.input_price_per_1m),
            output_price_per_1m: self.output_price_per_1m.or(base.output_price_per_1m),
        }
    }
}

/// A policy component and its settings.
#[derive(Clone, Debug)]
pub struct PolicyChoice {
    /// Plugin id.
    pub plugin: Arc<str>,
    /// Its configuration as JSON text.
    pub config: Arc<str>,
}
