//! Error bodies, whatever their shape.

use serde_json::Value;

/// An error body, whatever its shape: `{"error":{..}}`, `{"error":".."}`, `{"object":"error",..}`, `{"message":".."}`,
/// `{"detail":..}`, a list of any of these, a stream's choice with an `error`, or no JSON at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorBody {
    /// As the provider wrote it; empty when there is none.
    pub message: String,
    /// The provider's own code, else its type.
    pub code: Option<String>,
    /// Codes and types, the most telling first, in lower case with underscores.
    pub words: Vec<String>,
    /// The offending request member.
    pub param: Option<String>,
    /// A status that stands in the body.
    pub status: Option<u16>,
    /// The whole error object, for what only one provider says.
    pub object: Value,
}

impl ErrorBody {
    /// Reads the body of a reply or the data of an event.
    pub fn read(data: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(data) {
            Ok(value) => Self::from_value(&value),
            Err(_) => Self { message: plain_text(data), ..Self::default() },
        }
    }

    fn from_value(root: &Value) -> Self {
        let root = root.as_array().and_then(|list| list.first()).unwrap_or(root);
        let object = match root.get("error").or_else(|| root.pointer("/choices/0/error")) {
            Some(inner @ Value::Object(_)) => inner,
            _ => root,
        };
        let text = |pointer: &str| object.pointer(pointer).and_then(word_text);
        let code = text("/code");
        let kind = text("/type");
        let own = [code.clone(), text("/innererror/code"), text("/metadata/error_type"), kind.clone()];
        let others = [text("/error_type"), text("/status"), text("/name")];
        let words = own.into_iter().chain(others).flatten().map(|word| tidy(&word)).collect();
        let numbers = ["/status_code", "/code", "/status", "/statusCode"];
        let number = |pointer: &&str| {
            let value = object.pointer(pointer)?;
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok().filter(|status| (400..=599).contains(status))
        };
        Self {
            message: message_of(root, object),
            code: telling(code, kind),
            words,
            param: text("/param").filter(|p| !p.is_empty()),
            status: numbers.iter().find_map(number),
            object: object.clone(),
        }
    }

    /// One of the codes or types is this word.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }
}

fn message_of(root: &Value, object: &Value) -> String {
    let spots =
        ["/message", "/msg", "/error", "/detail", "/detail/message", "/detail/0/msg", "/errors/0/message"];
    let found = [object, root].into_iter().find_map(|value| {
        let texts = spots.iter().filter_map(|pointer| value.pointer(pointer).and_then(Value::as_str));
        texts.map(str::to_owned).find(|text| !text.is_empty())
    });
    let found = found.or_else(|| root.as_str().map(str::to_owned)).unwrap_or_default();
    // An aggregator puts the real provider's words into its metadata and says only that the provider failed.
    match object.pointer("/metadata/raw").and_then(Value::as_str) {
        Some(raw) if found == "Provider returned error" => format!("{found}: {raw}"),
        _ => found,
    }
}

/// Text of a body that is not JSON; a page of HTML has nothing to say to a client.
fn plain_text(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data.get(..data.len().min(2000)).unwrap_or_default());
    let text = text.trim();
    if text.starts_with('<') { String::new() } else { text.to_owned() }
}

/// The code, unless it only repeats a status and a type says more.
fn telling(code: Option<String>, kind: Option<String>) -> Option<String> {
    let empty = |text: &String| !text.is_empty();
    let (code, kind) = (code.filter(empty), kind.filter(empty));
    let repeats_status =
        code.as_ref().is_some_and(|c| c.parse::<u16>().is_ok_and(|n| (400..=599).contains(&n)));
    if repeats_status { kind.or(code) } else { code.or(kind) }
}

fn word_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn tidy(word: &str) -> String {
    word.to_ascii_lowercase().replace(['-', ' '], "_")
}
