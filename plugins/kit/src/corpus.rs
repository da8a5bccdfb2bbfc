//! Recorded exchanges and what the providers' own client libraries read in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seawall_plugin::adapter::Header;
use seawall_plugin::headers::header;
use serde_json::Value;

use crate::reading::Reading;

/// One recorded exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its name in the recordings.
    pub id: String,
    /// Who answered.
    pub provider: String,
    /// The wire format ("openai-chat").
    pub api: String,
    /// The reply was streamed.
    pub stream: bool,
    /// The request's body, where it is on record.
    pub request: Option<Value>,
    /// Of the reply.
    pub status: u16,
    /// Of the reply.
    pub headers: Vec<Header>,
    /// Of the reply.
    pub body: Vec<u8>,
    /// What the provider's own client reads in it.
    pub expected: Expected,
}

/// What the provider's own client made of a reply.
#[derive(Clone, Debug)]
pub enum Expected {
    /// An answer.
    Answer(Reading),
    /// An error.
    Error(Value),
    /// Nothing to compare with: embeddings, or a reply that the client itself refuses.
    Unread,
}

/// All exchanges.
#[derive(Clone, Debug)]
pub struct Corpus(Vec<Exchange>);

impl Corpus {
    /// Loads the recordings that lie beside the repository. Where they are absent this says so and gives `None`; with
    /// `CI=true` in the environment absence fails.
    pub fn load() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
        if !folder.is_dir() {
            let on_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!on_ci, "no recordings in {}", folder.display());
            eprintln!("skipped: no recordings in {}", folder.display());
            return None;
        }
        let expected: BTreeMap<String, Value> = lines(&folder.join("expected.jsonl"))
            .into_iter()
            .map(|line| (text(&line, "/id"), line))
            .collect();
        let exchanges = lines(&folder.join("exchanges.jsonl")).into_iter();
        Some(Self(exchanges.filter_map(|line| exchange(&line, expected.get(&text(&line, "/id")))).collect()))
    }

    /// The exchanges of one wire format whose provider `pick` wants; never empty, so that a test cannot pass on
    /// nothing.
    pub fn select(&self, api: &str, pick: impl Fn(&str) -> bool) -> Vec<&Exchange> {
        let picked: Vec<_> = self.0.iter().filter(|e| e.api == api && pick(&e.provider)).collect();
        assert!(!picked.is_empty(), "no {api} recordings for this selection");
        picked
    }

    /// The error bodies that public tests quote, of one wire format.
    pub fn literal_errors(api: &str) -> Vec<Exchange> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/errors-literal.jsonl");
        if !path.is_file() {
            return Vec::new();
        }
        lines(&path).iter().filter_map(|line| exchange(line, None)).filter(|e| e.api == api).collect()
    }
}

fn exchange(line: &Value, expected: Option<&Value>) -> Option<Exchange> {
    // Binary framings have their own tests.
    if text(line, "/response/body_encoding") != "utf-8" {
        return None;
    }
    let recorded = line.pointer("/response/headers").and_then(Value::as_object);
    let headers =
        recorded.into_iter().flatten().map(|(n, v)| header(n.as_str(), v.as_str().unwrap_or_default()));
    let status = line.pointer("/response/status").and_then(Value::as_u64).unwrap_or(200);
    Some(Exchange {
        id: text(line, "/id"),
        provider: text(line, "/provider"),
        api: text(line, "/api"),
        stream: line.pointer("/stream").and_then(Value::as_bool).unwrap_or(false),
        request: line.pointer("/request/body").filter(|body| body.is_object()).cloned(),
        status: u16::try_from(status).unwrap_or(200),
        headers: headers.collect(),
        body: text(line, "/response/body").into_bytes(),
        expected: match expected {
            Some(value) if value.get("error").is_some() => Expected::Error(value["error"].clone()),
            Some(value) if value.get("finish").is_some() => Expected::Answer(Reading::from_expected(value)),
            _ => Expected::Unread,
        },
    })
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn lines(path: &PathBuf) -> Vec<Value> {
    let content = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    content.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}
