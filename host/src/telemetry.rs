//! What the process says about itself: log lines, metrics, availability, and the live stream.
//!
//! A note of the core is told once, and everything is made from it: `event` says what its log line and its event in
//! the live stream are, `metrics` what it counts. Names stand in `names` alone.
//!
//! Invariants: watching never slows or fails a request (no wait, no lock but a short one when a request or
//! a twin has ended or a fault was injected, nothing formatted that nobody reads); what a
//! client or an upstream wrote never appears, only names of targets, classes, numbers and times.

mod event;
pub(crate) mod figures;
pub(crate) mod live;
mod metrics;
pub(crate) mod names;
pub(crate) mod otlp;
pub(crate) mod prometheus;

#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::sync::{Arc, OnceLock};

use seawall_core::availability::Availability;
use seawall_core::experiment::Lab;
use seawall_core::note::Note;
use seawall_core::ports::Observer;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

use self::event::Teller;
use self::figures::Sheet;
use self::live::Live;
pub(crate) use self::metrics::http::{HttpFigures, Visit};
pub use self::metrics::{Metrics, Totals};
use self::otlp::Otlp;
pub use self::otlp::OtlpSettings;
use crate::audit::Audit;
use crate::config::{Config, LogFormat};

/// How many notes a slow watcher may lag behind before it loses the oldest.
const LIVE_BUFFER: usize = 1024;

/// Libraries whose debug lines could quote what they carry. They speak below a warning only when named.
const QUIET: [&str; 8] =
    ["h2", "hyper", "hyper_util", "reqwest", "rustls", "wasmtime", "cranelift", "notify"];

/// Sends log lines to standard error from now on. `SEAWALL_LOG` filters them (`info` unless set); a second call in one
/// process changes nothing. Tells which format `auto` came to.
pub fn init(format: LogFormat) -> LogFormat {
    let filter = filter(&std::env::var("SEAWALL_LOG").unwrap_or_default());
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A line that cannot be written (its disk is full) is lost; complaining about it on the same disk would panic.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.log_internal_errors(false);
    let format = match format {
        LogFormat::Auto if terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    };
    // An error means that a subscriber is there already, which is what is wanted.
    let _ = if format == LogFormat::Json {
        lines.json().try_init()
    } else {
        lines.with_ansi(colour).with_target(false).try_init()
    };
    format
}

fn filter(wanted: &str) -> EnvFilter {
    let wanted = if wanted.trim().is_empty() { "info" } else { wanted };
    let quiet = QUIET.iter().map(|library| format!("{library}=warn,")).collect::<String>();
    EnvFilter::builder().parse_lossy(format!("{quiet}{wanted}"))
}

/// Hears everything the core does: counts it, judges by it, puts it on record, logs it, and passes it to whoever watches
/// live.
#[derive(Debug)]
pub struct Notes {
    /// Of this process, such as the demo's narrator.
    listeners: broadcast::Sender<Arc<Note>>,
    live: Arc<Live>,
    metrics: Metrics,
    http: Arc<HttpFigures>,
    availability: Availability,
    lab: Arc<Lab>,
    /// Set when the gateway serves; none where no trail is kept.
    audit: OnceLock<Audit>,
    /// Set where spans go to a collector.
    otlp: OnceLock<Arc<Otlp>>,
}

impl Default for Notes {
    fn default() -> Self {
        Self::new()
    }
}

impl Notes {
    /// Nobody watches yet, and nothing is kept.
    pub fn new() -> Self {
        Self {
            audit: OnceLock::new(),
            otlp: OnceLock::new(),
            listeners: broadcast::Sender::new(LIVE_BUFFER),
            live: Arc::new(Live::new()),
            metrics: Metrics::new(),
            http: Arc::default(),
            availability: Availability::new(),
            lab: Arc::new(Lab::new()),
        }
    }

    /// What is worth it is put on record from now on. The first trail stays the one.
    pub fn keep_in(&self, audit: Audit) {
        drop(self.audit.set(audit));
    }

    /// Spans are recorded and handed over from now on.
    pub(crate) fn export_to(&self, otlp: Arc<Otlp>) {
        self.http.record(otlp.sampler());
        drop(self.otlp.set(otlp));
    }

    /// What the configuration names is counted by itself from now on.
    pub fn configure(&self, config: &Config) {
        self.http.count(config.metrics.count);
        self.metrics.configure(config);
        self.availability.configure(config.aliases.values(), Instant::now());
    }

    /// Everything from now on. A receiver that lags loses the oldest notes and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Note>> {
        self.listeners.subscribe()
    }

    /// Sums since the start; none where nothing is counted.
    pub fn totals(&self) -> Option<Totals> {
        self.counts().then(|| self.metrics.totals())
    }

    /// Whether requests are counted, at the data port as here.
    fn counts(&self) -> bool {
        self.http.counts()
    }

    /// The bus of the live stream.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The data port in numbers.
    pub(crate) fn http(&self) -> &Arc<HttpFigures> {
        &self.http
    }

    /// Writes down everything that is counted here. `provider` gives the name that the conventions know a configured
    /// provider by.
    pub(crate) fn gather(&self, sheet: &mut Sheet, provider: &dyn Fn(&str) -> Option<String>) {
        if self.counts() {
            self.http.gather(sheet);
            self.metrics.gather(sheet, provider);
        }
        self.live.gather(sheet);
        if let Some(otlp) = self.otlp.get() {
            otlp.gather(sheet);
        }
    }

    /// What is known about the availability of targets and aliases.
    pub fn availability(&self) -> &Availability {
        &self.availability
    }

    /// Experiments, running and done.
    pub fn lab(&self) -> &Arc<Lab> {
        &self.lab
    }
}

impl Observer for Notes {
    fn note(&self, note: Note) {
        if self.counts() {
            self.metrics.count(&note);
        }
        let now = Instant::now();
        self.availability.note(&note, now);
        self.lab.note(&note, now);
        if let Some(audit) = self.audit.get() {
            audit.note(&note);
        }
        if let Some(otlp) = self.otlp.get() {
            otlp.offer(&note);
        }
        event::tell(&note, &mut Teller::Log);
        if self.listeners.receiver_count() > 0 {
            // An error means that the last listener has just left.
            drop(self.listeners.send(Arc::new(note.clone())));
        }
        if self.live.is_awake() {
            self.live.offer(note);
        }
    }
}
