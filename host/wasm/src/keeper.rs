//! The one thread that changes what serves while requests run: it follows the directory and rolls back.
//!
//! Every hint (a file event, the slow poll, the end of a pause) leads to the same look at the whole directory, so lost
//! or doubled events do no harm. A file counts as changed when it has been quiet and its size and time stand still; one
//! that fails is read again before anybody hears of it, because it may still be being copied.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use seawall_core::ports::PluginRef;

use crate::clock;
use crate::host::PluginHost;
use crate::load;
use crate::status::Source;
use crate::watch::{self, File, Seen};

/// Silence after the last event before the directory is looked at.
const QUIET: Duration = Duration::from_millis(80);
/// A directory that is never silent is looked at all the same.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A changed file must not change within this time.
const SETTLE: Duration = Duration::from_millis(40);
/// A failed or missing file gets a second chance after this time.
const AGAIN: Duration = Duration::from_millis(250);
/// Some file systems send no events (network mounts).
const POLL: Duration = Duration::from_secs(10);

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Something may have changed in the directory.
    Look,
    /// Look now, without waiting for silence, and say when it is done.
    Reload(SyncSender<()>),
    /// A generation keeps failing.
    Tripped(PluginRef),
    /// The host is gone.
    Stop,
}

pub(crate) fn orders() -> (SyncSender<Order>, Receiver<Order>) {
    mpsc::sync_channel(64)
}

pub(crate) fn start(
    host: &Arc<PluginHost>,
    inbox: Receiver<Order>,
    dir: Option<PathBuf>,
    watch: bool,
    seen: Seen,
) -> std::io::Result<()> {
    let hints = watch.then(|| host.hints());
    let keeper = Keeper { host: Arc::downgrade(host), dir, seen, suspects: HashMap::new() };
    std::thread::Builder::new().name("seawall-plugins".into()).spawn(move || keeper.run(&inbox, hints))?;
    Ok(())
}

struct Keeper {
    host: Weak<PluginHost>,
    dir: Option<PathBuf>,
    seen: Seen,
    /// Files that failed once, by content, or are missing (`None`).
    suspects: HashMap<Arc<str>, Option<String>>,
}

/// When to look next.
struct Agenda {
    first_hint: Option<Duration>,
    look_at: Duration,
}

impl Agenda {
    fn hint(&mut self) {
        let now = clock::uptime();
        let first = *self.first_hint.get_or_insert(now);
        self.look_at = (now + QUIET).min(first + LONGEST_WAIT);
    }

