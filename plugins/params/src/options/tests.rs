use super::*;

#[derive(Debug, PartialEq)]
struct Problem {
    path: String,
    message: String,
    fix: Option<String>,
}

impl Finding for Problem {
    fn found(path: String, message: String, fix: Option<String>) -> Self {
        Self { path, message, fix }
    }
}

type Options = super::Options<Problem>;

#[test]
fn every_problem_is_reported_at_its_place() {
    let mut options = Options::new(r#"{"a": 1, "b": "x", "c": [1], "d": 2.5, "e": null, "a/z": 0}"#);
    assert_eq!(options.flag("a"), None);
    assert_eq!(options.word("b", &["y", "z"]), None);
    assert_eq!(options.strings("c"), None);
    assert_eq!(options.integer("d", 0, 9), None);
    assert_eq!(options.string("e"), None, "null is absent");
    let problems = options.finish(()).unwrap_err();
    let seen: Vec<_> = problems.iter().map(|p| (p.path.as_str(), p.message.as_str())).collect();
    let expected = [
        ("/a", "expected true or false, found 1"),
        ("/b", "expected one of y, z, found \"x\""),
        ("/c", "expected a list of strings, found a list"),
        ("/d", "expected a whole number from 0 to 9, found 2.5"),
        ("/a~1z", "unknown setting `a/z`"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn good_settings_are_read() {
    let mut options = Options::new(r#"{"n": 3, "x": 0.5, "w": "b", "o": {"k": true}}"#);
    assert_eq!(options.integer("n", 0, 9), Some(3));
    assert_eq!(options.number("x", 0.0, 1.0), Some(0.5));
    assert_eq!(options.word("w", &["a", "b"]), Some("b"));
    let mut inner = Options::at("/o", Value::Object(options.object("o").unwrap()));
    assert_eq!(inner.flag("k"), Some(true));
    assert_eq!(inner.string("missing"), None);
    assert_eq!(inner.finish(1), Ok(1));
    assert_eq!(options.finish(2), Ok(2));
}

#[test]
fn what_is_no_object_is_one_problem() {
    for config in ["[1]", "3", "{", "nonsense"] {
        let problems = Options::new(config).finish(()).unwrap_err();
        assert_eq!((problems.len(), problems[0].path.as_str()), (1, ""), "{config}");
    }
    assert_eq!(Options::new("").finish(()), Ok(()));
    let nested = Options::at("/deep", Value::Bool(true)).finish(()).unwrap_err();
    assert_eq!(nested[0].path, "/deep");
}
