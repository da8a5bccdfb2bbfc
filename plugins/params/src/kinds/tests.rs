use super::*;
use crate::random::Draws;

#[derive(Debug, PartialEq)]
struct Problem(String);

impl Finding for Problem {
    fn found(path: String, _message: String, _fix: Option<String>) -> Self {
        Self(path)
    }
}

const KIND: Kind = Kind {
    name: "all",
    layer: "headers",
    about: "has every form",
    params: &[
        Param { name: "share", about: "", form: Form::Number { low: 0.0, high: 1.0, usual: 0.5 } },
        Param { name: "count", about: "", form: Form::Whole { low: 1, high: 9, usual: 3 } },
        Param { name: "status", about: "", form: Form::OneOf { numbers: &[500, 503], usual: 503 } },
        Param { name: "shape", about: "", form: Form::Word { words: &["round", "flat"], usual: "flat" } },
        Param { name: "words", about: "", form: Form::Text { usual: "hello" } },
        Param { name: "", about: "", form: Form::Delay { usual: Delay::around(700.0) } },
    ],
};

#[test]
fn what_is_missing_is_as_the_schema_says() {
    let values = KIND.read::<Problem>("").unwrap();
    let schema: Value = serde_json::from_str(&KIND.schema()).unwrap();
    let usual = |name: &str| schema["properties"][name]["default"].clone();
    assert_eq!(json!(values.number("share")), usual("share"));
    assert_eq!(json!(values.whole("count")), usual("count"));
    assert_eq!(json!(values.whole("status")), usual("status"));
    assert_eq!(values.text("shape"), usual("shape"));
    assert_eq!(values.text("words"), usual("words"));
    assert_eq!(usual("median_ms"), json!(700.0));
    assert_eq!(values.delay(), Some(&Delay::around(700.0)));
}

#[test]
fn every_problem_is_found_at_its_place() {
    let wrong = r#"{"share": 2, "count": 0.5, "status": 404, "shape": "oval", "words": 1, "distribution": "zipf", "extra": 1}"#;
    let found: Vec<String> = KIND.read::<Problem>(wrong).unwrap_err().into_iter().map(|p| p.0).collect();
    assert_eq!(found, ["/share", "/count", "/status", "/shape", "/words", "/distribution", "/extra"]);
    let of_another = r#"{"distribution": "const", "median_ms": 3}"#;
    assert_eq!(KIND.read::<Problem>(of_another).unwrap_err(), [Problem("/median_ms".to_owned())]);
}

#[test]
fn a_delay_may_be_missing() {
    let maybe = Kind { params: &[Param { name: "", about: "", form: Form::MaybeDelay }], ..KIND };
    assert_eq!(maybe.read::<Problem>("{}").unwrap().delay(), None);
    let given = maybe.read::<Problem>(r#"{"distribution": "const", "ms": 7}"#).unwrap();
    assert_eq!(given.delay().unwrap().draw(&mut Draws::new(1)), 7);
    assert!(!maybe.schema().contains("default"), "nothing is usual");
}

#[test]
fn delays_follow_their_distribution() {
    // Expected quantiles: 10, 50 and 90 percent.
    let cases = [
        (r#"{"distribution": "const", "ms": 700}"#, [700.0, 700.0, 700.0]),
        (r#"{"distribution": "uniform", "min_ms": 100, "max_ms": 1100}"#, [200.0, 600.0, 1000.0]),
        (r#"{"distribution": "normal", "mean_ms": 1000, "deviation_ms": 100}"#, [871.8, 1000.0, 1128.2]),
        (r#"{"median_ms": 1000, "sigma": 0.5}"#, [526.9, 1000.0, 1898.0]),
        (r#"{"distribution": "pareto", "min_ms": 100, "alpha": 2}"#, [105.4, 141.4, 316.2]),
        (r#"{"median_ms": 1000, "sigma": 0.5, "cap_ms": 1200}"#, [526.9, 1000.0, 1200.0]),
        (r#"{"distribution": "normal", "mean_ms": 0, "deviation_ms": 1000}"#, [0.0, 0.0, 1281.6]),
    ];
    for (config, quantiles) in cases {
        let values = KIND.read::<Problem>(config).unwrap();
        let mut draws = Draws::new(3);
        let mut seen: Vec<u32> = (0..20_000).map(|_| values.delay().unwrap().draw(&mut draws)).collect();
        seen.sort_unstable();
        for (at, expected) in [2_000, 10_000, 18_000].into_iter().zip(quantiles) {
            let delay = f64::from(seen[at]);
            let near = (delay - expected).abs() <= (expected * 0.03).max(15.0);
            assert!(near, "{config} at {at}: {delay}, not {expected}");
        }
    }
}
