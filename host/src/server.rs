//! The gateway as one thing that starts, says where it is, and ends in order. The command line, the demo and tests all
//! start it here; several can run in one process.

mod listener;
mod patience;
mod plugins;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_core::budget::Budget;
use seawall_core::cascade::{Engine, Limits};
use seawall_core::fault::Chaos;
use seawall_core::ports::{Clock, TokioClock};
use seawall_core::random::Random;
use seawall_core::target::TargetId;
use seawall_core::targets::Targets;
use seawall_wasm::PluginHost;
use tokio::time::{Instant, interval, sleep};

pub use self::listener::ListenError;
use self::listener::{Bounds, Listener, Term};
use crate::admin::Admin;
use crate::audit::{Audit, Redaction};
use crate::bundled::bundled_plugins;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::ingress::Ingress;
use crate::reports::Reports;
use crate::shutdown::{Patience, Phase, Shutdown, signal};
use crate::state::{AdminToken, StateDir, StateError};
use crate::tasks::Tasks;
use crate::telemetry::otlp::Otlp;
use crate::telemetry::{Notes, OtlpSettings};
use crate::transport::{CredentialError, Credentials, Transport, TransportSettings, TransportSetupError};

/// Operators, their dashboards and scripts: few.
const MAX_ADMIN_CONNECTIONS: usize = 256;
/// What requests get to tell their clients that it is over, and other tasks to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Between two ticks of a timer that does nothing but be due soon. The runtime interrupts its own waiting by a system
/// call whenever a timer is set that comes before all others; beside this one that holds for no time limit of a request
/// (the soonest is a hedge's, 300 ms), while without it every fourth request of a busy gateway pays for such a call.
const PULSE: Duration = Duration::from_millis(250);

/// What a start can vary beside the configuration.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Connections of clients at the same time; more wait in the system's queue.
    pub max_connections: usize,
    /// Between readiness turning false and the end of accepting.
    pub pause: Duration,
    /// Makes jitter and sampling repeatable; none = different at every start.
    pub seed: Option<u64>,
    /// Components that came with the binary, by plugin id; none = those of this build.
    pub bundled: Option<Vec<(String, Cow<'static, [u8]>)>>,
    /// Collectors of traces and metrics; none = nothing is sent.
    pub otlp: Option<OtlpSettings>,
    /// Look for changes in the plugins directory while running.
    pub watch_plugins: bool,
    /// What takes secrets out of what is put on record; none = what the configuration says.
    pub redaction: Option<Arc<dyn Redaction>>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            pause: Patience::default().pause,
            seed: None,
            bundled: None,
            otlp: None,
            watch_plugins: true,
            redaction: None,
        }
    }
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The audit trail's folder cannot be used.
    #[error(
        "the audit trail cannot be kept in {}: {source}; [audit] dir chooses another place, enabled = false none",
        dir.display()
    )]
    Audit {
        /// Where.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A credential cannot be sent.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Outgoing HTTP cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportSetupError),
    /// The component runtime cannot be set up.
    #[error("plugins cannot be run on this machine: {0}")]
    Plugins(#[from] seawall_wasm::Problem),
    /// Loading plugins panicked.
    #[error("loading the plugins failed; this is a defect, the log says where")]
    Panicked,
}

/// A gateway that serves.
pub struct Running {
    /// Where clients are served, with the real port.
    pub data_addr: SocketAddr,
    /// Where operators are served.
    pub admin_addr: SocketAddr,
    /// Opens the admin interface; `fresh` when it was made at this start and should be shown.
    pub admin_token: AdminToken,
    /// Everything that happens.
    pub notes: Arc<Notes>,
    /// The plugins' host.
    pub plugins: Arc<PluginHost>,
    /// Answers requests.
    pub gateway: Arc<Gateway>,
    /// The trail, if one is kept.
    pub audit: Option<Audit>,
    shutdown: Shutdown,
    patience: Patience,
    clients: Tasks,
    /// Calls that no client waits for.
    background: Tasks,
    operators: Tasks,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("data_addr", &self.data_addr)
            .field("admin_addr", &self.admin_addr)
            .finish_non_exhaustive()
    }
}

