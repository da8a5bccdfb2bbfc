//! A request's place in a distributed trace.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::trace::{Leg, Trace};
use tokio::time::sleep;

use super::{CHAT, Gate, OPEN, STREAMED, answer, post};
use crate::shutdown::Phase;

/// Before its request's end is told: a stream that takes long has begun well, and the gateway's own end is a status, too.
#[tokio::test(start_paused = true)]
async fn a_trace_hears_the_status_that_goes_out() {
    struct End(Arc<Trace>, Arc<Mutex<Vec<Option<u16>>>>);
    impl Drop for End {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0.answered.get().copied());
        }
    }
    let told = Arc::<Mutex<Vec<Option<u16>>>>::default();
    let heard = Arc::clone(&told);
    let gate = Gate::new(OPEN, move |request| {
        let end = End(Arc::clone(request.trace.as_ref().unwrap()), Arc::clone(&heard));
        Box::pin(async move {
            let _end = end;
            pending().await
        })
    });
    let parent = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let ask = |body: &'static str| gate.call(post("/v1/chat/completions", &parent, body));
    let left = tokio::time::timeout(Duration::from_secs(1), ask(CHAT)).await;
    assert!(left.is_err(), "who leaves first is told nothing");
    drop(ask(STREAMED).await);
    gate.shutdown.advance(Phase::Leaving);
    let (closed, ()) = tokio::join!(ask(CHAT), async {
        sleep(Duration::from_secs(1)).await;
        gate.shutdown.advance(Phase::Closing);
    });
    assert_eq!(closed.status(), 503);
    assert_eq!(*told.lock().unwrap(), [None, Some(200), Some(503)]);
}

#[tokio::test]
async fn a_callers_trace_is_taken_in_and_nothing_else_beside_it() {
    let gate = Gate::new(OPEN, answer);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("traceparent", parent), ("tracestate", "a=1"), ("baggage", "key=canary")];
    gate.call(post("/v1/chat/completions", &headers, CHAT)).await;
    gate.call(post("/v1/chat/completions", &[("traceparent", "nonsense")], CHAT)).await;
    let seen = gate.handler.seen.lock().unwrap();
    let trace = seen[0].trace.as_ref().unwrap();
    assert_eq!((trace.parent_of(Leg::Attempt(1)), trace.state.as_deref()), (parent.to_owned(), Some("a=1")));
    assert!(!format!("{trace:?}").contains("canary"));
    assert_eq!(seen[1].trace, None, "what cannot be read begins nothing");
}
