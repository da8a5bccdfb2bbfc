//! A routing policy.

use std::sync::Arc;

use seawall_core::ports::{
    Call, CandidateStats, ConfigProblem, PluginFault, PluginRef, Policy, RoutePlan, RouteQuestion,
};
use wasmtime::Store;

use crate::contract::v0_1::exports::policy;
use crate::contract::v0_1::{answers, questions};
use crate::diagnose::{Code, Problem};
use crate::generation::Generation;
use crate::guest::Guest;
use crate::instance::{Exports, Work};

/// Exports of a policy.
pub(crate) struct PolicyExports(pub(crate) policy::Guest);

impl Exports for PolicyExports {
    type Indices = policy::GuestIndices;

    fn load(
        indices: &policy::GuestIndices,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self> {
        Ok(Self(indices.load(store, instance)?))
    }
}

#[derive(Debug)]
pub(crate) struct WasmPolicy(pub(crate) Arc<Generation<PolicyExports>>);

impl Policy for WasmPolicy {
    fn plugin(&self) -> &PluginRef {
        &self.0.plugin
    }

    fn check<'a>(&'a self, config: &'a str) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>> {
        let config = config.to_owned();
        let work = Work::new(self.0.room().limits.start_deadline);
        let checked = self.0.call(work, move |store, exports| {
            Ok(Ok(answers::config_problems(exports.0.call_check(store, &config)?)))
        });
        checked.map(|checked| Ok(checked?))
    }

    fn route<'a>(
        &'a self,
        question: &'a RouteQuestion,
        candidates: &'a [CandidateStats],
        config: &'a str,
    ) -> Call<'a, Result<RoutePlan, PluginFault>> {
        let (question, candidates, config) = (question.clone(), candidates.to_vec(), config.to_owned());
        // The request's own id tells requests apart: a policy never sees a body.
        let work = Work { fingerprint: question.id.0, ..Work::new(self.0.room().limits.policy_deadline) };
        let routed = self.0.call(work, move |store, exports| {
            let id = question.id.to_string();
            let info = questions::request_info(&question, &id);
            let ids: Vec<_> = candidates.iter().map(|stats| stats.id.text()).collect();
            let with_ids = candidates.iter().zip(&ids);
            let candidates: Vec<_> = with_ids.map(|(stats, id)| questions::candidate(stats, id)).collect();
            Ok(match exports.0.call_route(store, info, &candidates, &config)? {
                Ok(plan) => Ok(RoutePlan { order: plan.order, exclude: plan.exclude, reason: plan.reason }),
                Err(words) => Err(Problem::new(Code::Declined, answers::cut(&words))),
            })
        });
        routed.map(|routed| Ok(routed?))
    }
}
