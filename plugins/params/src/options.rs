//! An operator's settings: JSON in, values and problems at JSON pointers out.

use serde_json::{Map, Value};

use crate::nearest::nearest;

/// What is found wrong with settings. Components and the gateway each have a type of their own for it.
pub trait Finding: Sized {
    /// A problem at a JSON pointer ("" is the whole), with what to do about it.
    fn found(path: String, message: String, fix: Option<String>) -> Self;
}

/// Reads an object member by member and collects every problem, so that an operator sees all of them at once.
///
/// Each getter takes its member out; what is left at [`Options::finish`] is unknown and becomes a problem that names
/// the nearest known member.
#[derive(Debug)]
pub struct Options<P> {
    members: Map<String, Value>,
    asked: Vec<String>,
    at: String,
    problems: Vec<P>,
}

impl<P: Finding> Options<P> {
    /// Reads a plugin's configuration; an empty text counts as `{}`.
    pub fn new(config: &str) -> Self {
        // Most plugins are given nothing, and some look at it for every request.
        if matches!(config.trim(), "" | "{}") {
            return Self::at("", Value::Object(Map::new()));
        }
        match serde_json::from_str(config) {
            Ok(value) => Self::at("", value),
            Err(e) => Self::broken("", format!("the configuration is not JSON: {e}")),
        }
    }

    /// Reads an object that stands at this JSON pointer.
    pub fn at(pointer: &str, value: Value) -> Self {
        match value {
            Value::Object(members) => {
                Self { members, asked: Vec::new(), at: pointer.to_owned(), problems: Vec::new() }
            }
            other => Self::broken(pointer, format!("expected an object, found {}", kind(&other))),
        }
    }

    fn broken(pointer: &str, message: String) -> Self {
        let problems = vec![P::found(pointer.to_owned(), message, None)];
        Self { members: Map::new(), asked: Vec::new(), at: pointer.to_owned(), problems }
    }

    /// Takes a member as it is; null counts as absent.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        // Where nothing is left, nothing can turn out to be unknown.
        if !self.members.is_empty() {
            self.asked.push(name.to_owned());
        }
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Whether a member is given.
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a member that `read` must understand; `expected` says what is right ("true or false").
    pub fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let read = read(&value);
        if read.is_none() {
            self.refuse(name, format!("expected {expected}, found {}", show(&value)), None);
        }
        read
    }

    /// Takes a boolean.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, "true or false", Value::as_bool)
    }

    /// Takes a string.
    pub fn string(&mut self, name: &str) -> Option<String> {
        self.read(name, "a string", |v| v.as_str().map(str::to_owned))
    }

    /// Takes one of these words.
    pub fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let expected = format!("one of {}", words.join(", "));
        self.read(name, &expected, |v| words.iter().find(|w| Some(**w) == v.as_str()).copied())
    }

    /// Takes a number between the two bounds, both allowed.
    pub fn number(&mut self, name: &str, low: f64, high: f64) -> Option<f64> {
        let expected = format!("a number from {low} to {high}");
        self.read(name, &expected, |v| v.as_f64().filter(|n| (low..=high).contains(n)))
    }

    /// Takes a whole number between the two bounds, both allowed.
    pub fn integer(&mut self, name: &str, low: u64, high: u64) -> Option<u64> {
        let expected = format!("a whole number from {low} to {high}");
        self.read(name, &expected, |v| v.as_u64().filter(|n| (low..=high).contains(n)))
    }

    /// Takes a list of strings.
    pub fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        self.read(name, "a list of strings", |v| {
            v.as_array()?.iter().map(|s| s.as_str().map(str::to_owned)).collect()
        })
    }

    /// Takes an object.
    pub fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        self.read(name, "an object", |v| v.as_object().cloned())
    }

    /// Adds a problem at a member (or deeper: `"weights/a~1b"`).
    pub fn refuse(&mut self, name: &str, message: impl Into<String>, fix: Option<String>) {
        self.problems.push(P::found(format!("{}/{name}", self.at), message.into(), fix));
    }

    /// Adds the problems of a nested reader.
    pub fn adopt(&mut self, problems: Vec<P>) {
        self.problems.extend(problems);
    }

    /// Everything was asked for: gives `value`, or every problem found.
    ///
    /// # Errors
    /// The problems, unknown members among them.
    pub fn finish<T>(mut self, value: T) -> Result<T, Vec<P>> {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            let near = nearest(&name, self.asked.iter().map(String::as_str));
            let fix = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", self.asked.join(", ")),
            };
            self.refuse(&escape(&name), format!("unknown setting `{name}`"), Some(fix));
        }
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }
}

/// A member's name as a segment of a JSON pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => value.to_string(),
        other => kind(other).to_owned(),
    }
}

#[cfg(test)]
mod tests;