/// Starts a gateway. When this returns it accepts connections.
pub async fn start(config: Config, options: StartOptions) -> Result<Running, StartError> {
    let started = Instant::now();
    let patience = Patience { pause: options.pause, drain: config.server.shutdown_timeout };
    // First what fails often and costs nothing: addresses in use, unusable credentials.
    let data = Listener::bind("client", config.server.listen).await?;
    let admin = Listener::bind("admin", config.admin.listen).await?;
    let state = StateDir::open(&config.state_dir)?;
    let admin_token = match &config.admin.token {
        Some(token) => AdminToken::given(token.clone()),
        None => state.admin_token()?,
    };
    let transport = Arc::new(transport(&config)?);
    let bundled = options.bundled.unwrap_or_else(bundled_plugins);

    let reports = Reports::open(&state)?;
    let notes = Arc::new(Notes::new());
    notes.configure(&config);
    notes.lab().remember(reports.read());
    let clock: Arc<dyn Clock> = Arc::new(TokioClock);
    let random = Arc::new(Random::seeded(options.seed.unwrap_or_else(|| RandomState::new().hash_one(0))));
    let targets = Arc::new(Targets::new(
        Arc::clone(&clock),
        Arc::clone(&random),
        notes.clone(),
        config.breaker.clone(),
    ));
    targets.configure(&configured(&config), &config.breaker);
    let plugins = plugins::start(&config, &state, bundled, options.watch_plugins, &targets).await?;
    // Behind everything that can fail: a start that fails is no run.
    let audit = audit(&config, options.redaction)?;
    audit.iter().for_each(|audit| notes.keep_in(audit.clone()));
    let ids = audit.as_ref().map_or_else(Arc::default, |audit| Arc::clone(audit.ids()));
    let background = Tasks::new();
    let chaos = Arc::new(Chaos::new(Arc::clone(&clock), notes.clone()));
    chaos.configure(config.chaos.caps);
    let engine = Engine {
        targets: Arc::clone(&targets),
        upstream: transport,
        plugins: plugins.clone(),
        chaos: Arc::clone(&chaos),
        budget: Arc::new(Budget::new(Arc::clone(&clock))),
        limits: Limits {
            max_answer_bytes: config.server.max_answer_bytes,
            max_event_bytes: config.server.max_event_bytes,
        },
        clock,
        random,
        observer: notes.clone(),
        background: Arc::new(background.clone()),
    };
    let send_timeout = config.server.send_timeout;
    let config = Arc::new(ArcSwap::from_pointee(config));
    let gateway = Arc::new(Gateway::new(Arc::clone(&config), engine, audit.clone()));

    let shutdown = Shutdown::new();
    let (clients, operators) = (Tasks::new(), Tasks::new());
    let (data_addr, admin_addr) = (data.addr(), admin.addr());
    let http = Arc::clone(notes.http());
    let ingress = Ingress::new(gateway.clone(), Arc::clone(&config), http, shutdown.watch(), ids);
    let desk = Arc::new(Admin {
        token: admin_token.secret.clone(),
        addr: admin_addr,
        config,
        ingress: Arc::clone(ingress.admission()),
        targets,
        chaos,
        plugins: plugins.clone(),
        control: plugins.clone(),
        notes: Arc::clone(&notes),
        reports: Some(reports),
        audit: audit.clone(),
        tasks: clients.clone(),
        background: background.clone(),
        phase: shutdown.watch(),
        started,
    });
    if let Some(settings) = options.otlp {
        let otlp = Arc::new(Otlp::new(settings)?);
        notes.export_to(Arc::clone(&otlp));
        operators.spawn("telemetry export", otlp.run(desk.clone(), shutdown.watch()));
    }
    background.spawn("pulse", pulse());
    background.spawn("live stream", Arc::clone(notes.live()).run(desk.clone()));
    let term = |until| Term { watch: shutdown.watch(), until };
    let bounds = |connections| Bounds { connections, send: send_timeout };
    data.serve(ingress, &clients, term(Phase::Draining), bounds(options.max_connections));
    admin.serve(desk.routes(), &operators, term(Phase::Ended), bounds(MAX_ADMIN_CONNECTIONS));
    tracing::info!(data = %data_addr, admin = %admin_addr, started_in_ms = elapsed_ms(started), "serving");
    Ok(Running {
        data_addr,
        admin_addr,
        admin_token,
        notes,
        plugins,
        gateway,
        audit,
        shutdown,
        patience,
        clients,
        background,
        operators,
    })
}

impl Running {
    /// Serves until the operating system asks to stop, then ends in order. A second request ends at once.
    pub async fn wait(self) {
        signal().await;
        tracing::info!("stopping: streams under way may finish; a second signal ends them");
        let (clients, operators) = (self.clients.clone(), self.operators.clone());
        let (background, audit) = (self.background.clone(), self.audit.clone());
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = self.shutdown() => {}
            () = signal() => {
                shutdown.advance(Phase::Closing);
                clients.drained(LAST_WORDS).await;
                clients.end().await;
                background.end().await;
                close(audit.as_ref()).await;
                operators.end().await;
            }
        }
    }

    /// Ends in order: not ready, a pause, no new connections, streams finish, the rest is told and ended.
    pub async fn shutdown(self) {
        self.shutdown.advance(Phase::Leaving);
        sleep(self.patience.pause).await;
        self.shutdown.advance(Phase::Draining);
        if !self.clients.drained(self.patience.drain).await {
            tracing::warn!(connections = self.clients.live(), "streams did not finish in time and are ended");
            self.shutdown.advance(Phase::Closing);
            self.clients.drained(LAST_WORDS).await;
        }
        self.clients.end().await;
        self.background.end().await;
        // Nobody who could hand anything over is left but operators, and they may see how it ended.
        close(self.audit.as_ref()).await;
        self.shutdown.advance(Phase::Ended);
        self.operators.drained(LAST_WORDS).await;
        self.operators.end().await;
    }
}

async fn pulse() {
    let mut ticks = interval(PULSE);
    loop {
        ticks.tick().await;
    }
}

async fn close(audit: Option<&Audit>) {
    if let Some(audit) = audit {
        audit.close().await;
    }
}

fn audit(config: &Config, redaction: Option<Arc<dyn Redaction>>) -> Result<Option<Audit>, StartError> {
    if !config.audit.enabled {
        return Ok(None);
    }
    let started = Audit::start(config.audit.clone(), redaction);
    started.map(Some).map_err(|source| StartError::Audit { dir: config.audit.dir.clone(), source })
}

fn transport(config: &Config) -> Result<Transport, StartError> {
    let secrets = config.providers.values().filter_map(|provider| {
        let secret = provider.credential.clone()?;
        Some((Arc::clone(&provider.name), secret))
    });
    let settings = TransportSettings {
        max_answer_bytes: config.server.max_answer_bytes,
        ..TransportSettings::default()
    };
    Ok(Transport::new(&settings, Credentials::new(secrets)?)?)
}

fn configured(config: &Config) -> Vec<TargetId> {
    config.aliases.values().flat_map(|alias| &alias.targets).map(|target| target.id.clone()).collect()
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
