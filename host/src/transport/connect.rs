//! How long a connection may take to be there, learned per upstream.
//!
//! A fixed limit that suits a far provider is far too long for a near one: while it runs, the client waits and the next
//! target could already answer. So the limit is three times the 99th percentile of the upstream's last connections, at
//! least [`SHORTEST`]; the configured limit is the ceiling, and the limit until [`ENOUGH`] connections are known.
//!
//! A connection that ran out of time says only that its time was longer. Each one in a row triples the limit up to the
//! ceiling, so that a path which became slow is found usable after one or two failures, and the first connection that
//! succeeds takes that back: what it took is in the history now.
//!
//! The limit is a layer around the client library's connector, which does not tell a layer where it connects. The name
//! of the upstream therefore comes along in a task-local: the library connects within the call that needs it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tower_layer::Layer;
use tower_service::Service;

/// No prediction is shorter: one lost packet costs about as much.
const SHORTEST: Duration = Duration::from_millis(250);
/// Connections that are remembered per upstream.
const REMEMBERED: usize = 64;
/// Below this the past says nothing.
const ENOUGH: usize = 8;
/// How far beyond the past a connection may take.
const MARGIN: u32 = 3;
/// Base URLs come from the configuration, so there are few; more than this are not learned about.
const UPSTREAMS_CAP: usize = 1024;

tokio::task_local! {
    /// Where the call of this task goes: its base URL.
    pub(super) static UPSTREAM: Arc<str>;
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is known of every upstream's connections.
#[derive(Debug, Default)]
pub(super) struct Pasts(RwLock<HashMap<Arc<str>, Arc<Past>>>);

impl Pasts {
    fn of(&self, upstream: &Arc<str>) -> Arc<Past> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(upstream).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= UPSTREAMS_CAP {
                return Arc::default();
            }
            Arc::clone(all.entry(Arc::clone(upstream)).or_default())
        })
    }
}

#[cfg(test)]
impl Pasts {
    pub(super) fn known(&self) -> Vec<(String, usize)> {
        let length = |past: &Past| past.0.lock().unwrap().took.len();
        self.0.read().unwrap().iter().map(|(upstream, past)| (upstream.to_string(), length(past))).collect()
    }
}

/// One upstream's last connections.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<Connections>);

#[derive(Debug, Default)]
struct Connections {
    /// A ring once it is full.
    took: Vec<Duration>,
    oldest: usize,
    ran_out_in_a_row: u32,
}

impl Past {
    /// How long the next connection may take.
    fn limit(&self, ceiling: Duration) -> Duration {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.took.len() < ENOUGH {
            return ceiling;
        }
        // Of at most 64 values the 99th percentile is the largest.
        let slowest = known.took.iter().max().copied().unwrap_or(ceiling);
        let usual = slowest.saturating_mul(MARGIN).max(SHORTEST);
        usual.saturating_mul(MARGIN.saturating_pow(known.ran_out_in_a_row)).min(ceiling)
    }

    fn took(&self, time: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.ran_out_in_a_row = 0;
        if known.took.len() < REMEMBERED {
            known.took.push(time);
            return;
        }
        let oldest = known.oldest;
        if let Some(place) = known.took.get_mut(oldest) {
            *place = time;
        }
        known.oldest = (oldest + 1) % REMEMBERED;
    }

    fn ran_out(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.ran_out_in_a_row = known.ran_out_in_a_row.saturating_add(1);
    }
}

/// Puts the limit around a connector.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    pub(super) pasts: Arc<Pasts>,
    pub(super) ceiling: Duration,
}

impl<S> Layer<S> for Limited {
    type Service = LimitedConnector<S>;

    fn layer(&self, connector: S) -> LimitedConnector<S> {
        LimitedConnector { connector: Arc::new(connector), limited: self.clone() }
    }
}

/// A connector with a limit. The library clones its connectors for every request, and uses one only where a connection is
/// missing: so the inner one is shared, and cloned when it is used.
#[derive(Debug)]
pub(super) struct LimitedConnector<S> {
    connector: Arc<S>,
    limited: Limited,
}

impl<S> Clone for LimitedConnector<S> {
    fn clone(&self) -> Self {
        Self { connector: Arc::clone(&self.connector), limited: self.limited.clone() }
    }
}

