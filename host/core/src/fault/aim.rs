//! Whom a fault hits, and whom it spares: an alias keeps its last healthy failure domain unless an operator said otherwise.

use std::sync::Arc;

use super::armed::Armed;
use super::{FaultMatch, Tier};
use crate::ports::{Adapter, PluginSet};
use crate::record::Injection;
use crate::request::Request;
use crate::settings::{Alias, AliasTarget};
use crate::target::Capabilities;
use crate::targets::Targets;

/// A fault that hits less than this share of calls leaves its domain healthy: whoever fails is tried again.
const DOWN_PERCENT: f64 = 50.0;

/// The attempt that a fault is asked about.
pub(crate) struct FaultQuestion<'a> {
    pub(crate) request: &'a Request,
    pub(crate) alias: &'a Alias,
    /// Its place in the alias.
    pub(crate) wish: &'a AliasTarget,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) number: u32,
    pub(crate) adapter: &'a Arc<dyn Adapter>,
    pub(crate) plugins: &'a PluginSet,
    pub(crate) targets: &'a Targets,
    /// Where what was done to it is put on record.
    pub(crate) injection: &'a Injection,
}

impl FaultMatch {
    /// Whether the fault is for this attempt, its share aside.
    pub(super) fn covers(&self, question: &FaultQuestion<'_>, high_tier_price: f64) -> bool {
        self.covers_request(question.request, &question.alias.name)
            && self.covers_target(question.wish, question.capabilities, high_tier_price)
    }

    fn covers_request(&self, request: &Request, alias: &str) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.alias, alias)
            && same(&self.tenant, &request.tenant)
            && self.stream.is_none_or(|stream| stream == request.facts.stream)
            && self.header.as_ref().is_none_or(|wanted| {
                let sent = request.body.header(&wanted.name);
                sent.is_some_and(|sent| wanted.value.as_deref().is_none_or(|value| value == sent))
            })
            // Who asks for one fault by name gets no other, and who asks for none gets none of these.
            && self.opt_in.as_deref() == request.chaos.as_deref()
    }

    fn covers_target(&self, wish: &AliasTarget, capabilities: &Capabilities, high_tier_price: f64) -> bool {
        self.covers_place(wish) && self.tier.is_none_or(|tier| tier == tier_of(capabilities, high_tier_price))
    }

    /// As far as the configuration says; what a model costs is another matter.
    pub fn covers_place(&self, wish: &AliasTarget) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.provider, &wish.id.provider)
            && same(&self.model, &wish.id.model)
            && self.domain.as_deref().is_none_or(|wanted| wish.domains().any(|domain| **domain == *wanted))
    }

    /// Whether whatever it covers is to be taken for down.
    pub fn takes_down(&self) -> bool {
        self.percent.is_none_or(|percent| percent >= DOWN_PERCENT)
    }
}

fn tier_of(capabilities: &Capabilities, high_tier_price: f64) -> Tier {
    match capabilities.output_price_per_1m {
        Some(price) if price >= high_tier_price => Tier::High,
        _ => Tier::Standard,
    }
}

impl FaultQuestion<'_> {
    /// Whether the client would still have somebody: a target that shares nothing with this one, that may be called now,
    /// and that no armed fault takes down.
    pub(super) async fn has_refuge(&self, armed: &[Arc<Armed>], high_tier_price: f64) -> bool {
        for other in &self.alias.targets {
            if other.shares_domain(self.wish) || self.targets.get(&other.id).refusal().is_some() {
                continue;
            }
            if !self.is_taken_down(other, armed, high_tier_price).await {
                return true;
            }
        }
        false
    }

    async fn is_taken_down(&self, other: &AliasTarget, armed: &[Arc<Armed>], high_tier_price: f64) -> bool {
        let Some(adapter) = self.plugins.adapters.get(&other.id.provider) else { return true };
        let Ok(known) = adapter.model(&other.id.model).await else { return true };
        let known = match &other.overrides {
            Some(overrides) => Arc::new(overrides.apply(&known)),
            None => known,
        };
        armed.iter().any(|fault| {
            let matching = &fault.order.matching;
            !fault.order.dry_run
                && matching.takes_down()
                && matching.covers_request(self.request, &self.alias.name)
                && matching.covers_target(other, &known, high_tier_price)
        })
    }
}
