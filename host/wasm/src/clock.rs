//! Real clocks. Limits on plugins are about this machine's time: paused test time must not lift them.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(now);

#[expect(
    clippy::disallowed_methods,
    reason = "limits are measured in real time, also under a paused test clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// Time since the first call of this function in the process.
pub(crate) fn uptime() -> Duration {
    let start = *START;
    now().saturating_duration_since(start)
}

/// CPU time that the calling thread has used, if the system tells.
pub(crate) fn thread_cpu() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd"))]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(u64::try_from(spent.tv_sec).ok()?, u32::try_from(spent.tv_nsec).ok()?))
    }
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd"
    )))]
    None
}

/// Lets every other thread go first. Where the system does not offer it, nothing happens.
pub(crate) fn lower_priority() {
    // On Linux a "process" of the priority calls is one thread.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}
