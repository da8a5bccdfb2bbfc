use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BodyError, RequestBody};
use crate::ports::BodyPlan;
use crate::request::Protocol;

const NONCE: u64 = 0xfeed_beef;

fn body(text: impl Into<Bytes>) -> RequestBody {
    RequestBody::new(Protocol::Chat, text.into(), HeaderMap::new(), NONCE).unwrap()
}

fn refused(text: &'static [u8]) -> BodyError {
    RequestBody::new(Protocol::Chat, Bytes::from_static(text), HeaderMap::new(), 0).unwrap_err()
}

fn patched(text: &'static str, patch: &str) -> String {
    let out = body(text).apply(&BodyPlan::MergePatch(patch.to_owned())).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn full(body: &RequestBody, text: impl Into<Bytes>) -> Result<Bytes, BodyError> {
    body.apply(&BodyPlan::Full(text.into()))
}

#[test]
fn only_json_objects_pass() {
    assert!(matches!(refused(b"{\"a\":1"), BodyError::NotJson(why) if why.contains("line 1")));
    assert!(matches!(refused(b"{\n\"a\":tru}"), BodyError::NotJson(why) if why.contains("line 2")));
    assert!(matches!(refused(b""), BodyError::NotJson(_)));
    assert!(matches!(refused(b"{} x"), BodyError::NotJson(_)));
    assert!(matches!(refused(b"{\"a\":\"\xff\"}"), BodyError::NotJson(why) if why.contains("UTF-8")));
    assert_eq!(refused(b"[1]"), BodyError::NotAnObject);
    assert_eq!(refused(b"\"x\""), BodyError::NotAnObject);
    assert_eq!(refused(b"null"), BodyError::NotAnObject);
}

#[test]
fn members_are_found_as_they_are_written() {
    let body = body(r#" { "a" : 1.50 , "b":[ 1, {"a":2} ],"a\"\u0062": "x", "dup":1 ,"dup": 2,"é":null } "#);
    assert_eq!(body.member("a"), Some("1.50"));
    assert_eq!(body.member("b"), Some(r#"[ 1, {"a":2} ]"#));
    assert_eq!(body.member("a\"b"), Some("\"x\""));
    assert_eq!(body.member("dup"), Some("2"));
    assert_eq!(body.member("é"), Some("null"));
    assert_eq!(body.member("c"), None);
    assert_eq!(body.guest_member("b"), body.member("b"));
}

#[test]
fn patches_splice_and_keep_every_other_byte() {
    let check = |text, patch, expect: &str| assert_eq!(patched(text, patch), expect, "{text} + {patch}");
    check(r#"{ "model" : "a" , "n": 1.0 }"#, r#"{"model":"b"}"#, r#"{ "model" : "b" , "n": 1.0 }"#);
    check(r#"{"a":1,"b":2,"c":3}"#, r#"{"b":null}"#, r#"{"a":1,"c":3}"#);
    check(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":null}"#, r#"{"b":2,"c":3}"#);
    check(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":null,"b":null}"#, r#"{"c":3}"#);
    check(r#"{"a":1,"b":2,"c":3}"#, r#"{"c":null,"b":null}"#, r#"{"a":1}"#);
    check(r#"{"a":1,"b":2}"#, r#"{"a":null,"b":null}"#, "{}");
    check(r#"{"a":1,"b":2}"#, r#"{"a":null,"b":null,"z":[]}"#, r#"{"z":[]}"#);
    check(r#"{"a":1,"b":2}"#, r#"{"a":null,"b":5,"z":0}"#, r#"{"b":5,"z":0}"#);
    check("{ }", r#"{"a":"x"}"#, r#"{"a":"x" }"#);
    check(r#"{"a":1 }"#, r#"{"b\n":2}"#, r#"{"a":1,"b\n":2 }"#);
    check(r#"{"a":1}"#, "{}", r#"{"a":1}"#);
    check(r#"{"a":1}"#, r#"{"b":null}"#, r#"{"a":1}"#);
    check(
        r#"{"n":1e400}"#,
        r#"{"a":123456789012345678901234567890}"#,
        r#"{"n":1e400,"a":123456789012345678901234567890}"#,
    );
}

#[test]
fn nested_objects_merge() {
    let check = |text, patch, expect: &str| assert_eq!(patched(text, patch), expect, "{text} + {patch}");
    check(r#"{"o":{"a": 1,"b":2}}"#, r#"{"o":{"b":null,"c":3}}"#, r#"{"o":{"a": 1,"c":3}}"#);
    check(r#"{"o":[1]}"#, r#"{"o":{"b":null,"c":{"d":null}}}"#, r#"{"o":{"c":{}}}"#);
    check("{}", r#"{"o":{"p":{"q":1,"r":null}}}"#, r#"{"o":{"p":{"q":1}}}"#);
    check(r#"{"o":{"a":1}}"#, r#"{"o":[null]}"#, r#"{"o":[null]}"#);
}

#[test]
fn a_patched_member_has_one_meaning_even_if_it_stood_twice() {
    assert_eq!(patched(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":9}"#), r#"{"b":2,"a":9}"#);
    assert_eq!(patched(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":null}"#), r#"{"b":2}"#);
    assert_eq!(patched(r#"{"b":2}"#, r#"{"a":1,"a":4}"#), r#"{"b":2,"a":4}"#);
}

#[test]
fn bad_patches_are_the_plugins_fault() {
    let apply = |patch: &str| body("{}").apply(&BodyPlan::MergePatch(patch.to_owned())).unwrap_err();
    assert!(matches!(apply("[]"), BodyError::BadPatch(_)));
    assert!(matches!(apply("{\"a\":"), BodyError::BadPatch(_)));
    let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    assert!(matches!(apply(&deep), BodyError::BadPatch(_)));
}

/// RFC 7396, section 2, word for word.
fn rfc7396(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.shift_remove(name);
        } else {
            let old = target.get(name).cloned().unwrap_or(Value::Null);
            target.insert(name.clone(), rfc7396(old, value));
        }
    }
    Value::Object(target)
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\\n é]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            any_object_of(inner.boxed()),
        ]
    })
}

fn any_object_of(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    prop::collection::hash_map("[a-d\"]{1,2}", inner, 0..5)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn a_merge_means_what_the_rfc_says(
        target in any_object_of(any_value().boxed()),
        patch in any_object_of(any_value().boxed()),
        pretty: bool,
    ) {
        let text = if pretty { serde_json::to_string_pretty(&target) } else { serde_json::to_string(&target) }.unwrap();
        let out = body(text).apply(&BodyPlan::MergePatch(patch.to_string())).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(out, rfc7396(target, &patch));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, patch: String) {
        if let Ok(body) = RequestBody::new(Protocol::Chat, bytes.into(), HeaderMap::new(), 0) {
            let _ = body.apply(&BodyPlan::MergePatch(patch));
            let _ = body.guest_json();
        }
    }
}

fn payload(len: usize) -> String {
    "QUJDRA+/".chars().cycle().take(len).collect()
}

#[test]
fn large_payloads_never_reach_a_guest_and_come_back_whole() {
    let pure = payload(5000);
    let escaped = pure.replace('/', "\\/").replace('+', "\\u002B");
    let text = format!(
        r#"{{"a":"data:image/png;base64,{pure}","b":{{"data": "{pure}"}},"c":"![](data:image/png;base64,{escaped}) and \"more\"","d":"{}"}}"#,
        payload(4096),
    );
    let body = body(text.clone());
    let guest = String::from_utf8(body.guest_json().to_vec()).unwrap();
    let token = |n: u32| format!("@blob:{NONCE:016x}:{n}@");
    let expect = format!(
        r#"{{"a":"data:image/png;base64,{}","b":{{"data": "{}"}},"c":"![](data:image/png;base64,{}) and \"more\"","d":"{}"}}"#,
        token(0),
        token(1),
        token(2),
        payload(4096),
    );
    assert_eq!(guest, expect);
    assert_eq!(body.guest_member("b"), Some(format!(r#"{{"data": "{}"}}"#, token(1)).as_str()));
    assert_eq!(full(&body, guest).unwrap(), text);

    let moved = format!(r#"{{"x":"{}{}"}}"#, token(1), token(2));
    let moved: Value = serde_json::from_slice(&full(&body, moved).unwrap()).unwrap();
    assert_eq!(moved, json!({ "x": format!("{pure}{pure}") }));

    let patch = BodyPlan::MergePatch(format!(r#"{{"a":null,"c":null,"d":null,"b":"{}"}}"#, token(0)));
    assert_eq!(body.apply(&patch).unwrap(), format!(r#"{{"b":"{pure}"}}"#));
}

#[test]
fn what_only_looks_like_a_payload_stays() {
    let check = |text: String| assert_eq!(body(text.clone()).guest_json(), &Bytes::from(text));
    check(format!(r#"{{"a":"{}"}}"#, payload(4096)));
    check(format!(r#"{{"a":"{} prose"}}"#, payload(5000)));
    check(format!(r#"{{"a":"prose {}"}}"#, payload(5000)));
    check(format!(r#"{{"a":{}}}"#, "1".repeat(9000)));
    check(format!(r#"{{"a":"{}\n"}}"#, payload(5000)));
    check(format!(r#"{{"a":"{}"}}"#, "plain words ".repeat(1000)));
}

#[test]
fn tokens_are_this_requests_or_nothing() {
    let body = body(format!(r#"{{"a":"{}"}}"#, payload(5000)));
    let foreign = r#"{"a":"@blob:0000000000000001:0@ @blob: @blob:x"}"#;
    assert_eq!(full(&body, foreign).unwrap(), foreign);
    for number in ["1", "", "99999999999999999999", "-1"] {
        let unknown = format!(r#"{{"a":"@blob:{NONCE:016x}:{number}@"}}"#);
        assert!(matches!(full(&body, unknown), Err(BodyError::UnknownBlob(_))), "{number}");
    }
    let open = format!(r#"{{"a":"@blob:{NONCE:016x}:0"}}"#);
    assert!(matches!(full(&body, open), Err(BodyError::UnknownBlob(_))));
}

#[test]
fn headers_never_give_credentials_away() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", "Bearer x".parse().unwrap());
    headers.insert("x-api-key", "x".parse().unwrap());
    headers.insert("x-feature", "on".parse().unwrap());
    let body = RequestBody::new(Protocol::Chat, Bytes::from_static(b"{}"), headers, 0).unwrap();
    assert_eq!(body.header("X-Feature"), Some("on"));
    assert_eq!(body.header("Authorization"), None);
    assert_eq!(body.header("x-api-key"), None);
}

#[test]
fn fingerprints_tell_bodies_apart() {
    assert_eq!(body(r#"{"a":1}"#).fingerprint(), body(r#"{"a":1}"#).fingerprint());
    assert_ne!(body(r#"{"a":1}"#).fingerprint(), body(r#"{"a":2}"#).fingerprint());
}
