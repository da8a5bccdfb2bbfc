//! Seawall's plugin host: the one crate that knows wasmtime.
//!
//! A [`PluginHost`] loads components from a directory (and those that came with the binary), serves them to the core
//! through [`seawall_core::ports::PluginSource`], and replaces them while requests are under way. What it promises:
//!
//! - a plugin sees no secret and reaches nothing: what surrounds it is empty, and the contract gives it no more than it needs;
//! - a plugin cannot stop the gateway: CPU time, memory, output, logs and instances are bounded ([`Limits`]);
//! - a plugin's failure costs one candidate: it comes back as a fault with a stable code ([`Code`]);
//! - a reload fails no request: the new version is compiled, linked and tried before it is swapped in, requests and
//!   streams keep the version that they started with, and a bad file changes nothing.

mod ambient;
mod cache;
mod check;
mod clock;
mod contract;
mod diagnose;
mod engine;
mod epochs;
mod generation;
mod guest;
mod host;
mod instance;
mod keeper;
mod kinds;
mod limits;
mod load;
mod logs;
mod registry;
mod slow;
mod status;
mod version;
mod vitals;
mod watch;

pub use check::{Report, check_file};
pub use diagnose::{Code, Problem};
pub use host::{Bundled, HostOptions, OnEvent, PluginHost};
pub use limits::Limits;
pub use registry::Binding;
pub use status::{AdapterInfo, Kind, Manifest, PluginEvent, PluginStatus, Source, State, VersionStatus};

/// A lock whose holder panicked still guards whole data here: nothing is left half written under any lock of this
/// crate.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
