//! The public face: starts, serves, rebinds, rolls back and reports.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use seawall_core::ports::{PluginRef, PluginSet, PluginSource};

use crate::cache::Cache;
use crate::diagnose::{Code, Problem};
use crate::engine::EngineRoom;
use crate::generation::Shared;
use crate::keeper::{self, Order};
use crate::limits::Limits;
use crate::load::{self, Candidate};
use crate::lock;
use crate::registry::{Binding, Registry};
use crate::slow::SlowPool;
use crate::status::{AdapterInfo, PluginEvent, PluginStatus, Source};
use crate::watch;

/// Told of every [`PluginEvent`], from the thread where it happened; must not block for long.
pub type OnEvent = Arc<dyn Fn(PluginEvent) + Send + Sync>;

/// A plugin that came with the binary. A file of the same id in the plugins directory takes its place.
#[derive(Clone, Debug)]
pub struct Bundled {
    /// Its id.
    pub id: Cow<'static, str>,
    /// The component.
    pub bytes: Cow<'static, [u8]>,
}

/// How to start a [`PluginHost`].
#[derive(Clone)]
pub struct HostOptions {
    /// The plugins directory; a missing one counts as empty.
    pub dir: Option<PathBuf>,
    /// Private directory for compiled code; `None` compiles at each start.
    pub cache_dir: Option<PathBuf>,
    /// Plugins that came with the binary.
    pub bundled: Vec<Bundled>,
    /// Configured providers.
    pub bindings: Vec<Binding>,
    /// What a plugin may use.
    pub limits: Limits,
    /// Follow changes of the directory.
    pub watch: bool,
    /// Told what happens to plugins.
    pub on_event: OnEvent,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            dir: None,
            cache_dir: None,
            bundled: Vec::new(),
            bindings: Vec::new(),
            limits: Limits::default(),
            watch: false,
            on_event: Arc::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for HostOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostOptions")
            .field("dir", &self.dir)
            .field("cache_dir", &self.cache_dir)
            .field("bindings", &self.bindings)
            .field("limits", &self.limits)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

/// All plugins of one gateway.
pub struct PluginHost {
    shared: Shared,
    cache: Cache,
    on_event: OnEvent,
    bundled: Vec<Bundled>,
    registry: Mutex<Registry>,
    current: ArcSwap<PluginSet>,
    orders: SyncSender<Order>,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").finish_non_exhaustive()
    }
}

impl PluginSource for PluginHost {
    fn current(&self) -> Arc<PluginSet> {
        self.current.load_full()
    }
}

impl Drop for PluginHost {
    fn drop(&mut self) {
        let _ = self.orders.try_send(Order::Stop);
    }
}

impl PluginHost {
    /// Loads everything there is and starts to watch. A bad file or binding is reported in [`PluginHost::status`] and
    /// [`PluginHost::problems`]; only a machine that cannot run plugins at all is an error.
    pub fn start(options: HostOptions) -> Result<Arc<Self>, Problem> {
        let limits = options.limits;
        let slow = SlowPool::start(limits.slow_threads).map_err(|error| {
            Problem::new(Code::Host, format!("the pool for slow plugins does not start: {error}"))
        })?;
        let (orders, inbox) = keeper::orders();
        let tripped = orders.clone();
        let shared = Shared {
            room: EngineRoom::new(limits)?,
            slow: Arc::new(slow),
            on_tripped: Arc::new(move |plugin: &PluginRef| {
                match tripped.try_send(Order::Tripped(plugin.clone())) {
                    Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                    Err(TrySendError::Full(_)) => {
                        tracing::warn!(plugin = %plugin.id, "too many plugin orders at once")
                    }
                }
            }),
        };
        let host = Arc::new(Self {
            shared,
            cache: Cache::open(options.cache_dir),
            on_event: options.on_event,
            bundled: options.bundled,
            registry: Mutex::default(),
            current: ArcSwap::default(),
            orders,
        });
        lock(&host.registry).expect(options.bindings);
        let seen = host.load_all(options.dir.as_deref());
        host.swap(&mut lock(&host.registry));
        keeper::start(&host, inbox, options.dir, options.watch, seen).map_err(|error| {
            Problem::new(Code::Host, format!("the plugin keeper does not start: {error}"))
        })?;
        Ok(host)
    }

