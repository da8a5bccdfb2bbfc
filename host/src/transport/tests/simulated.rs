//! The transport in front of a provider that misbehaves; the provider's own log says what really arrived.

use std::time::Duration;

use bytes::Bytes;
use seawall_core::ports::{Auth, TransportFailure, Upstream as _, WireRequest};
use seawall_sim::{Dialect, Fault, Kind, Lane, Outcome, Sim, SimOptions, credential_hash};

use super::{SECRET, drain, request, transport};

const CHAT: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

fn chat(base_url: &str) -> WireRequest {
    let mut request = request(base_url, Auth::Bearer);
    request.path_and_query = "/chat/completions".to_owned();
    request.body = Bytes::from_static(CHAT);
    request
}

/// Sends one request at a lane with this fault: the answer's status and body, or the failure.
async fn exchange(fault: Fault, limit: usize) -> (Result<(u16, Vec<u8>), TransportFailure>, Lane) {
    let sim = Sim::start(SimOptions::default()).unwrap();
    let lane = sim.lane("left");
    lane.arm(fault);
    let sent = async {
        let reply = transport(limit).send(chat(&sim.base_url("left", Dialect::OpenAi))).await?;
        Ok((reply.status, drain(reply.body).await?))
    };
    let got = sent.await;
    sim.stop().await;
    (got, lane)
}

#[tokio::test]
async fn every_trouble_is_met_once_and_named_by_when_it_came() {
    let check = async |fault: Fault, limit: usize, expect: fn(&TransportFailure) -> bool| {
        let what = fault.kind.name();
        let (got, lane) = exchange(fault, limit).await;
        let failure = got.unwrap_err();
        assert!(expect(&failure), "{what}: {failure:?}");
        assert_eq!(lane.log().len(), 1, "{what} was sent more than once");
    };
    let roomy = 1 << 20;
    check(Fault::reset(), roomy, |f| matches!(f, TransportFailure::Reset(_))).await;
    check(Fault::cut_after(3), roomy, |f| matches!(f, TransportFailure::Body(_))).await;
    let reset = Kind::CutAfter { events: Some(3), bytes: None, reset: true };
    check(reset.into(), roomy, |f| matches!(f, TransportFailure::Body(_))).await;
    let huge = Kind::Huge { bytes: 1 << 20 };
    check(huge.into(), 1000, |f| *f == TransportFailure::TooLarge { limit_bytes: 1000 }).await;
}

#[tokio::test]
async fn a_status_is_an_answer_and_is_not_asked_for_again() {
    for status in [400, 401, 429, 500, 503] {
        let (got, lane) = exchange(Fault::status(status), 1 << 20).await;
        assert_eq!(got.unwrap().0, status);
        let log = lane.log();
        assert_eq!(log.len(), 1, "{status}");
        let credential = log[0].credential.as_ref().unwrap();
        assert_eq!((credential.scheme, &*credential.hash), ("bearer", &*credential_hash(SECRET)));
        assert_eq!(log[0].header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn a_hanging_provider_is_left_by_dropping_the_call() {
    let sim = Sim::start(SimOptions::default()).unwrap();
    let lane = sim.lane("left");
    lane.arm(Fault::hang());
    let transport = transport(1 << 20);
    let call = transport.send(chat(&sim.base_url("left", Dialect::OpenAi)));
    assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
    while lane.log()[0].outcome == Outcome::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!((lane.log().len(), lane.log()[0].outcome), (1, Outcome::ClientLeft));
}

#[tokio::test]
async fn a_refusing_provider_is_no_connection() {
    let sim = Sim::start(SimOptions::default()).unwrap();
    let failure =
        transport(100).send(chat(&sim.refused_base_url("left", Dialect::OpenAi))).await.unwrap_err();
    assert_eq!(failure, TransportFailure::Connect("connection refused".to_owned()));
}
