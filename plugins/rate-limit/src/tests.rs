use super::*;
use seawall_plugin::serde_json::{Value, from_str};

fn attempt(random: u64, ordinal: u64) -> Attempt {
    Attempt {
        request_id: "r".to_owned(),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        alias: "chat".to_owned(),
        tenant: "default".to_owned(),
        streaming: false,
        attempt: 1,
        ordinal,
        random,
        now_ms: 784_111_777_250,
        armed_for_ms: 0,
    }
}

fn hint(config: &str) -> Option<String> {
    match RateLimit::decide(KIND, &attempt(1, 1), config).unwrap().action {
        Action::Fail(ClassFailure { class: ErrorClass::RateLimited, retry_after }) => retry_after,
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
        let verdict = RateLimit::decide(KIND, &attempt(random, 1), r#"{"retry_after": "garbage"}"#).unwrap();
        let Action::Fail(failure) = verdict.action else { panic!("not a failure") };
        let value = failure.retry_after.unwrap();
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seawall_plugin::retry::retry_after_ms(&value, date), None, "{value:?}");
    }
}

#[test]
fn some_requests_are_spared() {
    let limited = |ordinal, config| {
        RateLimit::decide(KIND, &attempt(ordinal, ordinal), config).unwrap() != Verdict::pass()
    };
    let free = (0..10).map(|ordinal| limited(ordinal, r#"{"free": 3}"#));
    assert_eq!(free.filter(|hit| *hit).count(), 7);
    let share = (0..10_000).filter(|ordinal| limited(*ordinal, r#"{"percent": 20}"#)).count();
    assert!((1_800..2_200).contains(&share), "{share}");
}

#[test]
fn problems_stand_at_their_place() {
    let paths = |config| RateLimit::check(KIND, config).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(
        paths(r#"{"retry_after": 3, "seconds": -1, "free": 0.5}"#),
        ["/retry_after", "/seconds", "/free"]
    );
    assert_eq!(RateLimit::check("meteor", "{}").len(), 1);
    assert!(from_str::<Value>(&RateLimit::describe().kinds[0].config_schema).is_ok());
}
