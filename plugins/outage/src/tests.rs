use super::*;

fn attempt(random: u64, number: u32) -> Attempt {
    Attempt {
        request_id: "r".to_owned(),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        alias: "chat".to_owned(),
        tenant: "default".to_owned(),
        streaming: false,
        attempt: number,
        ordinal: 1,
        random,
        now_ms: 0,
        armed_for_ms: 0,
    }
}

fn action(kind: &str, config: &str) -> Action {
    Outage::decide(kind, &attempt(1, 1), config).unwrap().action
}

#[test]
fn every_kind_does_what_it_says() {
    assert_eq!(action("refused", "{}"), Action::RefuseConnection);
    assert_eq!(action("reset", "{}"), Action::Reset);
    assert_eq!(action("hang", "{}"), Action::Hang);
    let status = |config| match action("outage", config) {
        Action::Respond(response) => response.status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(""), 503);
    assert_eq!(status(r#"{"status": 522}"#), 522);
    let own = |status| action("outage", &format!(r#"{{"status": {status}, "shape": "provider"}}"#));
    let cases = [(500, ErrorClass::ServerError), (529, ErrorClass::Overloaded), (504, ErrorClass::Timeout)];
    for (status, class) in cases {
        assert_eq!(own(status), Action::Fail(ClassFailure { class, retry_after: None }), "{status}");
    }
}

#[test]
fn percent_is_a_share_of_attempts_and_can_be_replayed() {
    let hit = |random: u64, number| {
        let verdict = Outage::decide("reset", &attempt(random, number), r#"{"percent": 30}"#).unwrap();
        verdict.action == Action::Reset
    };
    let hits = (0..10_000).filter(|random| hit(*random, 1)).count();
    assert!((2_800..3_200).contains(&hits), "{hits}");
    assert!((0..1000).all(|random| hit(random, 1) == hit(random, 1)));
    assert!((0..1000).any(|random| hit(random, 1) != hit(random, 2)), "attempts of one request differ");
    let none = Outage::decide("reset", &attempt(3, 1), r#"{"percent": 0}"#).unwrap();
    assert_eq!(none, Verdict::pass());
}

#[test]
fn problems_stand_at_their_place() {
    let paths = |kind, config| Outage::check(kind, config).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(paths("outage", r#"{"status": 404, "percent": 101, "shape": "x", "extra": 1}"#).len(), 4);
    assert_eq!(paths("outage", r#"{"status": 404}"#), ["/status"]);
    assert_eq!(paths("refused", r#"{"status": 503}"#), ["/status"], "only outages have a status");
    assert_eq!(paths("meteor", "{}"), [""]);
    assert_eq!(paths("hang", ""), Vec::<String>::new());
    assert!(Outage::decide("outage", &attempt(1, 1), r#"{"status": 1}"#).is_err());
}

#[test]
fn every_kind_has_a_schema_that_parses() {
    for kind in Outage::describe().kinds {
        let schema: Value = seawall_plugin::serde_json::from_str(&kind.config_schema).unwrap();
        assert!(schema.pointer("/properties/percent").is_some(), "{}", kind.name);
    }
}
