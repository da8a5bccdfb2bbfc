//! Candidates: the alias' targets in the order they will be asked, each with what the walk needs.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::timeout;

use crate::attempt::plugin_failure;
use crate::cascade::Engine;
use crate::class::{Class, Failure, Side};
use crate::note::Circuit;
use crate::outlook::{CallKind, Forecast, SizeFactor};
use crate::ports::{Adapter, PluginRef, PluginSet, PromptTemplate, RoutePlan, RouteQuestion};
use crate::record::{Attempted, Injection, Price, Purpose, RoutedBy, Routing};
use crate::reply::Degraded;
use crate::request::{Protocol, Request};
use crate::route::{self, Fit, Need, Standing};
use crate::settings::{Alias, AliasTarget};
use crate::target::{Capabilities, TargetId};
use crate::targets::TargetState;

/// One target, ready to be tried. Cheap to clone, for an attempt takes its own along.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) state: Arc<TargetState>,
    pub(crate) degraded: Degraded,
    /// How well it fits the request.
    pub(crate) fit: Fit,
    /// Its place among the alias' targets.
    pub(crate) wish: usize,
    /// Its place in the order before anything was predicted; 0 is best.
    pub(crate) rank: usize,
    /// What is expected of a call, as of the request's beginning.
    pub(crate) forecast: Forecast,
    /// Writes its system prompt; none = the client's own is sent.
    pub(crate) prompt: Option<Arc<dyn PromptTemplate>>,
}

impl Candidate {
    pub(crate) fn target(&self) -> &TargetId {
        self.state.id()
    }

    /// Its breaker is open or half open.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.state.circuit(), Circuit::Open | Circuit::HalfOpen | Circuit::ForcedOpen)
    }

    /// The next call would be a probe.
    pub(crate) fn wants_probe(&self) -> bool {
        matches!(self.state.circuit(), Circuit::Open | Circuit::HalfOpen) && self.state.refusal().is_none()
    }

    /// What is put on record about a call that begins now.
    pub(crate) fn attempted(
        &self,
        purpose: Purpose,
        probe: bool,
        began: Duration,
        injection: Option<Injection>,
    ) -> Attempted {
        let price = Price::from(&*self.capabilities);
        let (target, adapter) = (self.target().clone(), self.adapter.plugin().clone());
        let template = self.prompt.as_ref().map(|prompt| prompt.template().clone());
        Attempted { probe, began, price, injection, template, ..Attempted::new(target, adapter, purpose) }
    }
}

/// What became of an alias' targets before the walk.
pub(super) struct Candidates {
    /// To be tried in this order.
    pub(super) tried: Vec<Candidate>,
    /// Not to be tried: the adapter is missing or could not speak about the model.
    pub(super) broken: Vec<(TargetId, Failure)>,
    /// What the first of those that do not fit lacks.
    pub(super) unfit: Option<Need>,
    /// For the record.
    pub(super) routing: Routing,
}

/// The alias' targets in the policy's order where there is one, else in the operator's. Targets that lack what the
/// request needs are left out, those that may be too small come last.
pub(super) async fn in_order(
    engine: &Engine,
    plugins: &PluginSet,
    request: &Request,
    alias: &Alias,
) -> Candidates {
    let (plan, policy) = plan(engine, plugins, request, alias).await;
    let order = route::order(&alias.targets, &plan);
    // A policy's choice is as good as the operator's own order: its first is nobody's fallback.
    let first = order.first().copied();
    let lead = first.and_then(|first| alias.targets.get(first));
    let (mut tried, mut broken) = (Vec::with_capacity(order.len()), Vec::new());
    for index in order {
        let Some(wish) = alias.targets.get(index) else { continue };
        // Equal deployments stand in for each other.
        let primary = first == Some(index) || lead.is_some_and(|lead| lead.equals(wish));
        match candidate(engine, plugins, request, alias, (index, wish), primary).await {
            Ok(candidate) => tried.push(candidate),
            Err(failure) => broken.push((wish.id.clone(), failure)),
        }
    }
    let unfit = route::arrange(&mut tried, |candidate| candidate.fit).err();
    let good = tried.iter().take_while(|candidate| candidate.fit == Fit::Good).count();
    for (rank, candidate) in tried.iter_mut().enumerate() {
        candidate.rank = rank;
    }
    // A policy's order stands; of targets that may be too small nothing is predicted.
    let forecast = plan.order.is_empty() && predict(engine, alias, request, &mut tried, good);
    let by = match policy {
        Some(plugin) => RoutedBy::Policy { plugin, reason: plan.reason },
        None if forecast => RoutedBy::Forecast,
        None => RoutedBy::Operator,
    };
    let order = tried.iter().map(|candidate| candidate.target().clone()).collect();
    Candidates { tried, broken, unfit, routing: Routing { order, by } }
}

