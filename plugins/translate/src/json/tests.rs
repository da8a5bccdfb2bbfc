use std::borrow::Cow;

use super::Json;

fn parsed(text: &str) -> Json<'_> {
    Json::parse(text.as_bytes()).expect("valid")
}

#[test]
fn members_keep_their_order_and_numbers_their_digits() {
    for text in [
        r#"{"z":1,"a":[true,null,-2,0.5,18446744073709551615],"m":{"y":"\u00e9\n","b":{}}}"#,
        r#"[]"#,
        r#""text""#,
        "1e100",
    ] {
        let once = parsed(text).to_string();
        assert_eq!(parsed(&once).to_string(), once);
    }
    assert_eq!(parsed(r#"{"z":1,"a":{"y":2,"b":3}}"#).to_string(), r#"{"z":1,"a":{"y":2,"b":3}}"#);
}

#[test]
fn the_last_of_two_equal_members_counts_and_null_is_absent() {
    assert_eq!(parsed(r#"{"a":1,"a":2}"#).count("a"), Some(2));
    assert_eq!(parsed(r#"{"a":null}"#).get("a"), None);
}

#[test]
fn texts_are_borrowed_unless_they_were_escaped() {
    let is_borrowed = |value: Option<&Json<'_>>| matches!(value, Some(Json::Text(Cow::Borrowed(_))));
    let body = parsed(r#"{"plain":"as it is","escaped":"a\"b","\u006eame":[{"deep":"x"}]}"#);
    assert!(is_borrowed(body.get("plain")) && !is_borrowed(body.get("escaped")));
    assert_eq!(body.text("escaped"), Some("a\"b"));
    assert!(is_borrowed(body.list("name").first().and_then(|item| item.get("deep"))));
    let lent = body.lend();
    assert!(is_borrowed(lent.get("escaped")));
    let own = lent.to_own();
    assert_eq!((&lent, &own), (&body, &body));
    drop(body);
    assert!(!is_borrowed(own.get("plain")));
    assert_eq!(own.text("plain"), Some("as it is"));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    assert!(Json::parse("[".repeat(100_000).as_bytes()).is_err());
}

/// Against the library's own writer: every ASCII character and some others, at every place of a word of the search.
#[test]
fn strings_are_escaped_as_the_library_does() {
    let characters = (0..=0x7f_u8).map(char::from).chain(['\u{80}', 'é', '\u{2028}', '漢', '😀']);
    for character in characters {
        for before in 0..18 {
            let text = format!("{}{character}{}{character}", "x".repeat(before), "ÿ".repeat(before / 2));
            let expected = serde_json::to_string(&text).expect("serialises");
            assert_eq!(Json::from(text).to_string(), expected);
        }
    }
}