    fn after_look(&mut self, again: bool) {
        self.first_hint = None;
        self.look_at = clock::uptime() + if again { AGAIN } else { POLL };
    }
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Order>, hints: Option<SyncSender<Order>>) {
        // Compiling must not take the processor from requests.
        clock::lower_priority();
        let follows = hints.is_some();
        let mut eyes = Eyes::open(self.dir.as_deref(), hints);
        // What changed between the load and the watcher's start shows at once.
        let mut agenda = Agenda { first_hint: None, look_at: clock::uptime() };
        loop {
            let wait = agenda.look_at.saturating_sub(clock::uptime());
            let order = if follows || !self.suspects.is_empty() {
                inbox.recv_timeout(wait)
            } else {
                inbox.recv().map_err(RecvTimeoutError::from)
            };
            match order {
                Ok(Order::Look) => agenda.hint(),
                Ok(Order::Reload(done)) => {
                    let Some(host) = self.host.upgrade() else { return };
                    eyes.look_for(self.dir.as_deref());
                    let again = self.look(&host, Duration::ZERO);
                    agenda.after_look(again);
                    let _ = done.try_send(());
                }
                Ok(Order::Tripped(plugin)) => match self.host.upgrade() {
                    Some(host) => host.tripped(&plugin),
                    None => return,
                },
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let Some(host) = self.host.upgrade() else { return };
                    eyes.look_for(self.dir.as_deref());
                    let again = self.look(&host, SETTLE);
                    agenda.after_look(again);
                }
            }
        }
    }

    /// Loads what changed; true when something needs a second look soon.
    fn look(&mut self, host: &PluginHost, settle: Duration) -> bool {
        let Some(dir) = self.dir.clone() else { return false };
        let before = watch::scan(&dir);
        let mut again = self.drain_missing(host, &before);
        let changed = |id: &Arc<str>, file: &File| !self.seen.is_unchanged(id, file);
        if !before.iter().any(|(id, file)| changed(id, file)) {
            return again;
        }
        std::thread::sleep(settle);
        let after = watch::scan(&dir);
        let settled: Vec<(Arc<str>, File)> = after
            .into_iter()
            .filter(|(id, file)| changed(id, file))
            .filter(|(id, file)| {
                let stable = before.get(id) == Some(file);
                again |= !stable;
                stable
            })
            .collect();
        for (id, file) in settled {
            again |= self.load(host, &id, &file);
        }
        again
    }

    fn drain_missing(
        &mut self,
        host: &PluginHost,
        files: &std::collections::BTreeMap<Arc<str>, File>,
    ) -> bool {
        let mut again = false;
        for id in self.seen.missing(files) {
            // Editors move the old file away before they write the new one.
            if self.suspects.insert(Arc::clone(&id), None) == Some(None) {
                self.suspects.remove(&id);
                self.seen.forget(&id);
                host.file_gone(&id);
            } else {
                again = true;
            }
        }
        again
    }

    fn load(&mut self, host: &PluginHost, id: &Arc<str>, file: &File) -> bool {
        let bytes = match watch::read(file, host.file_cap()) {
            Ok(bytes) => bytes,
            Err(problem) => return self.failed(host, id, file, String::new(), problem),
        };
        let sha256 = load::sha256(&bytes);
        if self.seen.sha256(id) == Some(&sha256) {
            self.suspects.remove(id);
            self.seen.remember(id, file, sha256);
            return false;
        }
        match host.load(id, &bytes, Source::File) {
            Ok(()) => {
                self.suspects.remove(id);
                self.seen.remember(id, file, sha256);
                false
            }
            Err(problem) => self.failed(host, id, file, sha256, problem),
        }
    }

    /// The first failure of a content is only noted, the second one is reported. A full house says nothing of the file.
    fn failed(
        &mut self,
        host: &PluginHost,
        id: &Arc<str>,
        file: &File,
        sha256: String,
        problem: crate::diagnose::Problem,
    ) -> bool {
        let known = self.suspects.insert(Arc::clone(id), Some(sha256.clone()));
        if problem.code.is_back_pressure() || known.flatten().as_ref() != Some(&sha256) {
            return true;
        }
        self.suspects.remove(id);
        self.seen.remember(id, file, sha256);
        host.reject(id, problem);
        false
    }
}

/// How the keeper learns of changes between two polls.
enum Eyes {
    /// Not at all.
    Shut,
    /// The folder does not exist yet.
    Waiting(SyncSender<Order>),
    /// The operating system tells of them.
    Watching { _watcher: RecommendedWatcher },
}

impl Eyes {
    fn open(dir: Option<&Path>, hints: Option<SyncSender<Order>>) -> Self {
        let Some((dir, hints)) = dir.zip(hints) else { return Self::Shut };
        if is_missing(dir) {
            tracing::info!(
                "the plugins folder {} does not exist yet; it is looked for every {} s",
                dir.display(),
                POLL.as_secs()
            );
            return Self::Waiting(hints);
        }
        Self::watch(dir, hints)
    }

    /// Starts to watch the folder once it is there.
    fn look_for(&mut self, dir: Option<&Path>) {
        if let (Self::Waiting(hints), Some(dir)) = (&*self, dir)
            && !is_missing(dir)
        {
            *self = Self::watch(dir, hints.clone());
        }
    }

    fn watch(dir: &Path, hints: SyncSender<Order>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                // A full queue already holds a hint, or orders after which the poll follows.
                let _ = hints.try_send(Order::Look);
            }
        });
        let started = watcher.and_then(|mut watcher| {
            watcher.watch(dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match started {
            Ok(watcher) => Self::Watching { _watcher: watcher },
            Err(error) => {
                tracing::warn!("{} is looked at every {} s only: {error}", dir.display(), POLL.as_secs());
                Self::Shut
            }
        }
    }
}

fn is_missing(dir: &Path) -> bool {
    dir.try_exists().is_ok_and(|exists| !exists)
}
