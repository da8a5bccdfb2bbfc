use super::*;
use crate::headers::header;

#[test]
fn durations_as_providers_write_them() {
    let cases = [
        ("12ms", Some(12)),
        ("1s", Some(1000)),
        ("22s", Some(22_000)),
        ("34.4s", Some(34_400)),
        ("6m0s", Some(360_000)),
        ("2m59.56s", Some(179_560)),
        ("1h2m3s", Some(3_723_000)),
        ("1d2h", Some(93_600_000)),
        ("0s", Some(0)),
        ("", None),
        ("s", None),
        ("5", None),
        ("5 s", None),
        ("1.2.3s", None),
        ("-5s", None),
        ("5x", None),
        ("999999999999d", Some(604_800_000)),
    ];
    for (text, expected) in cases {
        assert_eq!(duration_ms(text), expected, "{text:?}");
    }
}

#[test]
fn retry_after_in_all_its_forms() {
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    let cases = [
        ("7", None, Some(7000)),
        ("0.25", None, Some(250)),
        ("0.0001", None, Some(1)),
        ("20s", None, Some(20_000)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", date, Some(10_000)),
        ("Sun, 06 Nov 1994 08:49:30 GMT", date, Some(0)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", None, None),
        ("soon", date, None),
        ("-3", None, None),
        ("NaN", None, None),
        ("inf", None, None),
        ("1e300", None, Some(604_800_000)),
    ];
    for (value, date, expected) in cases {
        assert_eq!(retry_after_ms(value, date), expected, "{value:?}");
    }
}

#[test]
fn the_most_exact_hint_counts() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<u64>);
    let cases: [Case<'_>; 7] = [
        (&[("Retry-After-Ms", "1250"), ("retry-after", "2")], Some(1250)),
        (&[("retry-after-ms", "x"), ("retry-after", "2")], Some(2000)),
        (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")], Some(360_000)),
        (&[("x-ratelimit-remaining-tokens", "9"), ("x-ratelimit-reset-tokens", "6m0s")], None),
        (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")], Some(30_000)),
        (
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "784111787"),
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ],
            Some(604_800_000),
        ),
        (&[], None),
    ];
    for (list, expected) in cases {
        let headers: Vec<_> = list.iter().map(|(name, value)| header(*name, *value)).collect();
        assert_eq!(hint_ms(&headers), expected, "{list:?}");
    }
}

#[test]
fn dates_are_read_as_they_are_written() {
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(write_http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    for seconds in [0, 951_782_400, 1_709_164_799, 1_709_164_800, 4_102_444_799, 253_402_300_799] {
        let text = write_http_date(seconds);
        assert_eq!(http_date(&text).and_then(|s| u64::try_from(s).ok()), Some(seconds), "{text}");
    }
    for wrong in ["", "yesterday", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"] {
        assert_eq!(http_date(wrong), None, "{wrong}");
    }
}
