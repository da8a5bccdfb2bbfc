//! A small instance of a JSON schema: the arguments of a simulated tool call, or a structured answer.
//! Understands what tool schemas use in practice; bounded in depth and size, so that no schema can exhaust it.

use serde_json::{Map, Value, json};

const DEEPEST: usize = 16;
const MOST_NODES: usize = 2_000;
const CHARACTERS_PER_NODE: usize = 64;
const MOST_ITEMS: u64 = 16;
const LONGEST_FILL: u64 = 256;

/// An instance valid against `schema`, as far as the schema is simple. Optional properties are filled too.
pub(crate) fn instance(schema: &Value) -> Value {
    Builder { root: schema, nodes: 0 }.build(schema, "text", 0)
}

struct Builder<'a> {
    root: &'a Value,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn build(&mut self, schema: &'a Value, name: &str, depth: usize) -> Value {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            // A large constant that many references repeat counts as what it costs.
            self.nodes += fixed.to_string().len() / CHARACTERS_PER_NODE;
            return fixed.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null);
            return self.build(target, name, depth + 1);
        }
        if let Some(first) = schema.pointer("/anyOf/0").or_else(|| schema.pointer("/oneOf/0")) {
            return self.build(first, name, depth + 1);
        }
        match kind(schema).as_str() {
            "object" => self.object(schema, depth),
            "array" => {
                let least = schema["minItems"].as_u64().unwrap_or(1).min(MOST_ITEMS);
                (0..least).map(|_| self.build(&schema["items"], name, depth + 1)).collect()
            }
            "integer" => json!(integer(schema)),
            "number" => number(schema),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(string(schema, name)),
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut built = Map::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Value::Object(fields) = self.build(part, "text", depth + 1) {
                built.extend(fields);
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let value = self.build(property, name, depth + 1);
            built.insert(name.clone(), value);
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            built.entry(name).or_insert_with(|| Value::String(name.to_owned()));
        }
        Value::Object(built)
    }
}

/// The schema's type in lower case; the first that is not null where there are several.
fn kind(schema: &Value) -> String {
    let named = match &schema["type"] {
        Value::String(one) => Some(one.as_str()),
        Value::Array(many) => many.iter().filter_map(Value::as_str).find(|one| *one != "null"),
        _ => None,
    };
    let guessed = || {
        let object = ["properties", "allOf", "required"].iter().any(|key| schema.get(key).is_some());
        if object { "object" } else { "string" }
    };
    named.unwrap_or_else(guessed).to_ascii_lowercase()
}

fn integer(schema: &Value) -> i64 {
    let least = schema["minimum"].as_i64();
    let above = schema["exclusiveMinimum"].as_i64().map(|n| n.saturating_add(1));
    let most = schema["maximum"].as_i64();
    let below = schema["exclusiveMaximum"].as_i64().map(|n| n.saturating_sub(1));
    let wanted = least.or(above).unwrap_or(1);
    let wanted = most.or(below).map_or(wanted, |most| wanted.min(most));
    match schema["multipleOf"].as_i64() {
        Some(step) if step > 0 => wanted.div_euclid(step).saturating_mul(step).max(least.unwrap_or(i64::MIN)),
        _ => wanted,
    }
}

fn number(schema: &Value) -> Value {
    let least = schema["minimum"].as_f64().or_else(|| schema["exclusiveMinimum"].as_f64().map(|n| n + 0.5));
    let most = schema["maximum"].as_f64().or_else(|| schema["exclusiveMaximum"].as_f64().map(|n| n - 0.5));
    let wanted = least.unwrap_or(1.5);
    json!(most.map_or(wanted, |most| wanted.min(most)))
}

fn string(schema: &Value, name: &str) -> String {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => name,
    };
    let least = schema["minLength"].as_u64().unwrap_or(0).min(LONGEST_FILL);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let fill =
        std::iter::repeat_n('x', usize::try_from(least).unwrap_or_default().saturating_sub(text.len()));
    text.chars().chain(fill).take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_fit_their_schemas() {
        for (schema, expect) in [
            (json!({"type": "object", "properties": {"city": {"type": "string"}}}), json!({"city": "city"})),
            (json!({"type": ["null", "integer"], "minimum": 7}), json!(7)),
            (json!({"type": "integer", "exclusiveMaximum": -3}), json!(-4)),
            (json!({"enum": ["b", "a"]}), json!("b")),
            (json!({"type": "ARRAY", "items": {"type": "BOOLEAN"}, "minItems": 2}), json!([true, true])),
            (json!({"$ref": "#/$defs/x", "$defs": {"x": {"const": 5}}}), json!(5)),
            (json!({"anyOf": [{"type": "string", "format": "date"}]}), json!("2026-01-01")),
            (json!({"type": "string", "minLength": 6}), json!("textxx")),
            (json!({"required": ["a"]}), json!({"a": "a"})),
            (json!("nonsense"), json!("text")),
        ] {
            assert_eq!(instance(&schema), expect, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert!(instance(&schema).is_object());
    }
}
