//! Faults that a request chooses for itself: in the header `x-sim-fault`, or in a mark `[[sim:{...}]]` within the last
//! user text, which gets through any gateway. With `"lane": "a"` a mark strikes on that lane only.

use http::HeaderMap;
use serde_json::{Deserializer, Map, Value};

use crate::fault::{Fault, Kind};

pub(crate) const HEADER: &str = "x-sim-fault";
const OPEN: &str = "[[sim:";
const CLOSE: &str = "]]";

/// The fault that a header chooses; an error says what is wrong with it.
pub(crate) fn in_header(headers: &HeaderMap, lane: &str) -> Result<Option<Kind>, String> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let wrong = |error: serde_json::Error| format!("{HEADER}: {error}");
    let map: Map<String, Value> = serde_json::from_slice(value.as_bytes()).map_err(wrong)?;
    kind(map, lane).map_err(|error| format!("{HEADER}: {error}"))
}

/// Whether a request body can hold a mark at all; cheap, and asked for every request.
pub(crate) fn may_be_in(body: &[u8]) -> bool {
    memchr::memmem::find(body, OPEN.as_bytes()).is_some()
}

/// The fault that the first fitting mark chooses. All marks are taken out of the text.
pub(crate) fn in_text(text: &mut String, lane: &str) -> Result<Option<Kind>, String> {
    if !text.contains(OPEN) {
        return Ok(None);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut chosen = None;
    while let Some((before, after)) = rest.split_once(OPEN) {
        plain.push_str(before);
        let mut values = Deserializer::from_str(after).into_iter::<Map<String, Value>>();
        let map = values.next().unwrap_or_else(|| Ok(Map::new()));
        let map = map.map_err(|error| format!("`{OPEN}...`: {error}"))?;
        let tail = after.get(values.byte_offset()..).and_then(|tail| tail.trim_start().strip_prefix(CLOSE));
        rest = tail.ok_or_else(|| format!("`{OPEN}...` does not end with `{CLOSE}`"))?;
        let kind = kind(map, lane).map_err(|error| format!("`{OPEN}...`: {error}"))?;
        chosen = chosen.or(kind);
    }
    plain.push_str(rest);
    *text = plain.trim().to_owned();
    Ok(chosen)
}

fn kind(mut map: Map<String, Value>, lane: &str) -> Result<Option<Kind>, String> {
    let here = map.remove("lane").is_none_or(|wanted| wanted == lane);
    let fault: Fault = serde_json::from_value(Value::Object(map)).map_err(|error| error.to_string())?;
    Ok(here.then_some(fault.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_and_taken_out() {
        let hang = Some("hang");
        for (text, expect, left) in [
            ("hello", Ok(None), "hello"),
            (r#"[[sim:{"kind":"hang"}]] hello"#, Ok(hang), "hello"),
            (
                r#"a [[sim:{"kind":"hang","lane":"x"}]][[sim:{"kind":"reset","lane":"y"}]] b"#,
                Ok(hang),
                "a  b",
            ),
            (r#"a [[sim:{"kind":"hang","lane":"y"}]]"#, Ok(None), "a"),
            (r#"[[sim:{"kind":"status","status":400,"message":"]]"}]]ü"#, Ok(Some("status")), "ü"),
            ("[[sim:", Err(()), ""),
            ("[[sim:{}]]", Err(()), ""),
            (r#"[[sim:{"kind":"hang"} and so on"#, Err(()), ""),
        ] {
            let mut plain = text.to_owned();
            let found = in_text(&mut plain, "x");
            assert_eq!(
                found.as_ref().map(|kind| kind.as_ref().map(Kind::name)).map_err(|_| ()),
                expect,
                "{text}"
            );
            if found.is_ok() {
                assert_eq!(plain, left);
            }
        }
    }
}
