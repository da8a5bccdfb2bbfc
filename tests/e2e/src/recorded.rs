//! Streams as clients received them, written down for the official clients' parsers. The format is described in
//! `tests/clients/README.md`.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Ending, Seen};

/// One stream and what a client must make of it, as a line; none where that is not clear.
pub fn line(name: &str, seen: &Seen, text: &str) -> Option<Value> {
    let expect = match seen.ending(text) {
        Ending::Whole => json!({ "text": seen.reading.text }),
        Ending::Error(word) => json!({ "error": word, "text": seen.reading.text }),
        Ending::Wrong(_) => return None,
    };
    let streamed = seen.stream && seen.reading.status == 200;
    streamed
        .then(|| json!({ "protocol": seen.front.label(), "name": name, "wire": seen.wire, "expect": expect }))
}

/// Writes `target/recorded-streams/NAME.ndjson` anew.
///
/// # Panics
/// When that is not possible.
pub fn write(name: &str, lines: &[Value]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/recorded-streams");
    std::fs::create_dir_all(&folder).expect("a folder");
    // Beside its place and renamed, so that nobody reads half of it.
    let mut file = tempfile::NamedTempFile::new_in(&folder).expect("a file");
    for line in lines {
        writeln!(file, "{line}").expect("written");
    }
    file.persist(folder.join(format!("{name}.ndjson"))).expect("in its place");
}
