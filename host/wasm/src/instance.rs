//! One live instance: arms its limits before each call and says afterwards what went wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderName;
use seawall_core::body::RequestBody;
use wasmtime::component::InstancePre;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use crate::ambient::stock::{self, Stock};
use crate::diagnose::{Code, Problem};
use crate::engine::{EngineRoom, Permit};
use crate::guest::{Deadline, Guest, Stop};
use crate::limits::Meter;
use crate::logs::LogBook;

/// The exports of one kind of plugin, found once per instance.
pub(crate) trait Exports: Sized + Send + 'static {
    /// Where they stand in the component.
    type Indices: Send + Sync;
    /// Finds them in an instance.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self>;
}

/// What one call may use and what it serves.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// CPU time.
    pub(crate) cpu: Duration,
    /// The request that the guest may look at.
    pub(crate) body: Option<Arc<RequestBody>>,
    /// Tells requests apart when strikes are counted.
    pub(crate) fingerprint: u64,
}

impl Work {
    pub(crate) fn new(cpu: Duration) -> Self {
        Self { cpu, body: None, fingerprint: 0 }
    }
}

/// One instance between or inside calls.
pub(crate) struct Instance<E> {
    store: Store<Guest>,
    exports: E,
    calls: u32,
    memory_at_start: usize,
    _live: Live,
    _permit: Permit,
}

