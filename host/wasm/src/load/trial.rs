//! Trial calls with the operator's own settings, before a version may serve.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use seawall_core::body::RequestBody;
use seawall_core::ports::{AdapterTarget, FaultKind};
use seawall_core::request::Protocol;
use seawall_core::target::TargetId;

use super::Candidate;
use crate::contract::v0_1::{answers, questions};
use crate::diagnose::{Code, Problem};
use crate::generation::Generation;
use crate::guest::Body;
use crate::instance::Work;
use crate::kinds::adapter::{AdapterExports, BoundAdapter, Settings};
use crate::kinds::fault::FaultExports;
use crate::kinds::policy::PolicyExports;

const BODY: &[u8] = br#"{"model":"trial","messages":[{"role":"user","content":"Hello"}],"stream":true}"#;

/// Whether a problem is the operator's to solve: it leaves the plugin itself in order.
fn is_operators(problem: &Problem) -> bool {
    matches!(problem.code, Code::BadConfig | Code::NoBaseUrl)
}

/// The settings under an empty configuration, if the adapter takes one.
pub(super) fn adapter(
    generation: &Arc<Generation<AdapterExports>>,
    telemetry_name: &str,
    candidate: &Candidate<'_>,
) -> Result<Option<Settings>, Problem> {
    let bare = match generation.configure("{}") {
        Ok(settings) => Some(settings),
        Err(problem) if is_operators(&problem) => None,
        Err(problem) => return Err(problem),
    };
    if candidate.bindings.is_empty() && bare.is_some() {
        exchange(generation, "{}")?;
    }
    let telemetry_name: Arc<str> = telemetry_name.into();
    for binding in candidate.bindings {
        let bound =
            BoundAdapter::new(generation, &telemetry_name, &binding.config_json, binding.base_url.as_deref());
        match bound {
            Ok(_) => {
                exchange(generation, &binding.config_json).map_err(|problem| problem.of(&binding.provider))?
            }
            Err(problem) if is_operators(&problem) && !candidate.served.contains(binding) => {}
            Err(problem) => return Err(problem.of(&binding.provider)),
        }
    }
    Ok(bare)
}

/// A small request and the beginning of a stream. A failure that the adapter reports in words is in order.
fn exchange(generation: &Arc<Generation<AdapterExports>>, config: &str) -> Result<(), Problem> {
    let cpu = generation.room().limits.start_deadline;
    let body = RequestBody::new(Protocol::Chat, Bytes::from_static(BODY), HeaderMap::new(), 0)
        .map_err(|error| Problem::new(Code::Host, error.to_string()))?;
    let target =
        AdapterTarget { model: "trial".into(), max_output_tokens: None, streaming: true, request: 0 };
    let body = Arc::new(body);
    generation.call_here(Work { body: Some(body), ..Work::new(cpu) }, |store, exports| {
        let body = wasmtime::component::Resource::<Body>::new_own(0);
        let answer = exports.provider.call_build_request(store, body, questions::target(&target, config))?;
        Ok(answer.map_or(Ok(()), |request| answers::wire_plan(request).map(drop)))
    })?;
    generation.call_here(Work::new(cpu), |store, exports| {
        let decoder = exports.provider.stream_decoder();
        let stream = decoder.call_constructor(
            &mut *store,
            Protocol::Chat.as_str(),
            questions::target(&target, config),
        )?;
        stream.resource_drop(store)?;
        Ok(Ok(()))
    })
}

/// A decision between two healthy candidates.
pub(super) fn policy(generation: &Arc<Generation<PolicyExports>>) -> Result<(), Problem> {
    let cpu = generation.room().limits.start_deadline;
    let ids = ["trial/a", "trial/b"];
    let healthy = ids.map(healthy);
    let candidates: Vec<_> =
        healthy.iter().zip(ids).map(|(stats, id)| questions::candidate(stats, id)).collect();
    let question = seawall_core::ports::RouteQuestion {
        id: seawall_core::request::RequestId(0),
        alias: "trial".into(),
        tenant: "trial".into(),
        affinity: None,
        streaming: false,
        input_tokens_estimate: 1,
        has_tools: false,
        has_images: false,
        now_ms: 0,
        random: 0,
        ordinal: 0,
    };
    generation.call_here(Work::new(cpu), |store, exports| {
        let question = questions::request_info(&question, "trial");
        let _ = exports.0.call_route(store, question, &candidates, "{}")?;
        Ok(Ok(()))
    })
}

fn healthy(id: &str) -> seawall_core::ports::CandidateStats {
    seawall_core::ports::CandidateStats {
        id: TargetId::parse(id).unwrap_or_else(|| TargetId::new("trial", "trial")),
        weight: 1.0,
        circuit: seawall_core::note::Circuit::Closed,
        gated: false,
        first_token_ewma_ms: -1.0,
        first_token_p95_ms: -1.0,
        predicted_ms: -1.0,
        success_rate: 1.0,
        samples: 0,
        in_flight: 0,
        input_price_per_1m: None,
        output_price_per_1m: None,
    }
}

/// One decision of each kind, with empty parameters.
pub(super) fn fault(generation: &Arc<Generation<FaultExports>>, kinds: &[FaultKind]) -> Result<(), Problem> {
    let cpu = generation.room().limits.start_deadline;
    let attempt = seawall_core::ports::FaultAttempt {
        request: seawall_core::request::RequestId(0),
        target: TargetId::new("trial", "trial"),
        alias: "trial".into(),
        tenant: "trial".into(),
        streaming: false,
        number: 1,
        ordinal: 0,
        input_tokens: 0,
        passed: 0,
        passed_tokens: 0,
        random: 0,
        now_ms: 0,
        armed_for_ms: 0,
    };
    for kind in kinds {
        generation.call_here(Work::new(cpu), |store, exports| {
            let attempt = questions::attempt(&attempt, "trial");
            let verdict = exports.0.call_decide(store, &kind.name, attempt, "{}")?;
            Ok(verdict.map_or(Ok(()), |verdict| answers::verdict(verdict).map(drop)))
        })?;
    }
    Ok(())
}
