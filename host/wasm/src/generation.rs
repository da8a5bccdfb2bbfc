//! One loaded version of a plugin: its code, its idle instances, its health.
//!
//! Requests and streams hold their generation by reference count, so a newer one never disturbs them. Instances are
//! reused, because starting one costs several times a call; one that trapped, grew or grew old is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use http::HeaderName;
use seawall_core::ports::{Call, PluginRef};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::clock;
use crate::diagnose::{Code, Problem};
use crate::engine::EngineRoom;
use crate::guest::Guest;
use crate::instance::{Exports, Instance, Work};
use crate::lock;
use crate::logs::LogBook;
use crate::slow::SlowPool;
use crate::vitals::Vitals;

/// Told when a generation has lost its place. Called on the request path: must not block.
pub(crate) type OnTripped = Arc<dyn Fn(&PluginRef) + Send + Sync>;

/// What all generations of a host share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) room: Arc<EngineRoom>,
    pub(crate) slow: Arc<SlowPool>,
    pub(crate) on_tripped: OnTripped,
}

/// One version of one plugin.
pub(crate) struct Generation<E: Exports> {
    pub(crate) plugin: PluginRef,
    pub(crate) vitals: Arc<Vitals>,
    shared: Shared,
    pre: InstancePre<Guest>,
    indices: E::Indices,
    client_headers: OnceLock<Arc<[HeaderName]>>,
    pub(crate) logs: Arc<LogBook>,
    idle: Mutex<Vec<Instance<E>>>,
    retired: AtomicBool,
}

impl<E: Exports> std::fmt::Debug for Generation<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

impl<E: Exports> Generation<E> {
    pub(crate) fn new(
        shared: Shared,
        plugin: PluginRef,
        pre: InstancePre<Guest>,
        indices: E::Indices,
    ) -> Arc<Self> {
        let limits = &shared.room.limits;
        Arc::new(Self {
            vitals: Arc::new(Vitals::new(limits.slow)),
            logs: Arc::new(LogBook::new(plugin.clone(), limits.log_burst)),
            plugin,
            shared,
            pre,
            indices,
            client_headers: OnceLock::new(),
            idle: Mutex::default(),
            retired: AtomicBool::new(false),
        })
    }

    pub(crate) fn room(&self) -> &EngineRoom {
        &self.shared.room
    }

    /// What `describe` said; known before the first request.
    pub(crate) fn set_client_headers(&self, headers: Arc<[HeaderName]>) {
        let _ = self.client_headers.set(headers);
    }

    /// One call in any instance: here and now while the plugin is fast, else on the pool of slow plugins.
    pub(crate) fn call<'a, R: Send + 'static>(
        self: &'a Arc<Self>,
        work: Work,
        f: impl FnOnce(&mut Store<Guest>, &E) -> wasmtime::Result<Result<R, Problem>> + Send + 'static,
    ) -> Call<'a, Result<R, Problem>> {
        if !self.vitals.is_slow() {
            return Call::done(self.call_here(work, f));
        }
        let Some(place) = self.shared.slow.place() else {
            return Call::done(Err(Problem::new(Code::Busy, "the queue of slow plugins is full")));
        };
        let this = Arc::clone(self);
        Call::of(async move { self.shared.slow.run(place, move || this.call_here(work, f)).await? })
    }

    /// One call in any instance, on this thread.
    pub(crate) fn call_here<R>(
        &self,
        work: Work,
        f: impl FnOnce(&mut Store<Guest>, &E) -> wasmtime::Result<Result<R, Problem>>,
    ) -> Result<R, Problem> {
        let mut session = self.take_for(&work)?;
        let answer = self.step(&mut session, work, f);
        self.give_back(session);
        answer
    }

    /// An instance of one's own for several calls.
    pub(crate) fn session(&self) -> Result<Session<E>, Problem> {
        Ok(Session(Some(self.take()?)))
    }

    /// One call of a session; after a fault of the instance the session is over.
    pub(crate) fn step<R>(
        &self,
        session: &mut Session<E>,
        work: Work,
        f: impl FnOnce(&mut Store<Guest>, &E) -> wasmtime::Result<Result<R, Problem>>,
    ) -> Result<R, Problem> {
        static NO_HEADERS: std::sync::LazyLock<Arc<[HeaderName]>> = std::sync::LazyLock::new(Arc::default);
        let Some(instance) = &mut session.0 else {
            return Err(Problem::new(Code::Gone, "an earlier call of this stream failed"));
        };
        let fingerprint = work.fingerprint;
        let started = clock::uptime();
        let headers = self.client_headers.get().unwrap_or(&NO_HEADERS);
        let answer = match instance.call(&self.shared.room, headers, work, f) {
            Ok(answer) => answer,
            Err(problem) => {
                session.0 = None;
                Err(problem)
            }
        };
        self.enter(clock::uptime().saturating_sub(started), fingerprint, answer.as_ref().err());
        answer
    }

    /// Runs a step here and now, or on the pool of slow plugins. When that pool is full it runs here: a stream that has
    /// begun must not die of a queue.
    pub(crate) fn step_anywhere<'a, R: Send + 'static>(
        self: &'a Arc<Self>,
        session: &'a mut Session<E>,
        work: Work,
        f: impl FnOnce(&mut Store<Guest>, &E) -> wasmtime::Result<Result<R, Problem>> + Send + 'static,
    ) -> Call<'a, Result<R, Problem>> {
        let Some(place) = self.vitals.is_slow().then(|| self.shared.slow.place()).flatten() else {
            return Call::done(self.step(session, work, f));
        };
        let this = Arc::clone(self);
        let mut moved = session.take();
        let job = move || {
            let answer = this.step(&mut moved, work, f);
            (moved, answer)
        };
        Call::of(async move {
            let (back, answer) = self.shared.slow.run(place, job).await?;
            *session = back;
            answer
        })
    }

    /// Ends a session; its instance serves again.
    pub(crate) fn give_back(&self, session: Session<E>) {
        let Some(instance) = session.0 else { return };
        if self.retired.load(Ordering::Acquire) || !instance.is_fit(&self.shared.room) {
            return;
        }
        let mut idle = lock(&self.idle);
        if idle.len() < self.shared.room.limits.idle {
            idle.push(instance);
        }
    }

    /// No new requests come: idle instances go now, the others when their calls end.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        let idle = std::mem::take(&mut *lock(&self.idle));
        drop(idle);
    }

    /// Serves again, after a rollback.
    pub(crate) fn revive(&self) {
        self.retired.store(false, Ordering::Release);
    }

    fn take_for(&self, work: &Work) -> Result<Session<E>, Problem> {
        self.session().inspect_err(|problem| {
            if !problem.code.is_back_pressure() {
                self.enter(std::time::Duration::ZERO, work.fingerprint, Some(problem));
            }
        })
    }

    fn take(&self) -> Result<Instance<E>, Problem> {
        let idle = lock(&self.idle).pop();
        match idle {
            Some(instance) => Ok(instance),
            None => {
                Instance::start(&self.shared.room, &self.pre, &self.indices, &self.logs, &self.vitals.live)
            }
        }
    }

    fn enter(&self, took: std::time::Duration, fingerprint: u64, problem: Option<&Problem>) {
        if self.vitals.enter(took, fingerprint, problem) {
            (self.shared.on_tripped)(&self.plugin);
        }
    }
}

/// An instance held over several calls; empty once it failed.
#[derive(Debug)]
pub(crate) struct Session<E>(Option<Instance<E>>);

impl<E> Session<E> {
    /// What is left behind is over.
    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }
}
