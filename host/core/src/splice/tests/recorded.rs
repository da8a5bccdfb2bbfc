//! What clients received, written down for the official clients' parsers: one stream a line, as `tests/clients/README.md`
//! describes it. Equal streams are kept once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{End, Saw};
use crate::request::Protocol;

/// Streams of one suite by their bytes.
#[derive(Default)]
pub(super) struct Recorded(RefCell<BTreeMap<String, Value>>);

impl Recorded {
    pub(super) fn add(&self, protocol: Protocol, name: &str, saw: &Saw) {
        let expect = match &saw.end {
            End::Whole(_) => json!({ "text": saw.text }),
            End::Interrupted => json!({ "error": error_word(protocol, &saw.wire), "text": saw.text }),
            End::Open | End::Refused(_) => return,
        };
        let line = json!({ "protocol": protocol.as_str(), "name": name, "wire": saw.wire, "expect": expect });
        self.0.borrow_mut().entry(saw.wire.clone()).or_insert(line);
    }

    /// Writes `target/recorded-streams/NAME.ndjson` anew.
    pub(super) fn write(self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/recorded-streams");
        std::fs::create_dir_all(&folder).unwrap();
        let lines = self.0.into_inner().into_values().fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").unwrap();
            all
        });
        // Beside its place and renamed, so that nobody reads half of it.
        let half = folder.join(format!("{name}.half"));
        std::fs::write(&half, lines).unwrap();
        std::fs::rename(half, folder.join(format!("{name}.ndjson"))).unwrap();
    }
}

/// What the client's library calls the error: by its code here, by its type there.
fn error_word(protocol: Protocol, wire: &str) -> Value {
    let last = wire.trim_end().rsplit("data: ").next().unwrap();
    let event: Value = serde_json::from_str(last).unwrap();
    event["error"][if protocol == Protocol::Messages { "type" } else { "code" }].clone()
}