impl<E> std::fmt::Debug for Instance<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// Counts the instances of one generation.
#[derive(Debug)]
struct Live(Arc<AtomicU32>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<E: Exports> Instance<E> {
    pub(crate) fn start(
        room: &EngineRoom,
        pre: &InstancePre<Guest>,
        indices: &E::Indices,
        logs: &Arc<LogBook>,
        live: &Arc<AtomicU32>,
    ) -> Result<Self, Problem> {
        let permit = room.permit()?;
        live.fetch_add(1, Ordering::Relaxed);
        let live = Live(Arc::clone(live));
        let guest = Guest {
            meter: Meter::new(room.limits.memory),
            deadline: Deadline::default(),
            body: None,
            client_headers: Arc::default(),
            logs: Arc::clone(logs),
            stock: Stock::default(),
        };
        let mut store = Store::new(&room.engine, guest);
        store.limiter(|guest| &mut guest.meter);
        store.epoch_deadline_callback(Deadline::strike);
        arm(&mut store, room, room.limits.start_deadline);
        let _running = room.running();
        let started =
            pre.instantiate(&mut store).and_then(|instance| E::load(indices, &mut store, &instance));
        match started {
            Ok(exports) => {
                let memory_at_start = store.data().meter.used();
                Ok(Self { store, exports, calls: 0, memory_at_start, _live: live, _permit: permit })
            }
            Err(error) => {
                let problem = explain(&error, store.data(), room, room.limits.start_deadline);
                if problem.code == Code::Trap {
                    return Err(Problem::new(
                        Code::Start,
                        format!("the component does not start: {}", problem.cause),
                    ));
                }
                Err(problem)
            }
        }
    }
}

impl<E> Instance<E> {
    /// Runs one call. After an `Err` of the outer kind the instance is dead and must be dropped; the inner kind is an
    /// answer that cannot be used.
    pub(crate) fn call<R>(
        &mut self,
        room: &EngineRoom,
        client_headers: &Arc<[HeaderName]>,
        work: Work,
        f: impl FnOnce(&mut Store<Guest>, &E) -> wasmtime::Result<Result<R, Problem>>,
    ) -> Result<Result<R, Problem>, Problem> {
        self.calls = self.calls.saturating_add(1);
        let guest = self.store.data_mut();
        guest.body = work.body;
        guest.client_headers = Arc::clone(client_headers);
        arm(&mut self.store, room, work.cpu);
        let running = room.running();
        let result = f(&mut self.store, &self.exports);
        drop(running);
        self.store.data_mut().body = None;
        result.map_err(|error| explain(&error, self.store.data(), room, work.cpu))
    }

    /// Whether another call may use it.
    pub(crate) fn is_fit(&self, room: &EngineRoom) -> bool {
        let grown = self.store.data().meter.used().saturating_sub(self.memory_at_start);
        self.calls < room.limits.calls_per_instance && grown <= room.limits.memory_mark
    }
}

fn arm(store: &mut Store<Guest>, room: &EngineRoom, cpu: Duration) {
    let ticks = store.data_mut().deadline.arm(cpu);
    store.set_epoch_deadline(ticks);
    store.set_hostcall_fuel(room.limits.output);
}

/// Turns a wasmtime error into a diagnostic.
fn explain(error: &wasmtime::Error, guest: &Guest, room: &EngineRoom, cpu: Duration) -> Problem {
    if let Some(limit) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        return Problem::new(Code::Busy, limit.to_string());
    }
    if let Some(refusal) = memory_refusal(error) {
        return Problem::new(Code::NoMemory, format!("no memory for one more instance: {refusal}"));
    }
    let exit = stock::is_exit(error).then_some(&Stop::Exit);
    if let Some(stop) = exit.or_else(|| error.downcast_ref::<Stop>()) {
        let code = match stop {
            Stop::Sleeps => Code::Sleeps,
            Stop::Exit => Code::Exit,
            Stop::NotOffered(_) => Code::ForeignImport,
            Stop::NoBody => Code::Trap,
        };
        return Problem::new(code, stop.to_string());
    }
    if guest.deadline.missed {
        return Problem::new(
            Code::Deadline,
            format!("the call used more than {} ms of CPU time{}", cpu.as_millis(), place(error)),
        );
    }
    if guest.meter.refused {
        let mib = room.limits.memory >> 20;
        return Problem::new(
            Code::Memory,
            format!("the plugin wanted more than {mib} MiB of memory{}", place(error)),
        );
    }
    match error.downcast_ref::<Trap>() {
        // A guest's own stack lies at the bottom of its memory: running out of it reads below address zero.
        Some(trap @ (Trap::StackOverflow | Trap::MemoryOutOfBounds)) => {
            Problem::new(Code::Stack, format!("{trap}{}", place(error)))
        }
        Some(trap) => Problem::new(Code::Trap, format!("{trap}{}", place(error))),
        // The runtime has no type for this one.
        None if error.root_cause().to_string().contains("too much data is being copied") => {
            let mib = room.limits.output >> 20;
            Problem::new(Code::OutputTooLarge, format!("the plugin passed more than {mib} MiB of data"))
        }
        None => Problem::new(Code::Trap, format!("the call failed: {}", error.root_cause())),
    }
}

/// The system's words when it gives no memory or address space; that is no doing of the plugin.
fn memory_refusal(error: &wasmtime::Error) -> Option<&(dyn std::error::Error + 'static)> {
    error.chain().find(|cause| {
        let raw =
            cause.downcast_ref::<rustix::io::Errno>().is_some_and(|errno| *errno == rustix::io::Errno::NOMEM);
        let wrapped = cause.downcast_ref::<std::io::Error>();
        raw || wrapped.is_some_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory)
    })
}

/// The innermost functions, where the component still has their names.
fn place(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<&str> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(3).collect();
    if names.is_empty() { String::new() } else { format!(" (in {})", names.join(" < ")) }
}

#[cfg(test)]
mod tests {
    use wasmtime::error::Context;

    use super::*;

    #[test]
    fn a_system_without_memory_is_not_the_plugins_fault() {
        let refused = |error: wasmtime::Error| memory_refusal(&error).is_some();
        let wrapped = || Err::<(), _>(std::io::Error::from_raw_os_error(12)).context("mmap failed");
        assert!(refused(rustix::io::Errno::NOMEM.into()));
        assert!(refused(wrapped().unwrap_err()));
        assert!(!refused(rustix::io::Errno::INVAL.into()) && !refused(Trap::MemoryOutOfBounds.into()));
    }
}
