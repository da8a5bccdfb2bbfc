//! The order of leaving: say so (ready = no), wait a moment so that load balancers notice, stop accepting, let streams
//! finish, tell the rest that it ends, end it. A second signal skips the waiting.

use std::time::Duration;

use tokio::sync::watch;

/// How far the process has gone on its way out. Only ever moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    #[default]
    Serving,
    /// Still serving, but asking to be left alone.
    Leaving,
    /// No new connections, and no new requests on old ones.
    Draining,
    /// What is still under way is told so, and ends.
    Closing,
    /// Nothing more.
    Ended,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between readiness turning false and the end of accepting.
    pub pause: Duration,
    /// For requests and streams under way.
    pub drain: Duration,
}

impl Default for Patience {
    /// Answers of language models last minutes, so draining does too.
    fn default() -> Self {
        Self { pause: Duration::from_secs(3), drain: Duration::from_secs(300) }
    }
}

/// Tells every listener and connection the phase. Clones are the same thing.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<Phase>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Serving.
    pub fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    /// Moves forward; never back.
    pub fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// A view that can wait.
    pub fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.0.subscribe())
    }
}

/// Waits for a phase.
#[derive(Clone, Debug)]
pub struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    /// Ready once the phase is reached or passed, or nobody is left who could say.
    pub async fn reached(&mut self, phase: Phase) {
        drop(self.0.wait_for(|now| *now >= phase).await);
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }
}

/// Ready at the next request of the operating system to stop: ctrl-c or SIGTERM.
pub async fn signal() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate() => {}
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be caught; stop with ctrl-c");
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::{Phase, Shutdown};

    #[tokio::test]
    async fn phases_only_move_forward() {
        let shutdown = Shutdown::new();
        let mut watch = shutdown.watch();
        shutdown.advance(Phase::Draining);
        watch.reached(Phase::Leaving).await;
        shutdown.advance(Phase::Leaving);
        assert_eq!(shutdown.phase(), Phase::Draining);
    }
}
