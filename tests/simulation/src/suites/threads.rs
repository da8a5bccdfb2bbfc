//! Many simulations on all processors, one runtime a thread.

use std::num::NonZero;
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};

use crate::upstream::lock;

/// Runs `work` for every item; results in the items' order.
pub(super) fn each<T: Clone + Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(Vec::new());
    let threads = available_parallelism().map_or(1, NonZero::get);
    scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).next();
                    let Some((position, item)) = next else { break };
                    let result = work(item);
                    lock(&results).push((position, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}
