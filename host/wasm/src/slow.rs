//! A few threads for slow plugins, so that they do not hold up the workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::diagnose::{Code, Problem};
use crate::lock;

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait for each thread.
const QUEUE: usize = 64;

/// The pool. Dropping it ends its threads.
#[derive(Debug)]
pub(crate) struct SlowPool {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    room: usize,
}

/// A place in the queue.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl SlowPool {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("seawall-slow-{n}")).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs, waiting: Arc::default(), room: threads.max(1) * QUEUE })
    }

    /// A place in the queue, or `None` when it is full.
    pub(crate) fn place(&self) -> Option<Place> {
        let room = self.room;
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < room).then(|| n + 1)).ok()?;
        Some(Place(Arc::clone(&self.waiting)))
    }

    /// Runs a job there. When nobody waits for it any more before it starts, it is dropped.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        place: Place,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Problem> {
        let lost = |_| Problem::new(Code::Host, "the pool for slow plugins has ended");
        let (answer, result) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                let _ = answer.send(job());
            }
            drop(place);
        };
        self.jobs.send(Box::new(job)).map_err(|_| lost(()))?;
        result.await.map_err(|_| lost(()))
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = lock(queue).recv();
        match job {
            // A defect in one call must not cost the pool a thread; whoever waits sees the lost answer.
            Ok(job) => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_call() {
        let pool = SlowPool::start(1).unwrap();
        let lost = pool.run(pool.place().unwrap(), || panic!("on purpose")).await;
        assert_eq!(lost.map(|()| 0).unwrap_err().code, Code::Host);
        assert_eq!(pool.run(pool.place().unwrap(), || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn runs_elsewhere_and_is_bounded() {
        let pool = SlowPool::start(1).unwrap();
        let here = std::thread::current().id();
        let there = pool.run(pool.place().unwrap(), || std::thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        let places: Vec<_> = std::iter::from_fn(|| pool.place()).collect();
        assert!(places.len() <= QUEUE);
        drop(places);
        assert!(pool.place().is_some());
    }
}
