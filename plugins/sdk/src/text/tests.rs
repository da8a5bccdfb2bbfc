use super::*;

#[test]
fn messages_lose_what_is_not_the_clients_business() {
    let cases = [
        ("Rate limit reached", "Rate limit reached"),
        ("two\n  lines", "two lines"),
        ("see https://example.com/keys.", "see (link)"),
        ("(http://10.0.0.1:80/v1)", "(link)"),
        ("provided: sk-abc123def456.", "provided: (hidden)."),
        ("key 'gsk_0123456789abcdef' is wrong", "key '(hidden)' is wrong"),
        ("key AIzaSyA1234567890 is wrong", "key (hidden) is wrong"),
        ("in organization `org_01hx2y3z4` on", "in organization `(hidden)` on"),
        ("your key: abcd****wxyz", "your key: (hidden)"),
        ("the risk-averse key-value task", "the risk-averse key-value task"),
        ("model `gpt-4o-mini-2024-07-18` does", "model `gpt-4o-mini-2024-07-18` does"),
        ("Grüße \u{1F980}", "Grüße \u{1F980}"),
    ];
    for (message, expected) in cases {
        assert_eq!(safe(message), expected, "{message}");
    }
}

#[test]
fn long_messages_end_between_letters() {
    let long = safe(&"ü".repeat(5000));
    assert_eq!((long.chars().count(), long.ends_with("...")), (603, true));
}
