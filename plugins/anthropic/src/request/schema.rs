//! JSON schemas as the API takes them.

use std::borrow::Cow;

use seawall_translate::Json;

/// Constraints that structured output refuses; they are told in words instead.
const UNSUPPORTED: [&str; 14] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
    "patternProperties",
];

/// An input schema must say that it is an object.
pub(super) fn object(schema: Json<'_>) -> Json<'_> {
    if !schema.is_object() {
        return Json::object().with("type", "object");
    }
    if schema.text("type") == Some("object") {
        return schema;
    }
    let mut typed = schema;
    typed.set("type", "object");
    typed
}

/// A schema that structured output takes: closed objects, no numeric or length constraints.
pub(super) fn strict<'a>(schema: &'a Json<'_>) -> Json<'a> {
    let Json::Object(members) = schema else { return schema.lend() };
    let mut written = Json::object();
    let mut told: Vec<String> = Vec::new();
    for (name, value) in members {
        match &**name {
            "$schema" | "$id" => {}
            "properties" | "$defs" | "definitions" => written.push(&**name, each_member(value)),
            "items" | "not" => written.push(&**name, strict(value)),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let list = value.as_list().unwrap_or_default();
                let name = if name == "oneOf" { "anyOf" } else { name };
                written.push(name, list.iter().map(strict).collect::<Json<'_>>());
            }
            "minItems" if !matches!(schema.count("minItems"), Some(0 | 1)) => {
                told.push(format!("{name}: {value}"))
            }
            name if UNSUPPORTED.contains(&name) => told.push(format!("{name}: {value}")),
            name => written.push(name, value),
        }
    }
    if schema.text("type") == Some("object") || schema.get("properties").is_some() {
        written.set("additionalProperties", false);
    }
    if !told.is_empty() {
        let told = told.join(", ");
        let words = match schema.text("description") {
            Some(description) => format!("{description} ({told})"),
            None => told,
        };
        written.set("description", words);
    }
    written
}

fn each_member<'a>(schemas: &'a Json<'_>) -> Json<'a> {
    let Json::Object(members) = schemas else { return schemas.lend() };
    Json::Object(members.iter().map(|(name, schema)| (Cow::Borrowed(&**name), strict(schema))).collect())
}
