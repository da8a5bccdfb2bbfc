use super::*;
use seawall_plugin::fault::FaultInjector;

fn decide(kind: &str, config: &str) -> Verdict {
    Headers::decide(kind, &Attempt::example(1), config).unwrap()
}

#[test]
fn every_kind_does_what_it_says() {
    let status = |kind, config| match decide(kind, config).action {
        Action::Respond(response) => response.status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status("outage", ""), 503);
    assert_eq!(status("outage", r#"{"status": 522}"#), 522);
    assert_eq!(status("status", r#"{"status": 500}"#), 500);
    let own = |status| decide("outage", &format!(r#"{{"status": {status}, "shape": "provider"}}"#));
    let cases = [(500, ErrorClass::ServerError), (529, ErrorClass::Overloaded), (504, ErrorClass::Timeout)];
    for (status, class) in cases {
        assert_eq!(own(status), Verdict::fail(class), "{status}");
    }
    let overloaded = ClassFailure { class: ErrorClass::Overloaded, retry_after: None, status: Some(529) };
    assert_eq!(decide("overloaded-529", "{}").action, Action::Fail(overloaded));
    let swapped = Action::Rewrite(vec![header("content-type", "image/png")]);
    assert_eq!(decide("wrong-content-type", r#"{"content_type": "image/png"}"#).action, swapped);
}

#[test]
fn a_storm_delays_and_can_be_replayed() {
    let delays = || -> Vec<u32> {
        (0..1000)
            .map(|random| Headers::decide("latency-storm", &Attempt::example(random), "{}").unwrap().delay_ms)
            .collect()
    };
    let mut sorted = delays();
    sorted.sort_unstable();
    assert!((900..1100).contains(&sorted[500]), "median {}", sorted[500]);
    assert_eq!(delays(), delays());
}

#[test]
fn problems_stand_at_their_place() {
    let paths = |kind, config| Headers::check(kind, config).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(paths("outage", r#"{"status": 404, "shape": "x", "extra": 1}"#).len(), 3);
    assert_eq!(paths("outage", r#"{"status": 404}"#), ["/status"]);
    assert_eq!(paths("overloaded-529", r#"{"status": 503}"#), ["/status"], "it has no status to choose");
    assert_eq!(paths("meteor", "{}"), [""]);
    assert!(Headers::decide("outage", &Attempt::example(1), r#"{"status": 1}"#).is_err());
}
