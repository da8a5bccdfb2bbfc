//! One of a thing for each thread that serves requests, so that processors do not take memory from each other.
//!
//! An atomic addition takes a few nanoseconds, and fifty where another processor has just written to the same line of
//! memory; a request makes some twenty of them. So each worker counts in a lane of its own, and whoever reads adds the
//! lanes up. Threads that come beyond the number of processors share lanes with others: that is slower, not wrong, and so
//! whatever stands in a lane must bear it.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

/// A power of two, at least one for each processor: the runtime has as many workers.
static COUNT: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |processors| processors.get().next_power_of_two()));
/// Threads get numbers in the order in which they first ask for their lane.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread.
fn number() -> usize {
    NUMBER.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// Alone in its lines of memory; processors fetch two at a time.
#[derive(Debug)]
#[repr(align(128))]
struct Lane<T>(T);

/// One of a thing for each lane.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    first: Box<Lane<T>>,
    others: Box<[Lane<T>]>,
}

impl<T: Default> Default for Lanes<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> Lanes<T> {
    /// Makes one for each lane.
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        let others = (1..*COUNT).map(|_| Lane(make())).collect();
        Self { first: Box::new(Lane(make())), others }
    }

    /// This thread's.
    pub(crate) fn mine(&self) -> &T {
        let Lane(mine) = self.others.get(number() & self.others.len()).unwrap_or(&self.first);
        mine
    }

    /// Those of all threads.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&*self.first).chain(&self.others).map(|Lane(one)| one)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_stays_in_its_lane_and_many_threads_lose_nothing() {
        let lanes = Lanes::<AtomicU64>::default();
        assert!(std::ptr::eq(lanes.mine(), lanes.mine()));
        thread::scope(|scope| {
            for _ in 0..3 * *COUNT {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        lanes.mine().fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let sums: Vec<u64> = lanes.all().map(|lane| lane.load(Relaxed)).collect();
        assert_eq!((sums.len(), sums.iter().sum()), (*COUNT, 3_000 * *COUNT as u64));
    }
}