    /// Loads files before bundled plugins of the same id, several at once: nobody waits for the processor yet.
    fn load_all(&self, dir: Option<&std::path::Path>) -> watch::Seen {
        let mut seen = watch::Seen::default();
        let files = dir.map(watch::scan).unwrap_or_default();
        let bundled_ids = self.bundled.iter().map(|bundled| Arc::<str>::from(bundled.id.as_ref()));
        let ids: std::collections::BTreeSet<Arc<str>> = files.keys().cloned().chain(bundled_ids).collect();
        let jobs = Mutex::new(ids.into_iter());
        let read = Mutex::new(&mut seen);
        let work = || {
            loop {
                let Some(id) = lock(&jobs).next() else { return };
                if let Some(file) = files.get(&id) {
                    match watch::read(file, self.shared.room.limits.file) {
                        Ok(bytes) => {
                            lock(&read).remember(&id, file, load::sha256(&bytes));
                            if self
                                .load(&id, &bytes, Source::File)
                                .map_err(|problem| self.reject(&id, problem))
                                .is_ok()
                            {
                                continue;
                            }
                        }
                        Err(problem) => self.reject(&id, problem),
                    }
                }
                self.load_bundled(&id);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let _ = std::thread::Builder::new().name("seawall-load".into()).spawn_scoped(scope, work);
            }
            work();
        });
        seen
    }

    /// Loads one file and lets it serve. On an error nothing has changed and nothing is reported yet.
    pub(crate) fn load(&self, id: &Arc<str>, bytes: &[u8], source: Source) -> Result<(), Problem> {
        let digest = Arc::from(load::sha256(bytes));
        let (plugin, bindings, served) = {
            let registry = lock(&self.registry);
            (registry.next_name(id, digest), registry.bindings_of(id), registry.served(id))
        };
        let candidate = Candidate { plugin, bytes, source, bindings: &bindings, served: &served };
        let version = load::load(&self.shared, &self.cache, &candidate)?;
        let mut registry = lock(&self.registry);
        let event = registry.install(version);
        self.swap(&mut registry);
        drop(registry);
        self.tell(event);
        Ok(())
    }

    /// Loads the bundled plugin of that id, if there is one.
    pub(crate) fn load_bundled(&self, id: &Arc<str>) -> bool {
        let Some(bundled) = self.bundled.iter().find(|bundled| bundled.id == **id) else { return false };
        let problem = lock(&self.registry).problem_of(id);
        match self.load(id, &bundled.bytes, Source::Bundled) {
            Ok(()) => {
                // The refused file that it stands in for is still there to be corrected.
                if let Some(problem) = problem {
                    lock(&self.registry).reject(id, problem);
                }
            }
            Err(problem) => self.reject(id, problem),
        }
        true
    }

    pub(crate) fn reject(&self, id: &Arc<str>, problem: Problem) {
        let event = lock(&self.registry).reject(id, problem);
        self.tell(event);
    }

    /// The file is gone: the bundled plugin of the same id comes back, else the plugin drains.
    pub(crate) fn file_gone(&self, id: &Arc<str>) {
        if self.bundled.iter().any(|bundled| bundled.id == **id) {
            lock(&self.registry).forgive(id);
            self.load_bundled(id);
            return;
        }
        let mut registry = lock(&self.registry);
        let event = registry.drain(id);
        self.swap(&mut registry);
        drop(registry);
        if let Some(event) = event {
            self.tell(event);
        }
    }

    /// A generation keeps failing: return to an older one, or raise the alarm.
    pub(crate) fn tripped(&self, plugin: &PluginRef) {
        let mut registry = lock(&self.registry);
        let Some(version) = registry.active(&plugin.id).filter(|version| version.name() == plugin) else {
            return;
        };
        let last = version.vitals().last_problem().map_or_else(String::new, |problem| format!(": {problem}"));
        let words = |code, what: &str| {
            Problem::new(code, format!("three different requests failed within a minute{last}; {what}"))
        };
        let event = registry
            .roll_back(&plugin.id, words(Code::RolledBack, "an older version serves"))
            .unwrap_or_else(|| {
                registry.alarm(plugin, words(Code::KeepsFailing, "there is no older version"))
            });
        self.swap(&mut registry);
        drop(registry);
        self.tell(event);
    }

    /// For whoever sees that something may have changed in the directory.
    pub(crate) fn hints(&self) -> SyncSender<Order> {
        self.orders.clone()
    }

    /// Largest file that is read, in bytes.
    pub(crate) fn file_cap(&self) -> u64 {
        self.shared.room.limits.file
    }

    fn swap(&self, registry: &mut Registry) {
        self.current.store(Arc::new(registry.build()));
    }

    fn tell(&self, event: PluginEvent) {
        match &event {
            PluginEvent::Loaded { plugin, replaces, .. } => {
                tracing::info!(plugin = %plugin.id, generation = plugin.generation, replaces, "plugin loaded");
            }
            PluginEvent::Rejected { id, problem } => {
                tracing::error!(plugin = %id, code = %problem.code, "plugin refused: {problem}")
            }
            PluginEvent::Drained { id } => tracing::info!(plugin = %id, "plugin drained"),
            PluginEvent::RolledBack { id, from, to, problem } => {
                tracing::error!(plugin = %id, from, to, code = %problem.code, "plugin rolled back: {problem}");
            }
            PluginEvent::KeepsFailing { plugin, problem } => {
                tracing::error!(plugin = %plugin.id, generation = plugin.generation, code = %problem.code, "plugin keeps failing: {problem}");
            }
        }
        (self.on_event)(event);
    }

    /// Looks at the directory now (a signal, an operator), and returns when what was found there serves or was put
    /// aside for a second look. A file that fails is still read again before it is reported.
    pub fn reload(&self) {
        let (done, finished) = std::sync::mpsc::sync_channel(1);
        if self.orders.send(Order::Reload(done)).is_ok() {
            let _ = finished.recv();
        }
    }

    /// Serves other bindings from now on. When a loaded adapter refuses one of them nothing changes; a binding whose
    /// plugin is not there becomes a standing problem. Asks plugins, so call it where a few milliseconds do no harm.
    pub fn rebind(&self, bindings: Vec<Binding>) -> Result<(), Vec<Problem>> {
        let mut registry = lock(&self.registry);
        let set = registry.rebind(bindings)?;
        self.current.store(Arc::new(set));
        Ok(())
    }

    /// Returns to the last good generation of a plugin. False when there is none.
    pub fn rollback(&self, id: &str) -> bool {
        let mut registry = lock(&self.registry);
        let problem = Problem::new(Code::RolledBack, "an operator asked for the older version");
        let Some(event) = registry.roll_back(id, problem) else { return false };
        self.swap(&mut registry);
        drop(registry);
        self.tell(event);
        true
    }

    /// Every plugin that was ever seen, by id.
    pub fn status(&self) -> Vec<PluginStatus> {
        lock(&self.registry).status()
    }

    /// What stands in the way now: refused files (with their id), and bindings that do not work (with their provider).
    pub fn problems(&self) -> Vec<(Option<Arc<str>>, Problem)> {
        lock(&self.registry).standing_problems()
    }

    /// The generation of a plugin that serves now.
    pub fn generation(&self, id: &str) -> Option<u64> {
        lock(&self.registry).active(id).map(|version| version.name().generation)
    }

    /// What each adapter tells without any configuration.
    pub fn infos(&self) -> Vec<Arc<AdapterInfo>> {
        lock(&self.registry).versions().filter_map(|version| Some(Arc::clone(version.adapter()?.1))).collect()
    }
}
