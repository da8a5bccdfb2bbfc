//! What an operator can set about resilience, already resolved: no optional soup, every value valid.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::PromptTemplate;
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
    /// What is done for streams that break.
    pub streams: StreamSettings,
    /// What counts as slow.
    pub slo: Slo,
    /// Streamed requests: until the client has content, from whichever target. 20 s; a single attempt that may take
    /// longer raises it.
    pub first_token_budget: Duration,
    /// Who finds out whether a target that rested is well again.
    pub probe: Probe,
    /// Whether a late call may be doubled on another target.
    pub hedge: bool,
}

impl Alias {
    /// An alias as it is unless its operator says otherwise.
    pub fn new(name: impl Into<Arc<str>>, targets: Vec<AliasTarget>) -> Self {
        Self {
            name: name.into(),
            targets,
            timeouts: Timeouts::default(),
            policy: None,
            reroute_content_filter: false,
            report_alias: false,
            streams: StreamSettings::default(),
            slo: Slo::default(),
            first_token_budget: Duration::from_secs(20),
            probe: Probe::default(),
            hedge: true,
        }
    }
}

/// What counts as slow. Targets that are expected to take longer are passed over for those that are not, and a late call
/// is doubled no later than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slo {
    /// Streamed: until the first content.
    pub first_token: Duration,
    /// Plain: until the answer is complete.
    pub answer: Duration,
}

impl Default for Slo {
    /// A conversation feels broken after 2.5 s; a whole answer of usual length has come after 20 s.
    fn default() -> Self {
        Self { first_token: Duration::from_millis(2_500), answer: Duration::from_secs(20) }
    }
}

/// Who finds out whether a target that rested is well again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Probe {
    /// A hidden copy of a request that another target serves: no client waits for a target that may still be dead. Where
    /// no other target can serve, the request itself.
    #[default]
    Twin,
    /// The next request in its turn. Costs no extra call; its client waits if the target is still dead.
    Request,
}

/// What is done for streams that break after content has gone to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// What clients get only whole.
    pub atomic: Atomic,
    /// A target that can do so continues the delivered text.
    pub prefill: bool,
    /// Another target answers from the beginning; what equals the delivered text is dropped.
    pub restart: bool,
    /// Where nothing better is possible, another target may be asked in words to go on.
    pub instruct: bool,
}

impl Default for StreamSettings {
    /// What can be verified is on; words are a last resort that the operator has to want.
    fn default() -> Self {
        Self { atomic: Atomic::default(), prefill: true, restart: true, instruct: false }
    }
}

/// What is held until it is whole, so that a broken one can be written again by another target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Atomic {
    /// Nothing.
    Off,
    /// Tool calls and signed reasoning.
    #[default]
    Tools,
    /// These, and answers that were asked for as JSON.
    ToolsAndJson,
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
    /// Instead of the alias' limit for streamed attempts; for models that reason in silence.
    pub first_token: Option<Duration>,
    /// Instead of the alias' limit for plain attempts.
    pub answer: Option<Duration>,
    /// What this target shares its fate with (a vendor, a cloud region). Empty: its provider's name.
    pub domains: Vec<Arc<str>>,
    /// Number of the pool of equal deployments that it belongs to.
    pub pool: Option<usize>,
    /// Writes its system prompt; none = the client's own is sent.
    pub prompt: Option<Arc<dyn PromptTemplate>>,
}

impl AliasTarget {
    /// A target as it is unless its operator says otherwise.
    pub fn new(id: TargetId) -> Self {
        Self {
            id,
            weight: 1.0,
            overrides: None,
            first_token: None,
            answer: None,
            domains: Vec::new(),
            pool: None,
            prompt: None,
        }
    }

    /// Whether the same cause is likely to fail both.
    pub fn shares_domain(&self, other: &Self) -> bool {
        self.shared_domains(other).next().is_some()
    }

    /// What both share their fate with.
    pub fn shared_domains<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<str>> {
        self.domains().filter(|domain| other.domains().any(|theirs| theirs == *domain))
    }

    /// Whether both are deployments of one pool.
    pub fn equals(&self, other: &Self) -> bool {
        self.pool.is_some() && self.pool == other.pool
    }

    /// What it shares its fate with; of a target without any, its provider's name.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<str>> {
        let default = self.domains.is_empty().then_some(&self.id.provider);
        self.domains.iter().chain(default)
    }
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
