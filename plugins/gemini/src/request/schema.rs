//! JSON schemas as the API takes them: nearly as they are.

use seawall_translate::Json;
use seawall_translate::json::Word;

/// Annotations that the API does not know.
const UNKNOWN: [&str; 4] = ["$schema", "$comment", "strict", "examples"];

/// Drops what the API does not know and says constants as enumerations.
pub(super) fn clean<'a>(schema: &'a Json<'_>) -> Json<'a> {
    match schema {
        Json::Object(members) => {
            let known = members.iter().filter(|(name, _)| !UNKNOWN.contains(&&**name));
            Json::Object(known.map(|(name, value)| member(name, value)).collect())
        }
        other => other.lend(),
    }
}

fn member<'a>(name: &'a str, value: &'a Json<'_>) -> (Word<'a>, Json<'a>) {
    let cleaned = match (name, value) {
        ("const", value) => return ("enum".into(), Json::List(vec![value.lend()])),
        // Names of properties are the client's: one may be called like an annotation.
        ("properties" | "$defs" | "definitions" | "patternProperties", Json::Object(schemas)) => {
            Json::Object(schemas.iter().map(|(name, schema)| (Word::Borrowed(name), clean(schema))).collect())
        }
        ("anyOf" | "oneOf" | "allOf" | "prefixItems", Json::List(schemas)) => {
            schemas.iter().map(clean).collect()
        }
        ("items" | "additionalProperties" | "not", schema) => clean(schema),
        (_, value) => value.lend(),
    };
    (name.into(), cleaned)
}
