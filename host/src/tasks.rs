//! The only place that spawns. Every task has a name, is counted, and ends when its group ends.
//!
//! A panic in a task ends that task alone: it is caught, counted and logged with the task's name, never with what the
//! task was working on.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use seawall_core::ports::{Background, Call};
use tokio::sync::watch;

/// A group of tasks. Clones belong to the same group.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Group>);

#[derive(Debug)]
struct Group {
    live: watch::Sender<usize>,
    ended: watch::Sender<bool>,
    panicked: AtomicU64,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self(Arc::new(Group {
            live: watch::Sender::new(0),
            ended: watch::Sender::new(false),
            panicked: AtomicU64::new(0),
        }))
    }

    /// Starts one task. In a group that has ended it is dropped unpolled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let group = Arc::clone(&self.0);
        let mut ended = group.ended.subscribe();
        let counted = Counted::new(Arc::clone(&group));
        let supervised = async move {
            let _counted = counted;
            let task = AssertUnwindSafe(task).catch_unwind();
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {}
                result = task => if result.is_err() {
                    group.panicked.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(task = name, "a task panicked and was ended; everything else goes on");
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "this module is the one that spawns")]
        drop(tokio::spawn(supervised));
    }

    /// Tasks running now.
    pub fn live(&self) -> usize {
        *self.0.live.borrow()
    }

    /// Tasks that ended in a panic since the start.
    pub fn panicked(&self) -> u64 {
        self.0.panicked.load(Ordering::Relaxed)
    }

    /// Waits until no task runs, at most this long; whether that was reached.
    pub async fn drained(&self, at_most: Duration) -> bool {
        let mut live = self.0.live.subscribe();
        tokio::time::timeout(at_most, live.wait_for(|live| *live == 0)).await.is_ok()
    }

    /// Ends every task at its next await point, and waits until they are gone.
    pub async fn end(&self) {
        self.0.ended.send_replace(true);
        // A task that never awaits cannot be ended; waiting for it would hang the shutdown.
        self.drained(Duration::from_secs(5)).await;
    }
}

/// Runs what blocks or computes for long beside the workers; `None` when it panicked. Cannot be ended early.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// A thread of its own, for work that waits for files. A panic ends it alone.
#[derive(Debug)]
pub struct Thread {
    name: &'static str,
    handle: std::thread::JoinHandle<()>,
}

/// Starts one.
pub fn thread(name: &'static str, work: impl FnOnce() + Send + 'static) -> std::io::Result<Thread> {
    let handle = std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(Thread { name, handle })
}

impl Thread {
    /// For whoever wakes it.
    pub fn handle(&self) -> std::thread::Thread {
        self.handle.thread().clone()
    }

    /// Waits until it has ended.
    pub async fn ended(self) {
        let Self { name, handle } = self;
        if let Some(Err(_)) = blocking(move || handle.join()).await {
            tracing::error!(thread = name, "a thread panicked and was ended; everything else goes on");
        }
    }
}

/// What outlives a request runs here, supervised like everything else.
impl Background for Tasks {
    fn run(&self, name: &'static str, work: Call<'static, ()>) {
        self.spawn(name, work);
    }
}

/// HTTP/2 connections run their streams as tasks of the same group.
impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn("http2 stream", task);
    }
}

struct Counted(Arc<Group>);

impl Counted {
    fn new(group: Arc<Group>) -> Self {
        group.live.send_modify(|live| *live += 1);
        Self(group)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.live.send_modify(|live| *live = live.saturating_sub(1));
    }
}
