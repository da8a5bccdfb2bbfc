use super::*;
use seawall_plugin::fault::FaultInjector;

const KIND: &str = "rate-limit";

fn decide(kind: &str, attempt: &Attempt, config: &str) -> Verdict {
    Limits::decide(kind, attempt, config).unwrap()
}

fn hint(config: &str) -> Option<String> {
    match decide(KIND, &Attempt::example(1), config).action {
        Action::Fail(ClassFailure { class: ErrorClass::RateLimited, retry_after, status: None }) => {
            retry_after
        }
        other => panic!("{config}: {other:?}"),
    }
}

#[test]
fn the_hint_has_the_form_asked_for() {
    let cases = [
        ("", Some("2")),
        (r#"{"retry_after": "none"}"#, None),
        (r#"{"seconds": 0.5}"#, Some("0.5")),
        (r#"{"retry_after": "date", "seconds": 10}"#, Some("Sun, 06 Nov 1994 08:49:47 GMT")),
    ];
    for (config, expected) in cases {
        assert_eq!(hint(config).as_deref(), expected, "{config}");
    }
}

#[test]
fn garbage_cannot_be_read_as_a_hint() {
    for random in 0..100 {
        let verdict = decide(KIND, &Attempt::example(random), r#"{"retry_after": "garbage"}"#);
        let Action::Fail(failure) = verdict.action else { panic!("not a failure") };
        let value = failure.retry_after.unwrap();
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seawall_plugin::retry::retry_after_ms(&value, date), None, "{value:?}");
    }
}

#[test]
fn the_first_requests_can_be_spared() {
    let limited = |ordinal| decide(KIND, &Attempt::example(ordinal), r#"{"free": 3}"#) != Verdict::pass();
    assert_eq!((0..10).filter(|ordinal| limited(*ordinal)).count(), 7);
}

#[test]
fn refusals_have_their_class() {
    let action = |kind| decide(kind, &Attempt::example(1), "{}").action;
    let fail = |class, status| Action::Fail(ClassFailure { class, retry_after: None, status });
    assert_eq!(action("quota-exhausted"), fail(ErrorClass::QuotaExhausted, None));
    assert_eq!(action("auth-revoked"), fail(ErrorClass::Auth, None));
    assert_eq!(action("forbidden"), fail(ErrorClass::Auth, Some(403)));
    assert_eq!(action("model-not-found"), fail(ErrorClass::ModelNotFound, None));
}

/// Ten requests a second for a minute; how many pass.
fn passed_in_a_minute(config: &str) -> u64 {
    let mut attempt = Attempt::example(1);
    for _ in 0..600 {
        if decide("throttle-tier", &attempt, config) == Verdict::pass() {
            attempt.passed += 1;
            attempt.passed_tokens += u64::from(attempt.input_tokens);
        }
        attempt.armed_for_ms += 100;
    }
    attempt.passed
}

#[test]
fn a_lower_tier_lets_its_share_pass() {
    assert_eq!(passed_in_a_minute(r#"{"rpm": 60}"#), 60);
    assert_eq!(passed_in_a_minute(r#"{"rpm": 6}"#), 6);
    assert_eq!(passed_in_a_minute(r#"{"rpm": 0, "tpm": 300}"#), 30);
    assert_eq!(passed_in_a_minute(r#"{"rpm": 0, "tpm": 0}"#), 600);
    let over = Attempt { passed: 3, armed_for_ms: 500, ..Attempt::example(1) };
    let Action::Fail(failure) = decide("throttle-tier", &over, r#"{"rpm": 60}"#).action else {
        panic!("it passes")
    };
    assert_eq!(failure.retry_after.as_deref(), Some("3"), "2.5 s, and hints are whole seconds");
}

#[test]
fn problems_stand_at_their_place() {
    let paths = |config| Limits::check(KIND, config).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(
        paths(r#"{"retry_after": 3, "seconds": -1, "free": 0.5}"#),
        ["/retry_after", "/seconds", "/free"]
    );
    assert_eq!(Limits::check("meteor", "{}").len(), 1);
}
