//! The one wasmtime engine, and the count of live instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::diagnose::{Code, Problem};
use crate::epochs::{Epochs, Running};
use crate::limits::Limits;

/// Core instances of one component. Python components need more than twenty.
pub(crate) const CORE_INSTANCES: u32 = 200;
/// Memories of one component.
pub(crate) const MEMORIES: u32 = 8;
/// Elements of one table.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// The engine that runs every plugin of one host.
#[derive(Debug)]
pub(crate) struct EngineRoom {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    epochs: Arc<Epochs>,
    live: Arc<AtomicU32>,
}

impl EngineRoom {
    pub(crate) fn new(limits: Limits) -> Result<Arc<Self>, Problem> {
        let engine = Self::engine(&limits).map_err(|error| {
            Problem::new(Code::Host, format!("the plugin engine does not start: {error:#}"))
        })?;
        let (epochs, _) = Epochs::start(&engine)
            .map_err(|error| Problem::new(Code::Host, format!("the epoch thread does not start: {error}")))?;
        Ok(Arc::new(Self { engine, limits, epochs, live: Arc::default() }))
    }

    /// Pooling makes an instance cheap, but reserves address space for all of them; where that is refused (a limit on
    /// virtual memory), fewer are reserved, and at last none.
    fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
        for instances in [limits.instances, limits.instances / 8] {
            let mut config = Self::config();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(Self::pool(limits, instances)));
            match Engine::new(&config) {
                Ok(engine) => return Ok(engine),
                Err(error) => tracing::debug!(instances, "no pool for plugin instances: {error:#}"),
            }
        }
        let mut config = Self::config();
        // The usual 4 GiB for each memory save checks of bounds; here there is no room for them.
        config.memory_reservation(limits.memory as u64).memory_reservation_for_growth(0);
        Engine::new(&config)
    }

    fn config() -> Config {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // Nothing in the contract is asynchronous, and the support costs 0.7 us a call.
        config.concurrency_support(false);
        config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(12));
        config
    }

    fn pool(limits: &Limits, instances: u32) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(20).max(CORE_INSTANCES))
            .total_memories(instances.saturating_mul(2).max(MEMORIES))
            .total_tables(instances.saturating_mul(8).max(CORE_INSTANCES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_tables_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            // Stacks are for asynchronous calls. None is made, and the usual thousand would take 2 GiB of addresses.
            .total_stacks(0)
            .max_component_instance_size(8 << 20)
            .max_core_instance_size(8 << 20)
            .table_elements(TABLE_ELEMENTS)
            .max_memory_size(limits.memory)
            .linear_memory_keep_resident(256 << 10)
            .max_unused_warm_slots(32);
        pool
    }

    /// The right to one live instance.
    pub(crate) fn permit(&self) -> Result<Permit, Problem> {
        let cap = self.limits.instances;
        let taken = self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < cap).then(|| n + 1));
        match taken {
            Ok(_) => Ok(Permit(Arc::clone(&self.live))),
            Err(_) => Err(Problem::new(Code::Busy, format!("all {cap} plugin instances are in use"))),
        }
    }

    /// Keeps the epochs coming until it is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.epochs.running()
    }
}

/// One live instance of the whole host.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(instances: u32) -> Arc<EngineRoom> {
        EngineRoom::new(Limits { instances, ..Limits::default() }).unwrap()
    }

    #[test]
    fn instances_are_pooled_where_address_space_allows() {
        let pooled = |instances| room(instances).engine.pooling_allocator_metrics().is_some();
        assert!(pooled(8));
        println!("default pool: {}", pooled(Limits::default().instances));
    }

    #[test]
    fn permits_are_counted() {
        let room = room(2);
        let held = [room.permit().unwrap(), room.permit().unwrap()];
        assert_eq!(room.permit().unwrap_err().code, Code::Busy);
        drop(held);
        assert!(room.permit().is_ok());
    }
}