/// Leads the operator's order by the first of the `good` ones that is expected to be good enough; whether that changed
/// it.
fn predict(engine: &Engine, alias: &Alias, request: &Request, tried: &mut [Candidate], good: usize) -> bool {
    if good < 2 {
        return false;
    }
    let standing = |candidate: &Candidate| Standing {
        // Whoever rests keeps its place: to ask it costs nothing, and its forecast is of another time.
        score_s: if candidate.is_off() { 0.0 } else { candidate.forecast.score_s },
        in_flight: candidate.state.in_flight(),
        pool: alias.targets.get(candidate.wish).and_then(|wish| wish.pool),
    };
    let slow = slow(alias, request);
    let stands = |standing: Standing| standing.pool.is_none() && standing.score_s <= slow.as_secs_f64();
    if tried.iter().take(good).map(standing).all(stands) {
        return false;
    }
    let standings: Vec<Standing> = tried.iter().take(good).map(standing).collect();
    let order = route::predictive(&standings, slow, engine.random.next_u64());
    let mut places = vec![0; good];
    for (place, index) in order.into_iter().enumerate() {
        if let Some(slot) = places.get_mut(index) {
            *slot = place;
        }
    }
    // Those that may be too small stay behind, in their order.
    let place = |candidate: &Candidate| places.get(candidate.rank).copied().unwrap_or(candidate.rank);
    tried.sort_by_key(place);
    !tried.is_sorted_by_key(|candidate| candidate.rank)
}

/// Which history a request's calls belong to.
pub(super) fn kind_of(request: &Request) -> CallKind {
    if request.facts.stream { CallKind::Streamed } else { CallKind::Plain }
}

/// What counts as slow.
fn slow(alias: &Alias, request: &Request) -> Duration {
    match kind_of(request) {
        CallKind::Streamed => alias.slo.first_token,
        CallKind::Plain => alias.slo.answer,
    }
}

async fn candidate(
    engine: &Engine,
    plugins: &PluginSet,
    request: &Request,
    alias: &Alias,
    (index, wish): (usize, &AliasTarget),
    primary: bool,
) -> Result<Candidate, Failure> {
    let Some(adapter) = plugins.adapters.get(&wish.id.provider) else {
        let failure = Failure::new(Class::PluginFault, "the provider's adapter is not loaded");
        return Err(failure.on(Side::Plugin));
    };
    if request.protocol == Protocol::Embeddings && !adapter.accepts(Protocol::Embeddings) {
        return Err(Failure::new(Class::UnsupportedParameter, "the provider offers no embeddings"));
    }
    let capabilities = adapter.model(&wish.id.model).await;
    let capabilities = capabilities.map_err(|fault| plugin_failure(engine, request, &wish.id, fault))?;
    let capabilities = match &wish.overrides {
        Some(overrides) => Arc::new(overrides.apply(&capabilities)),
        None => capabilities,
    };
    if request.facts.stream && !capabilities.streams {
        let failure = Failure::new(Class::UnsupportedParameter, "the model does not stream");
        return Err(Failure { param: Some("stream".to_owned()), ..failure });
    }
    let state = engine.targets.get(&wish.id);
    Ok(Candidate {
        adapter: Arc::clone(adapter),
        fit: route::fit(&capabilities, state.learned_context_window(), &request.facts),
        capabilities,
        forecast: state.forecast_against(kind_of(request), slow(alias, request)),
        state,
        wish: index,
        rank: 0,
        degraded: if primary { Degraded::None } else { Degraded::Fallback },
        prompt: wish.prompt.clone(),
    })
}

/// Asks the alias' policy component, and says who it was. It has little time; on any fault the configured order stands.
async fn plan(
    engine: &Engine,
    plugins: &PluginSet,
    request: &Request,
    alias: &Alias,
) -> (RoutePlan, Option<PluginRef>) {
    /// Wall-clock guard around the call; the plugin host's own limit on CPU time is 2 ms.
    const PATIENCE: Duration = Duration::from_millis(20);
    let nobody = || (RoutePlan::default(), None);
    let Some(choice) = &alias.policy else { return nobody() };
    let Some(policy) = plugins.policies.get(&choice.plugin) else { return nobody() };
    let question = RouteQuestion {
        id: request.id,
        alias: Arc::clone(&alias.name),
        tenant: Arc::clone(&request.tenant),
        affinity: None,
        streaming: request.facts.stream,
        input_tokens_estimate: request.facts.input_tokens_estimate,
        has_tools: request.facts.has_tools,
        has_images: request.facts.has_images,
        now_ms: engine
            .clock
            .wall()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        random: engine.random.next_u64(),
        ordinal: request.id.0,
    };
    let (kind, size) = (kind_of(request), SizeFactor::of_tokens(request.facts.input_tokens_estimate));
    let stats: Vec<_> = alias
        .targets
        .iter()
        .map(|wish| engine.targets.get(&wish.id).candidate(kind, size, wish.weight, None))
        .collect();
    match timeout(PATIENCE, policy.route(&question, &stats, &choice.config)).await {
        Ok(Ok(plan)) => (plan, Some(policy.plugin().clone())),
        Ok(Err(_)) | Err(_) => nobody(),
    }
}
