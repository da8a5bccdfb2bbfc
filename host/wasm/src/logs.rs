//! Log lines of plugins: tagged with plugin and generation, cut to a length, and limited in number.

use std::sync::Mutex;
use std::time::Duration;

use seawall_core::ports::PluginRef;

use crate::clock;
use crate::contract::v0_1::imports::host::Level;
use crate::lock;

const LINE_BYTES: usize = 1024;
const REFILL: Duration = Duration::from_millis(100);

/// The log of one generation.
#[derive(Debug)]
pub(crate) struct LogBook {
    plugin: PluginRef,
    burst: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    filled_at: Duration,
    dropped: u64,
    dropped_ever: u64,
}

impl LogBook {
    pub(crate) fn new(plugin: PluginRef, burst: u32) -> Self {
        let bucket = Bucket { tokens: burst, filled_at: clock::uptime(), dropped: 0, dropped_ever: 0 };
        Self { plugin, burst, bucket: Mutex::new(bucket) }
    }

    pub(crate) fn write(&self, level: Level, message: &str) {
        let Some(dropped) = lock(&self.bucket).take(self.burst) else { return };
        let PluginRef { id, generation, .. } = &self.plugin;
        if dropped > 0 {
            tracing::warn!(plugin = %id, generation, dropped, "log lines of this plugin were dropped");
        }
        let line: String = message
            .chars()
            .take(LINE_BYTES)
            // A plugin must not be able to forge lines of a human-readable log.
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match level {
            Level::Debug => tracing::debug!(plugin = %id, generation, "{line}"),
            Level::Info => tracing::info!(plugin = %id, generation, "{line}"),
            Level::Warn => tracing::warn!(plugin = %id, generation, "{line}"),
            Level::Error => tracing::error!(plugin = %id, generation, "{line}"),
        }
    }

    /// Lines that were not written so far.
    pub(crate) fn lines_dropped(&self) -> u64 {
        lock(&self.bucket).dropped_ever
    }
}

impl Bucket {
    /// `None`: this line is dropped. Else the number of lines dropped before it.
    fn take(&mut self, burst: u32) -> Option<u64> {
        let now = clock::uptime();
        let periods = now.saturating_sub(self.filled_at).as_millis() / REFILL.as_millis();
        if let Ok(periods) = u32::try_from(periods) {
            self.tokens = self.tokens.saturating_add(periods).min(burst);
            self.filled_at += REFILL * periods;
        }
        let Some(left) = self.tokens.checked_sub(1) else {
            self.dropped += 1;
            self.dropped_ever += 1;
            return None;
        };
        self.tokens = left;
        Some(std::mem::take(&mut self.dropped))
    }
}
