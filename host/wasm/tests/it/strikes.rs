//! Who loses its place, and who does not.

use seawall_core::ports::{AdapterError, PlainReply};
use seawall_core::request::Protocol;
use seawall_wasm::{PluginEvent, State};

use crate::support::*;

const POISON: &str = r#"{"model":"m","messages":[],"poison":true}"#;

/// A house whose plugin has been replaced once, so that there is something to return to.
fn replaced() -> House {
    let house = House::good();
    std::fs::write(house.file("good"), adapter("", "2")).unwrap();
    house.host.reload();
    assert_eq!(house.host.generation("good"), Some(2));
    house
}

#[tokio::test]
async fn distinct_requests_roll_a_failing_version_back() {
    let house = replaced();
    let adapter = house.adapter("p");
    for n in 0..3 {
        let poison = body(&POISON.replace("true", &n.to_string()));
        let fault = adapter.build(&poison, &target("m")).await.unwrap_err();
        assert!(matches!(fault, AdapterError::Plugin(fault) if fault.code == "P030"));
    }
    eventually("generation 1 serves", || house.host.generation("good") == Some(1));
    assert_eq!(mark(&house.adapter("p")).await, "1");
    let status = house.status("good");
    assert_eq!(status.state, State::RolledBack);
    let problem = status.last_problem.unwrap();
    assert!(problem.code.as_str() == "P050" && problem.cause.contains("P030"), "{problem}");
    let events = house.events.lock().unwrap();
    assert!(matches!(events.last(), Some(PluginEvent::RolledBack { from: 2, to: 1, .. })), "{events:?}");
    drop(events);
    house.host.reload();
    assert_eq!(house.host.generation("good"), Some(1), "the same file is not taken again");
}

#[tokio::test]
async fn one_client_cannot_disable_a_plugin() {
    let house = replaced();
    let adapter = house.adapter("p");
    let poison = body(POISON);
    for _ in 0..200 {
        adapter.build(&poison, &target("m")).await.unwrap_err();
    }
    // Its replies fail as well, each with other bytes: they belong to the same request.
    let mut failing = target("bad:parse-trap");
    failing.request = poison.fingerprint();
    for n in 0..50 {
        let reply = PlainReply {
            status: 200,
            headers: http::HeaderMap::new(),
            body: format!("{{\"n\":{n}}}").into(),
        };
        adapter.parse(Protocol::Chat, &failing, reply).await.unwrap_err();
    }
    let version = house.status("good").version.unwrap();
    assert_eq!((version.generation, version.strikes), (2, 1));
    assert_eq!(mark(&house.adapter("p")).await, "2");
}

#[tokio::test]
async fn a_version_without_a_predecessor_serves_on_and_alarms() {
    let house = House::good();
    let adapter = house.adapter("p");
    for n in 0..6 {
        adapter.build(&body(&POISON.replace("true", &n.to_string())), &target("m")).await.unwrap_err();
    }
    let alarmed = || house.status("good").last_problem.is_some_and(|problem| problem.code.as_str() == "P051");
    eventually("an alarm", alarmed);
    let alarms =
        house.events.lock().unwrap().iter().filter(|e| matches!(e, PluginEvent::KeepsFailing { .. })).count();
    assert_eq!(alarms, 1, "one alarm, not one a request");
    assert_eq!(mark(&house.adapter("p")).await, "1");
    assert_eq!(house.status("good").state, State::Active);
}

#[tokio::test]
async fn an_operator_can_return_twice() {
    let house = replaced();
    std::fs::write(house.file("good"), adapter("", "3")).unwrap();
    house.host.reload();
    assert_eq!(house.status("good").previous, [2, 1]);
    assert!(house.host.rollback("good"));
    assert_eq!(mark(&house.adapter("p")).await, "2");
    assert!(house.host.rollback("good"));
    assert_eq!(mark(&house.adapter("p")).await, "1");
    assert!(!house.host.rollback("good") && !house.host.rollback("unknown"));
}
