//! A fault injector and its transforms.

use std::sync::Arc;

use seawall_core::event::WireEvent;
use seawall_core::ports::{
    Call, ConfigProblem, FaultAttempt, FaultInjector, FaultKind, FaultStep, FaultVerdict, PluginFault,
    PluginRef, Transform,
};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::contract::v0_1::exports::fault;
use crate::contract::v0_1::{answers, questions};
use crate::diagnose::{Code, Problem};
use crate::generation::{Generation, Session};
use crate::guest::Guest;
use crate::instance::{Exports, Work};

/// Exports of a fault injector.
pub(crate) struct FaultExports(pub(crate) fault::Guest);

impl Exports for FaultExports {
    type Indices = fault::GuestIndices;

    fn load(
        indices: &fault::GuestIndices,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self> {
        Ok(Self(indices.load(store, instance)?))
    }
}

#[derive(Debug)]
pub(crate) struct WasmFault {
    pub(crate) generation: Arc<Generation<FaultExports>>,
    pub(crate) kinds: Arc<[FaultKind]>,
}

impl WasmFault {
    fn work(&self, attempt: &FaultAttempt) -> Work {
        Work { fingerprint: attempt.request.0, ..Work::new(self.generation.room().limits.deadline) }
    }
}

impl FaultInjector for WasmFault {
    fn plugin(&self) -> &PluginRef {
        &self.generation.plugin
    }

    fn kinds(&self) -> &[FaultKind] {
        &self.kinds
    }

    fn check<'a>(
        &'a self,
        kind: &'a str,
        config: &'a str,
    ) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>> {
        let (kind, config) = (kind.to_owned(), config.to_owned());
        let work = Work::new(self.generation.room().limits.start_deadline);
        let checked = self.generation.call(work, move |store, exports| {
            Ok(Ok(answers::config_problems(exports.0.call_check(store, &kind, &config)?)))
        });
        checked.map(|checked| Ok(checked?))
    }

    fn decide<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<FaultVerdict, PluginFault>> {
        let (kind, config, work) = (kind.to_owned(), config.to_owned(), self.work(attempt));
        let attempt = attempt.clone();
        let decided = self.generation.call(work, move |store, exports| {
            let id = attempt.request.to_string();
            let attempt = questions::attempt(&attempt, &id);
            Ok(match exports.0.call_decide(store, &kind, attempt, &config)? {
                Ok(verdict) => answers::verdict(verdict),
                Err(words) => Err(Problem::new(Code::Declined, answers::cut(&words))),
            })
        });
        decided.map(|decided| Ok(decided?))
    }

    fn transform<'a>(
        &'a self,
        kind: &'a str,
        attempt: &'a FaultAttempt,
        config: &'a str,
    ) -> Call<'a, Result<Box<dyn Transform>, PluginFault>> {
        Call::of(async move {
            let (kind, config, work) = (kind.to_owned(), config.to_owned(), self.work(attempt));
            let fingerprint = work.fingerprint;
            let attempt = attempt.clone();
            let mut session = self.generation.session()?;
            let open = self.generation.step_anywhere(&mut session, work, move |store, exports| {
                let id = attempt.request.to_string();
                let attempt = questions::attempt(&attempt, &id);
                Ok(Ok(exports.0.transform().call_constructor(store, &kind, attempt, &config)?))
            });
            let transform = open.await?;
            let generation = Arc::clone(&self.generation);
            Ok(Box::new(WasmTransform { generation, session, transform, fingerprint }) as Box<dyn Transform>)
        })
    }
}

/// Rewrites one reply in an instance of its own.
struct WasmTransform {
    generation: Arc<Generation<FaultExports>>,
    session: Session<FaultExports>,
    transform: ResourceAny,
    fingerprint: u64,
}

impl WasmTransform {
    fn work(&self, bytes: usize) -> Work {
        Work { fingerprint: self.fingerprint, ..Work::new(self.generation.room().limits.call(bytes)) }
    }
}

impl Transform for WasmTransform {
    fn piece(&mut self, frames: Vec<WireEvent>) -> Call<'_, Result<Vec<FaultStep>, PluginFault>> {
        let work = self.work(frames.iter().map(|frame| frame.data.len()).sum());
        let transform = self.transform;
        let rewritten = self.generation.step_anywhere(&mut self.session, work, move |store, exports| {
            let frames: Vec<_> = frames.iter().map(questions::frame).collect();
            Ok(Ok(answers::steps(exports.0.transform().call_piece(store, transform, &frames)?)))
        });
        rewritten.map(|rewritten| Ok(rewritten?))
    }

    fn finish(&mut self) -> Call<'_, Result<Vec<FaultStep>, PluginFault>> {
        let work = self.work(0);
        let transform = self.transform;
        Call::of(async move {
            let mut session = self.session.take();
            let finished = self.generation.step_anywhere(&mut session, work, move |store, exports| {
                let steps = exports.0.transform().call_finish(&mut *store, transform)?;
                transform.resource_drop(store)?;
                Ok(Ok(answers::steps(steps)))
            });
            let steps = finished.await?;
            self.generation.give_back(session);
            Ok(steps)
        })
    }
}
