//! Policies and fault injectors.

use std::time::Duration;

use seawall_core::class::Class;
use seawall_core::event::{FinishReason, WireEvent};
use seawall_core::note::Circuit;
use seawall_core::ports::{
    CandidateStats, FaultAction, FaultAttempt, FaultStep, PluginSource, RouteQuestion, TransportFailure,
};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::support::*;

fn question(id: u64) -> RouteQuestion {
    RouteQuestion {
        id: RequestId(id),
        alias: "fast".into(),
        tenant: "t".into(),
        affinity: None,
        streaming: true,
        input_tokens_estimate: 10,
        has_tools: false,
        has_images: false,
        now_ms: 42,
        random: 7,
        ordinal: 1,
    }
}

fn candidate(model: &str, circuit: Circuit) -> CandidateStats {
    CandidateStats {
        id: TargetId::new("p", model),
        weight: 1.0,
        circuit,
        gated: false,
        first_token_ewma_ms: 100.0,
        first_token_p95_ms: 200.0,
        predicted_ms: 150.0,
        success_rate: 0.9,
        samples: 12,
        in_flight: 0,
        input_price_per_1m: None,
        output_price_per_1m: None,
    }
}

#[tokio::test]
async fn a_policy_orders_and_its_faults_are_contained() {
    let house = House::new(&[("reverse", &guests().policy)], Vec::new());
    let set = house.host.current();
    let policy = &set.policies["reverse"];
    let candidates =
        [candidate("a", Circuit::Closed), candidate("b", Circuit::Open), candidate("c", Circuit::HalfOpen)];
    let plan = policy.route(&question(1), &candidates, "{}").await.unwrap();
    assert_eq!(plan.order, ["p/c", "p/b", "p/a"]);
    assert_eq!(plan.exclude, ["p/b"]);
    assert_eq!(plan.reason, "fast reversed at 42");

    for (config, code) in [("{\"spin\":1}", "P031"), ("{\"trap\":1}", "P030"), ("{\"refuse\":1}", "P047")] {
        assert_eq!(policy.route(&question(2), &candidates, config).await.unwrap_err().code, code, "{config}");
    }
    assert_eq!(policy.route(&question(3), &candidates, "{}").await.unwrap().order.len(), 3);
    assert_eq!(policy.check("{}").await.unwrap(), []);
    assert_eq!(policy.check("{\"typo\":1}").await.unwrap()[0].path, "/typo");
}

fn attempt() -> FaultAttempt {
    FaultAttempt {
        request: RequestId(1),
        target: TargetId::new("p", "m"),
        alias: "fast".into(),
        tenant: "t".into(),
        streaming: true,
        number: 1,
        ordinal: 1,
        input_tokens: 3,
        passed: 4,
        passed_tokens: 17,
        random: 7,
        now_ms: 42,
        armed_for_ms: 5,
    }
}

#[tokio::test]
async fn faults_decide_and_rewrite() {
    let house = House::new(&[("faults", &guests().fault)], Vec::new());
    let set = house.host.current();
    let faults = &set.faults["faults"];
    assert_eq!(faults.kinds().len(), 8);
    let decide = async |kind: &str| faults.decide(kind, &attempt(), "{}").await.unwrap();

    assert!(matches!(decide("pass").await.action, FaultAction::Pass));
    let respond = decide("respond").await;
    assert_eq!(respond.delay, Duration::from_millis(25));
    assert!(
        matches!(respond.action, FaultAction::Respond(r) if r.status == 503 && r.headers["x-fault"] == "p")
    );
    let fail = decide("fail").await.action;
    assert!(
        matches!(fail, FaultAction::Fail { class: Class::RateLimited, retry_after: Some(s), status: None } if s == "7")
    );
    let dressed = faults.decide("fail", &attempt(), "{\"dress\":1}").await.unwrap().action;
    assert!(matches!(dressed, FaultAction::Fail { status: Some(200), .. }));
    let answer = decide("answer").await.action;
    assert!(matches!(answer, FaultAction::Answer { text, finish: FinishReason::Length } if text == "17"));
    let broken = async |kind: &str| match decide(kind).await.action {
        FaultAction::Break(failure) => Some(failure),
        _ => None,
    };
    assert!(matches!(broken("refuse").await, Some(TransportFailure::Connect(_))));
    assert!(matches!(broken("reset").await, Some(TransportFailure::Reset(_))));
    assert!(matches!(decide("hang").await.action, FaultAction::Hang));
    let double = decide("double").await.action;
    assert!(matches!(double, FaultAction::Rewrite(headers) if headers["x-doubled"] == "yes"));
    for (kind, config, code) in
        [("pass", "{\"trap\":1}", "P030"), ("respond", "{\"status\":1}", "P045"), ("unknown", "{}", "P047")]
    {
        assert_eq!(faults.decide(kind, &attempt(), config).await.unwrap_err().code, code, "{kind}");
    }
    assert_eq!(faults.check("pass", "{\"x\":1}").await.unwrap()[0].message, "pass takes nothing");

    let mut transform = faults.transform("double", &attempt(), "{}").await.unwrap();
    let frame = WireEvent { data: "x".into(), ..WireEvent::default() };
    let steps = transform.piece(vec![frame.clone()]).await.unwrap();
    assert_eq!(
        steps,
        [
            FaultStep::Wait(Duration::from_millis(1)),
            FaultStep::Send(frame.clone()),
            FaultStep::Send(frame.clone())
        ]
    );
    assert_eq!(
        transform.finish().await.unwrap(),
        [FaultStep::Raw("tail".into()), FaultStep::Fill(9), FaultStep::End]
    );
    let mut later = faults.transform("double", &attempt(), "{\"later\":1}").await.unwrap();
    assert_eq!(later.piece(vec![frame.clone()]).await.unwrap_err().code, "P030");
    assert_eq!(later.piece(vec![frame]).await.unwrap_err().code, "P038");
}
