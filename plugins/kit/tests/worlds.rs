//! Each built component exports exactly its own world, and imports nothing of the contract but `host` and the types.

#![expect(clippy::unwrap_used, reason = "a test: an unreadable component fails it")]

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Parser, Payload};

const ADAPTER: &[&str] = &["seawall:plugin/provider@0.1.0", "seawall:plugin/dialect@0.1.0"];
const POLICY: &[&str] = &["seawall:plugin/policy@0.1.0"];
const FAULT: &[&str] = &["seawall:plugin/fault@0.1.0"];

#[test]
fn every_component_exports_exactly_its_own_world() {
    let worlds = [
        ("openai", ADAPTER),
        ("groq", ADAPTER),
        ("openai_compatible", ADAPTER),
        ("anthropic", ADAPTER),
        ("gemini", ADAPTER),
        ("minimal_adapter", ADAPTER),
        ("weighted", POLICY),
        ("fault_headers", FAULT),
        ("fault_limits", FAULT),
        ("fault_stream", FAULT),
        ("fault_body", FAULT),
        ("fault_semantics", FAULT),
        ("fault_bursts", FAULT),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/release");
    for (name, exports) in worlds {
        let path = folder.join(format!("{name}.wasm"));
        let Ok(bytes) = std::fs::read(&path) else {
            eprintln!("skipped: {name} is not built (cargo build --release --target wasm32-wasip2)");
            continue;
        };
        let (imported, exported) = surface(&bytes);
        assert_eq!(exported, exports.iter().map(|e| (*e).to_owned()).collect(), "exports of {name}");
        for import in imported {
            let allowed =
                ["seawall:plugin/host@", "seawall:plugin/types@", "wasi:cli/", "wasi:io/", "wasi:random/"];
            assert!(allowed.iter().any(|prefix| import.starts_with(prefix)), "{name} imports {import}");
        }
    }
}

/// Names that the outermost component imports and exports.
fn surface(bytes: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}
