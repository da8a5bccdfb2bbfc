//! One upstream call, as the record keeps it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::class::{Class, Failure};
use crate::event::Usage;
use crate::ports::{PluginRef, TemplateRef};
use crate::target::{Capabilities, TargetId};

/// In characters: a provider's own error code is a word or two.
const LONGEST_CODE: usize = 64;

/// One upstream call.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Which target.
    pub target: TargetId,
    /// The version of the adapter that spoke with it.
    pub adapter: PluginRef,
    /// The template that its system prompt was written with.
    pub template: Option<TemplateRef>,
    /// What for.
    pub purpose: Purpose,
    /// It carried a half-open probe.
    pub probe: bool,
    /// When it began, from the request's start.
    pub began: Duration,
    /// When its first content was there (streamed) or its answer (plain), from its own beginning.
    pub first_content: Option<Duration>,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub end: End,
    /// Its tokens as the upstream counted them.
    pub tokens: Option<Usage>,
    /// What they cost.
    pub price: Price,
    /// What chaos did to it, where anything was armed when it began.
    pub injection: Option<Injection>,
}

/// What a call was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It was the target's turn.
    Turn,
    /// Once more at once, after a failure that may be over.
    Retry,
    /// Beside a late call.
    Hedge,
    /// Beside a late call to a target that is suspect.
    Rescue,
    /// To go on in a stream that broke.
    Splice,
    /// A hidden copy that no client waits for, and why it was made.
    Twin(&'static str),
}

impl Purpose {
    /// Label for logs and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::Rescue => "rescue",
            Self::Splice => "splice",
            Self::Twin(_) => "twin",
        }
    }

    /// Why a hidden copy was made, low-cardinality.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Twin(reason) => Some(reason),
            Self::Turn | Self::Retry | Self::Hedge | Self::Rescue | Self::Splice => None,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Under way.
    Open,
    /// With its answer, or with the part of it that was wanted.
    Answered,
    /// With a failure.
    Failed(Box<Broke>),
    /// Another call had content first.
    Outrun,
    /// Nobody waited for it any more, or what it said was no use.
    GivenUp,
}

impl End {
    /// Label for logs and the API.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Failed(_) => "failed",
            Self::Outrun => "outrun",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is kept of a failure: what decides, not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broke {
    /// What it means.
    pub class: Class,
    /// The upstream's status.
    pub status: Option<u16>,
    /// The provider's own code, cut short.
    pub code: Option<String>,
}

impl From<&Failure> for Broke {
    fn from(failure: &Failure) -> Self {
        let code = failure.code.as_deref().map(|code| code.chars().take(LONGEST_CODE).collect());
        Self { class: failure.class, status: failure.status, code }
    }
}

impl From<&Failure> for End {
    fn from(failure: &Failure) -> Self {
        Self::Failed(Box::new(failure.into()))
    }
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Read.
    pub input_per_1m: Option<f64>,
    /// Written.
    pub output_per_1m: Option<f64>,
}

impl From<&Capabilities> for Price {
    fn from(model: &Capabilities) -> Self {
        Self { input_per_1m: model.input_price_per_1m, output_per_1m: model.output_price_per_1m }
    }
}

/// What chaos did to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The fault's id.
    pub fault: u64,
    /// Its kind.
    pub kind: String,
    /// What it did, low-cardinality.
    pub action: &'static str,
    /// Estimates may learn from the call.
    pub teach: bool,
    /// The experiment it belongs to.
    pub experiment: Option<Arc<str>>,
}

/// Where chaos writes down what it did to one call, at most once. Clones are the same place: a call that is given up in
/// the middle has been told about all the same.
#[derive(Clone, Debug, Default)]
pub struct Injection(Arc<OnceLock<Injected>>);

impl Injection {
    /// The first word counts.
    pub(crate) fn is(&self, what: Injected) {
        // A second fault on the same call is impossible; were it not, the first would be the one that was met.
        drop(self.0.set(what));
    }

    /// What was done, if anything.
    pub fn get(&self) -> Option<&Injected> {
        self.0.get()
    }
}

impl Attempted {
    /// A call that begins now.
    pub fn new(target: TargetId, adapter: PluginRef, purpose: Purpose) -> Self {
        Self {
            target,
            adapter,
            template: None,
            purpose,
            probe: false,
            began: Duration::ZERO,
            first_content: None,
            took: Duration::ZERO,
            end: End::Open,
            tokens: None,
            price: Price::default(),
            injection: None,
        }
    }

    /// It ended now, counted from the request's start; the first word counts.
    pub(crate) fn ends(&mut self, end: End, now: Duration) {
        if self.end == End::Open {
            self.end = end;
            self.took = now.saturating_sub(self.began);
        }
    }

    /// What chaos did to it.
    pub fn injected(&self) -> Option<&Injected> {
        self.injection.as_ref()?.get()
    }

    /// Chaos acted on it, and estimates are not to learn from that.
    pub fn misleads(&self) -> bool {
        self.injected().is_some_and(|injected| !injected.teach)
    }

    /// What it failed with.
    pub fn failure(&self) -> Option<&Broke> {
        match &self.end {
            End::Failed(broke) => Some(broke),
            _ => None,
        }
    }

    /// US dollars, where prices and tokens are known.
    pub fn cost_usd(&self) -> Option<f64> {
        let tokens = self.tokens.as_ref()?;
        let part = |count: u64, price: f64| count as f64 * price / 1e6;
        Some(
            part(tokens.input_tokens, self.price.input_per_1m?)
                + part(tokens.output_tokens, self.price.output_per_1m?),
        )
    }
}
