//! Routing policies: they reorder or exclude candidates.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Call, ConfigProblem, PluginFault, PluginRef};
use crate::note::Circuit;
use crate::request::RequestId;
use crate::target::TargetId;

/// One candidate as a policy sees it; see the contract for units.
#[derive(Clone, Debug)]
pub struct CandidateStats {
    /// Where.
    pub id: TargetId,
    /// Operator's weight.
    pub weight: f64,
    /// Health.
    pub circuit: Circuit,
    /// A gate other than the breaker is closed.
    pub gated: bool,
    /// Moving average of the first-token time in ms, -1 without samples.
    pub first_token_ewma_ms: f64,
    /// 95th percentile of it in ms, -1 without samples.
    pub first_token_p95_ms: f64,
    /// What the next call is expected to take in ms, -1 without samples.
    pub predicted_ms: f64,
    /// Share of good calls, 0 to 1.
    pub success_rate: f64,
    /// How many calls that rests on.
    pub samples: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// US dollars for a million tokens.
    pub input_price_per_1m: Option<f64>,
    /// US dollars for a million tokens.
    pub output_price_per_1m: Option<f64>,
}

/// A request as a policy sees it.
#[derive(Clone, Debug)]
pub struct RouteQuestion {
    /// Which.
    pub id: RequestId,
    /// The alias asked for.
    pub alias: Arc<str>,
    /// The client's partition.
    pub tenant: Arc<str>,
    /// Keeps a conversation on one target.
    pub affinity: Option<String>,
    /// Streamed.
    pub streaming: bool,
    /// Rough prompt size.
    pub input_tokens_estimate: u32,
    /// Tools are present.
    pub has_tools: bool,
    /// Images are present.
    pub has_images: bool,
    /// Wall clock in ms.
    pub now_ms: u64,
    /// A random value.
    pub random: u64,
    /// The request's number in this process.
    pub ordinal: u64,
}

/// What a policy decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePlan {
    /// These first, then the rest in configured order.
    pub order: Vec<String>,
    /// Never called.
    pub exclude: Vec<String>,
    /// For the trail.
    pub reason: String,
}

/// A routing policy component.
pub trait Policy: Send + Sync + Debug {
    /// Which plugin this is.
    fn plugin(&self) -> &PluginRef;
    /// Problems of an operator's configuration, as (JSON pointer, message, fix).
    fn check<'a>(&'a self, config: &'a str) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>>;
    /// Orders candidates. An `Err` of either kind means the configured order.
    fn route<'a>(
        &'a self,
        question: &'a RouteQuestion,
        candidates: &'a [CandidateStats],
        config: &'a str,
    ) -> Call<'a, Result<RoutePlan, PluginFault>>;
}
