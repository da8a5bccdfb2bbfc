//! What one plugin may use. Every limit is the host's; a plugin cannot ask for more.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Bounds for all plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of a call. Wall time may be longer on a machine that pre-empts the thread.
    pub deadline: Duration,
    /// Added for each MiB that the call is given.
    pub deadline_per_mib: Duration,
    /// CPU time of a routing decision.
    pub policy_deadline: Duration,
    /// CPU time to start an instance, and of `describe`, `configure` and `model`: language runtimes start slowly.
    pub start_deadline: Duration,
    /// Memory of one instance in bytes.
    pub memory: usize,
    /// Data that one call may return or pass to the host, in bytes.
    pub output: usize,
    /// Live instances of all plugins together; one more is a fault with `busy`.
    pub instances: u32,
    /// Instances of one plugin that wait for the next call.
    pub idle: usize,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: u32,
    /// An instance that grew by more than this since it started is not kept, in bytes.
    pub memory_mark: usize,
    /// A plugin whose calls take longer than this on average leaves the workers for the pool of slow plugins.
    pub slow: Duration,
    /// Threads of that pool.
    pub slow_threads: usize,
    /// Log lines that a plugin may write at once; one more comes free every 100 ms.
    pub log_burst: u32,
    /// Largest file that is loaded, in bytes.
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            deadline: Duration::from_millis(20),
            deadline_per_mib: Duration::from_millis(10),
            policy_deadline: Duration::from_millis(2),
            start_deadline: Duration::from_millis(500),
            memory: 64 * MIB,
            output: 16 * MIB,
            instances: 1000,
            idle: 16,
            calls_per_instance: 10_000,
            memory_mark: 8 * MIB,
            slow: Duration::from_millis(2),
            slow_threads: 4,
            log_burst: 20,
            file: 64 * MIB as u64,
        }
    }
}

impl Limits {
    /// CPU time of a call that is given so many bytes.
    pub(crate) fn call(&self, bytes: usize) -> Duration {
        let mib = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        self.deadline.saturating_add(self.deadline_per_mib.saturating_mul(mib))
    }
}

/// Counts the memory of one instance and refuses what goes over the cap.
#[derive(Debug)]
pub(crate) struct Meter {
    cap: usize,
    used: usize,
    /// A growth was refused: the trap that follows is about memory.
    pub(crate) refused: bool,
}

impl Meter {
    pub(crate) fn new(cap: usize) -> Self {
        Self { cap, used: 0, refused: false }
    }

    /// Bytes of linear memory in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.cap {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= crate::engine::TABLE_ELEMENTS)
    }

    // Some language runtimes are linked from dozens of core modules.
    fn instances(&self) -> usize {
        crate::engine::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        crate::engine::CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        crate::engine::MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_buys_time() {
        let limits = Limits::default();
        assert_eq!(limits.call(1000), Duration::from_millis(20));
        assert_eq!(limits.call(3 << 20), Duration::from_millis(50));
    }

    #[test]
    fn all_memories_of_an_instance_share_one_cap() {
        let mut meter = Meter::new(100);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(!meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.refused && meter.used() == 60);
    }
}
