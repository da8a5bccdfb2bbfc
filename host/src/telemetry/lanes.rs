//! One of a thing for each thread that counts, so that processors do not take memory from each other.
//!
//! An atomic addition takes a few nanoseconds, and fifty where another processor has just written to the same line of
//! memory; a request makes some twenty of them. So each worker counts in a lane of its own, and whoever reads adds the
//! lanes up. Threads that come beyond the number of processors share lanes with others: that is slower, not wrong.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

use super::figures::{Counter, Histogram, Spread};

/// A power of two, at least one for each processor: the runtime has as many workers.
static COUNT: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |processors| processors.get().next_power_of_two()));
/// Threads that count get numbers in the order in which they first do.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread among those that count.
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
pub(super) struct Lanes<T> {
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
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        let others = (1..*COUNT).map(|_| Lane(make())).collect();
        Self { first: Box::new(Lane(make())), others }
    }

    /// This thread's.
    pub(super) fn mine(&self) -> &T {
        let Lane(mine) = self.others.get(number() & self.others.len()).unwrap_or(&self.first);
        mine
    }

    /// Those of all threads.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&*self.first).chain(&self.others).map(|Lane(one)| one)
    }

    /// What a counter came to, over all lanes.
    pub(super) fn sum(&self, counter: impl Fn(&T) -> &Counter) -> u64 {
        self.all().map(|one| counter(one).get()).sum()
    }

    /// What a histogram came to, over the lanes that have it; none where none has.
    pub(super) fn spread<'a>(&'a self, histogram: impl Fn(&'a T) -> Option<&'a Histogram>) -> Option<Spread> {
        self.all().filter_map(histogram).map(Histogram::read).reduce(Spread::and)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::telemetry::figures::REQUEST_TIMES;

    #[derive(Default)]
    struct Figures {
        counter: Counter,
        times: OnceLock<Histogram>,
    }

    #[test]
    fn many_threads_count_and_nothing_is_missing() {
        let lanes = Lanes::<Figures>::default();
        assert_eq!(lanes.spread(|one| one.times.get()), None);
        thread::scope(|scope| {
            for _ in 0..3 * *COUNT {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let mine = lanes.mine();
                        mine.counter.one();
                        mine.times
                            .get_or_init(|| Histogram::new(&REQUEST_TIMES))
                            .took(Duration::from_millis(7));
                    }
                });
            }
        });
        let all = 3_000 * *COUNT as u64;
        assert_eq!(lanes.sum(|one| &one.counter), all);
        let spread = lanes.spread(|one| one.times.get()).unwrap();
        assert_eq!((spread.count(), spread.counts[1]), (all, all));
        assert!((spread.sum - all as f64 * 0.007).abs() < 1e-6);
        assert_eq!(lanes.all().count(), *COUNT);
    }
}
