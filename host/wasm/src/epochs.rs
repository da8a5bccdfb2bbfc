//! The engine's clock: while a guest runs, its epochs come every millisecond.
//!
//! Most calls take microseconds. Between them the thread only looks every few milliseconds whether one outlasts the look,
//! since each turn takes a worker's processor away for a moment: a call that began meanwhile sees its first epoch that
//! much later, and none earlier.
//!
//! An OS thread counts them (a task of the async runtime would starve exactly when a guest spins). It rests while
//! nothing runs, without a timer, until the next call wakes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

const TICK: Duration = Duration::from_millis(1);
/// Between two looks while no guest was seen running.
const PATROL: Duration = Duration::from_millis(4);
/// Looks without any guest before the rest. Steady traffic thus pays for waking a thread next to never.
const IDLE_LOOKS: u32 = 25;

/// Ends its thread when dropped.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// Guests that run. A count, not a time of the last call: a guest that outlasts the idle time still needs its ticks.
    running: AtomicUsize,
    resting: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A guest is running.
pub(crate) struct Running<'a>(&'a Epochs);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Epochs {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Epochs {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let epochs = Arc::new(Self::default());
        let (shared, engine) = (Arc::downgrade(&epochs), engine.weak());
        let handle = std::thread::Builder::new()
            .name("seawall-epochs".into())
            .spawn(move || Self::count(&shared, &engine))?;
        let _ = epochs.thread.set(handle.thread().clone());
        Ok((epochs, handle))
    }

    /// Keeps the epochs coming until it is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        // In one order with `count`, which first says that it rests and then looks for guests: one of both sees the
        // other, so no guest runs without a clock.
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.resting.load(Ordering::SeqCst) && self.resting.swap(false, Ordering::SeqCst) {
            self.wake();
        }
        Running(self)
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The thread. It owns nothing that it waits for: whoever drops the last of it ends the count.
    fn count(shared: &Weak<Self>, engine: &EngineWeak) {
        let mut idle = 0;
        while let Some((epochs, engine)) = shared.upgrade().zip(engine.upgrade()) {
            engine.increment_epoch();
            idle = if epochs.is_idle() { idle + 1 } else { 0 };
            if idle < IDLE_LOOKS {
                drop((epochs, engine));
                std::thread::sleep(if idle == 0 { TICK } else { PATROL });
                continue;
            }
            idle = 0;
            epochs.resting.store(true, Ordering::SeqCst);
            if !epochs.is_idle() {
                epochs.resting.store(false, Ordering::SeqCst);
            }
            drop((epochs, engine));
            while shared.upgrade().is_some_and(|epochs| epochs.resting.load(Ordering::SeqCst)) {
                std::thread::park();
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Engine, Arc<Epochs>, JoinHandle<()>) {
        let engine = Engine::default();
        let (epochs, thread) = Epochs::start(&engine).unwrap();
        (engine, epochs, thread)
    }

    fn comes_to(holds: impl Fn() -> bool) -> bool {
        (0..5000).any(|_| {
            std::thread::sleep(TICK);
            holds()
        })
    }

    #[test]
    fn epochs_come_while_a_guest_runs_and_rest_otherwise() {
        let (_engine, epochs, _) = start();
        let rests = || epochs.resting.load(Ordering::SeqCst);
        assert!(comes_to(rests), "nothing runs");
        for _ in 0..1200 {
            std::thread::sleep(TICK);
            assert!(rests(), "nothing wakes it but a guest");
        }
        let running = epochs.running();
        for _ in 0..300 {
            std::thread::sleep(TICK);
            assert!(!rests(), "a guest runs");
        }
        drop(running);
        assert!(comes_to(rests), "it is over");
    }

    #[test]
    fn a_resting_thread_ends_with_its_engine() {
        let (engine, epochs, thread) = start();
        assert!(comes_to(|| epochs.resting.load(Ordering::SeqCst)));
        drop((engine, epochs));
        assert!(comes_to(|| thread.is_finished()));
    }
}
