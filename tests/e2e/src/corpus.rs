//! Recorded traffic of real providers, read in place. Where it is absent the suites that need it count as skipped and
//! say so; under `CI=true` its absence is a failure.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::replay::Recording;

/// One recorded exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its name.
    pub id: String,
    /// Whose wire it was.
    pub provider: String,
    /// The wire format.
    pub api: String,
    /// The response was streamed.
    pub stream: bool,
    /// The request's body, where it was on record.
    pub request: Option<Value>,
    /// The response.
    pub response: Recording,
    /// The reading by the provider's own client; none when there is none.
    pub expected: Option<Value>,
}

/// All exchanges of the given wire formats, or `None` where the corpus is absent.
///
/// # Panics
/// Under `CI=true` when it is absent, and when it cannot be read.
pub fn exchanges(apis: &[&str]) -> Option<Vec<Exchange>> {
    let folder = folder()?;
    let lines = |name: &str| {
        let path = folder.join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"))
            .collect::<Vec<_>>()
    };
    let mut expected: HashMap<String, Value> =
        lines("expected.jsonl").into_iter().map(|reading| (text(&reading, "id"), reading)).collect();
    let wanted = |exchange: &Value| apis.contains(&text(exchange, "api").as_str());
    let exchanges = lines("exchanges.jsonl").into_iter().filter(wanted);
    Some(exchanges.map(|exchange| read(&exchange, expected.remove(&text(&exchange, "id")))).collect())
}

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    if folder.join("exchanges.jsonl").exists() {
        return Some(folder);
    }
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !ci,
        "the recorded traffic is absent ({}), and under CI=true that is a failure",
        folder.display()
    );
    println!("SKIPPED: the recorded traffic is absent ({})", folder.display());
    None
}

fn read(exchange: &Value, expected: Option<Value>) -> Exchange {
    const WORTH_SENDING: [&str; 4] = ["content-type", "retry-after", "x-request-id", "request-id"];
    let response = &exchange["response"];
    let stream = exchange["stream"] == true;
    let headers = response["headers"].as_object().into_iter().flatten();
    let body = response["body"].as_str().expect("a body as text");
    Exchange {
        id: text(exchange, "id"),
        provider: text(exchange, "provider"),
        api: text(exchange, "api"),
        stream,
        request: Some(exchange["request"]["body"].clone()).filter(Value::is_object),
        response: Recording {
            status: response["status"]
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .expect("a status"),
            headers: headers
                .filter(|(name, _)| WORTH_SENDING.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            pieces: if stream { events(body) } else { vec![body.as_bytes().to_vec()] },
        },
        expected: expected.filter(|reading| reading.get("undecodable").is_none()),
    }
}

/// Cuts a stream after each blank line; the delimiter stays with its event. A body without blank lines is one piece.
fn events(body: &str) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut current = String::new();
    for line in body.split_inclusive('\n') {
        current.push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            pieces.push(std::mem::take(&mut current).into_bytes());
        }
    }
    if !current.is_empty() {
        pieces.push(current.into_bytes());
    }
    pieces
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}
