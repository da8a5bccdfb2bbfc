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

/// CPU time that the calling thread has used; wall time where the system does not tell.
pub(crate) fn thread_cpu() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd"))]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let part = |value: i64| u64::try_from(value).unwrap_or_default();
        Duration::from_secs(part(spent.tv_sec)) + Duration::from_nanos(part(spent.tv_nsec))
    }
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd"
    )))]
    uptime()
}

/// Lets every other thread go first. Where the system does not offer it, nothing happens.
pub(crate) fn lower_priority() {
    // On Linux a "process" of the priority calls is one thread.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 5);
}
