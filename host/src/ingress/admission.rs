//! How many requests are worked on at a time. More wait in a short queue for a short time; beyond that a client is told
//! at once, in its own protocol, when to come back.
//!
//! A gateway that takes everything answers nobody in time: each request that it cannot get to makes all others slower
//! and is given up by its client while work goes into it. So the queue only evens out bursts. Its length, an eighth of
//! the places unless configured, bounds the wait to about an eighth of a usual answer's time, and `queue_timeout` bounds
//! it when answers take minutes.
//!
//! Invariants: a place is held from before the body is read until the answer, or the stream, is over, and comes back
//! whatever happens, because it is a guard; who waits is served in the order of arrival; refusing costs no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use seawall_core::random::Random;
use seawall_core::reply::ClientError;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::config::Admission as Limits;
use crate::telemetry::figures::Sheet;
use crate::telemetry::names;

/// When refused clients are asked to come back: spread, or they would all come back together.
const COME_BACK_MS: (f64, f64) = (1000.0, 3000.0);

/// The places for requests, and the queue for them.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    refused: AtomicU64,
    limits: Limits,
}

/// A place. Dropping it lets the next request in.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// The ingress in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Places)]
pub(crate) struct Load {
    in_flight: usize,
    queued: usize,
    /// Since the start, because there was no room.
    refused: u64,
    max_requests: usize,
    max_queued: usize,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        let places = limits.max_requests.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            limits,
        }
    }

    /// A place, if need be after a moment in the queue.
    pub(super) async fn place(&self, random: &Random) -> Result<Place, ClientError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let Some(_queued) = Queued::enter(&self.waiting, self.limits.max_queued) else {
            return Err(self.full(random));
        };
        match timeout(self.limits.queue_timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(self.full(random)),
        }
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            in_flight: self.limits.max_requests.saturating_sub(self.places.available_permits()),
            queued: self.waiting.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            max_requests: self.limits.max_requests,
            max_queued: self.limits.max_queued,
        }
    }

    /// Writes the load down.
    pub(crate) fn gather(&self, sheet: &mut Sheet) {
        let load = self.load();
        sheet.put(&names::INGRESS_IN_FLIGHT, [], load.in_flight);
        sheet.put(&names::INGRESS_QUEUED, [], load.queued);
        sheet.put(&names::INGRESS_REFUSED, [], load.refused);
    }

    fn full(&self, random: &Random) -> ClientError {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut error =
            ClientError::new(503, "gateway_overloaded", "this gateway has no room for another request now");
        let (soonest, latest) = COME_BACK_MS;
        error.retry_after = Some(Duration::from_secs_f64(random.between(soonest, latest) / 1000.0));
        error.should_retry = Some(true);
        error
    }
}

/// A place in the queue. A client that leaves meanwhile gives it back.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |now: usize| (now < most).then_some(now + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::time::Instant;

    use super::*;

    const WAIT: Duration = Duration::from_millis(250);

    fn admission(max_requests: usize, max_queued: usize) -> Admission {
        Admission::new(Limits { max_requests, max_queued, queue_timeout: WAIT })
    }

    /// How long it took, and how it ended.
    async fn timed<T>(
        asking: impl Future<Output = Result<T, ClientError>>,
    ) -> (Duration, Option<ClientError>) {
        let start = Instant::now();
        let error = asking.await.err();
        (start.elapsed(), error)
    }

    #[tokio::test(start_paused = true)]
    async fn what_fits_is_let_in_and_a_full_queue_refuses_at_once() {
        let (admission, random) = (admission(2, 1), Random::seeded(1));
        let held = [admission.place(&random).await.unwrap(), admission.place(&random).await.unwrap()];
        let (queued, refused) =
            tokio::join!(timed(admission.place(&random)), timed(admission.place(&random)));
        assert_eq!(refused.0, Duration::ZERO, "the queue holds one");
        assert_eq!(queued.0, WAIT, "and that one no longer than it may wait");
        for error in [queued.1.unwrap(), refused.1.unwrap()] {
            assert_eq!((error.status, error.code.as_str()), (503, "gateway_overloaded"));
            assert_eq!(error.should_retry, Some(true));
            let come_back = error.retry_after.unwrap();
            assert!((1..=3).contains(&come_back.as_secs()), "{come_back:?}");
        }
        drop(held);
        assert!(admission.place(&random).await.is_ok());
        let load = admission.load();
        assert_eq!((load.in_flight, load.queued, load.refused), (0, 0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_served_in_order_and_who_leaves_it_makes_room() {
        let (admission, random) = (admission(1, 2), Random::seeded(1));
        let held = admission.place(&random).await.unwrap();
        let mut first = Box::pin(admission.place(&random));
        let mut second = Box::pin(admission.place(&random));
        for waiting in [&mut first, &mut second] {
            assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
        }
        assert_eq!(admission.load().queued, 2);
        drop(held);
        let place = first.await.unwrap();
        assert!(timeout(Duration::from_millis(1), &mut second).await.is_err(), "one place, one request");
        drop(second);
        assert_eq!(admission.load().queued, 0);
        drop(place);
        assert_eq!(admission.load().in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_queue_only_what_fits_is_taken() {
        let (admission, random) = (admission(1, 0), Random::seeded(1));
        let _held = admission.place(&random).await.unwrap();
        assert_eq!(timed(admission.place(&random)).await.0, Duration::ZERO);
    }
}