impl<S, R> Service<R> for LimitedConnector<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    /// The inner one is asked when it is used.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let ceiling = self.limited.ceiling;
        let past = UPSTREAM.try_with(|upstream| self.limited.pasts.of(upstream)).unwrap_or_default();
        let mut connector = S::clone(&self.connector);
        Box::pin(async move {
            let began = Instant::now();
            let connecting = async {
                poll_fn(|cx| connector.poll_ready(cx)).await?;
                connector.call(destination).await
            };
            match timeout(past.limit(ceiling), connecting).await {
                Ok(Ok(connection)) => {
                    past.took(began.elapsed());
                    Ok(connection)
                }
                Ok(Err(refused)) => Err(refused),
                Err(_) => {
                    past.ran_out();
                    Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time").into())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const CEILING: Duration = Duration::from_secs(2);

    /// Takes as long as it is asked to.
    #[derive(Clone)]
    struct Connector;

    impl Service<Duration> for Connector {
        type Response = ();
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, time: Duration) -> Self::Future {
            Box::pin(async move {
                sleep(time).await;
                Ok(())
            })
        }
    }

    struct Bench {
        connector: LimitedConnector<Connector>,
    }

    impl Bench {
        fn new() -> Self {
            let layer = Limited { pasts: Arc::default(), ceiling: CEILING };
            Self { connector: layer.layer(Connector) }
        }

        /// Whether a connection that needs this long is made, and after how many ms that is known.
        async fn connect(&mut self, upstream: &str, needs_ms: u64) -> (bool, u128) {
            let began = Instant::now();
            let connector = &mut self.connector;
            let made = UPSTREAM.scope(upstream.into(), async {
                connector.call(Duration::from_millis(needs_ms)).await.is_ok()
            });
            (made.await, began.elapsed().as_millis())
        }

        async fn learn(&mut self, upstream: &str, times: usize, needs_ms: u64) {
            for _ in 0..times {
                assert_eq!(self.connect(upstream, needs_ms).await, (true, needs_ms.into()));
            }
        }
    }

    const NEVER: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_the_ceiling_until_enough_is_known_and_then_three_times_the_slowest() {
        let mut bench = Bench::new();
        bench.learn("far", ENOUGH - 1, 200).await;
        assert_eq!(bench.connect("far", NEVER).await, (false, 2000));
        bench.learn("far", 1, 200).await;
        assert_eq!(bench.connect("far", NEVER).await, (false, 600));
        assert_eq!(bench.connect("other", NEVER).await, (false, 2000), "each upstream has its own past");
        bench.learn("near", ENOUGH, 3).await;
        assert_eq!(bench.connect("near", NEVER).await, (false, 250), "but no limit is shorter than this");
        bench.learn("slow", ENOUGH, 1500).await;
        assert_eq!(bench.connect("slow", NEVER).await, (false, 2000), "and none longer than the ceiling");
    }

    #[tokio::test(start_paused = true)]
    async fn a_path_that_became_slow_is_soon_used_again() {
        let mut bench = Bench::new();
        bench.learn("up", REMEMBERED, 10).await;
        assert_eq!(bench.connect("up", 700).await, (false, 250));
        assert_eq!(bench.connect("up", 700).await, (true, 700), "the next one has three times as long");
        assert_eq!(bench.connect("up", NEVER).await, (false, 2000), "three times 700, and the ceiling");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_leaves_nothing_behind() {
        let mut bench = Bench::new();
        bench.learn("up", ENOUGH, 10).await;
        for limit in [250, 750, 2000, 2000, 2000] {
            assert_eq!(bench.connect("up", NEVER).await, (false, limit));
        }
        bench.learn("up", 1, 10).await;
        assert_eq!(bench.connect("up", NEVER).await, (false, 250));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_ago_is_forgotten() {
        let mut bench = Bench::new();
        bench.learn("up", 1, 1900).await;
        bench.learn("up", REMEMBERED, 10).await;
        assert_eq!(bench.connect("up", NEVER).await, (false, 250));
    }

    #[test]
    fn upstreams_are_bounded() {
        let pasts = Pasts::default();
        for number in 0..UPSTREAMS_CAP + 10 {
            pasts.of(&format!("http://{number}").into()).took(Duration::from_secs(1));
        }
        assert_eq!(pasts.0.read().unwrap().len(), UPSTREAMS_CAP);
    }
}
