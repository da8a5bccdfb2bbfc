use serde_json::json;

use super::armed::Faults;
use super::*;

fn read(value: Value) -> Result<Fault, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn faults_are_read_from_json() {
    for (text, expect) in [
        (json!({"kind": "status", "status": 429, "retry_after": 2}), Fault::status(429).retry_after(2.0)),
        (json!({"kind": "status", "code": "quota", "times": 1}), Fault::code("quota").times(1)),
        (json!({"kind": "hang", "times": null, "after": 3}), Fault::hang().after(3)),
        (json!({"kind": "cut_after", "events": 4}), Fault::cut_after(4)),
        (json!({"kind": "html_200", "probability": 0.5}), Fault::from(Kind::Html200 {}).probability(0.5)),
        (
            json!({"kind": "heartbeat_only", "for_ms": 9}),
            Fault::from(Kind::HeartbeatOnly { ms: 1000 }).for_ms(9),
        ),
    ] {
        assert_eq!(read(text.clone()), Ok(expect.clone()), "{text}");
        let again = serde_json::to_value(&expect).unwrap();
        assert_eq!(read(again.clone()), Ok(expect), "{again}");
    }
}

#[test]
fn mistakes_are_named() {
    for (text, expect) in [
        (json!({"kind": "hangg"}), "unknown variant `hangg`"),
        (json!({"kind": "hang", "evnts": 1}), "unknown field `evnts`"),
        (json!({"kind": "drip"}), "missing field `ms_per_event`"),
        (json!({"kind": "status"}), "needs a `status` or a `code`"),
        (json!({"kind": "status", "status": 42}), "from 200 to 599"),
        (json!({"kind": "hang", "times": -1}), "`times`"),
        (json!({"kind": "hang", "probability": 2}), "from 0 to 1"),
        (json!([]), "invalid type"),
    ] {
        let error = read(text.clone()).unwrap_err();
        assert!(error.contains(expect), "{text}: {error}");
    }
}

#[test]
fn every_kind_knows_its_own_name() {
    for text in [
        json!({"kind": "status", "status": 500}),
        json!({"kind": "slow_headers", "ms": 1}),
        json!({"kind": "slow_first_token", "ms": 1}),
        json!({"kind": "stall_after", "events": 1}),
        json!({"kind": "close_clean_after", "events": 1}),
        json!({"kind": "malformed_event", "at": 1}),
        json!({"kind": "error_event_at", "at": 1}),
        json!({"kind": "error_in_200"}),
        json!({"kind": "refusal"}),
        json!({"kind": "truncated_json"}),
        json!({"kind": "huge"}),
    ] {
        let fault = read(text.clone()).unwrap();
        assert_eq!(text["kind"], fault.kind.name());
    }
}

/// Which of the first six requests meet which fault.
fn first_six(faults: &[Fault]) -> Vec<Option<&'static str>> {
    let mut armed = Faults::default();
    armed.arm(faults.iter().cloned());
    (0..6).map(|n| armed.take(n).map(|kind| kind.name())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_due_fault_takes_the_request() {
    let status = || Fault::status(503);
    for (faults, expect) in [
        (vec![], [None; 6]),
        (vec![status()], [Some("status"); 6]),
        (vec![status().times(2)], [Some("status"), Some("status"), None, None, None, None]),
        (vec![status().after(4)], [None, None, None, None, Some("status"), Some("status")]),
        (
            vec![status().times(1), Fault::hang().times(2), Fault::reset().after(1).times(1)],
            [Some("status"), Some("hang"), Some("hang"), None, Some("reset"), None],
        ),
        (vec![status().probability(0.0), Fault::hang()], [Some("hang"); 6]),
    ] {
        assert_eq!(first_six(&faults), expect, "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timed_fault_ends() {
    let mut armed = Faults::default();
    armed.arm([Fault::hang().for_ms(60_000)]);
    assert!(armed.take(0).is_some());
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(armed.take(1).is_none());
}

#[tokio::test(start_paused = true)]
async fn probability_takes_its_share() {
    let mut armed = Faults::default();
    armed.arm([Fault::hang().probability(0.3)]);
    let taken = (0..10_000).filter(|n| armed.take(*n).is_some()).count();
    assert!((2_800..3_200).contains(&taken), "{taken}");
}

use std::time::Duration;
