//! Logging through the host.

/// How important a message is.
pub use crate::bindings::adapter::seawall::plugin::host::Level;

/// Writes one line to the gateway's log; rate-limited there. Never log content. Silent on native targets.
pub fn log(level: Level, message: &str) {
    if cfg!(target_arch = "wasm32") {
        crate::bindings::adapter::seawall::plugin::host::log(level, message);
    }
}
