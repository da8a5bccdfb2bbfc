//! Components written in other languages, in the same host.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::path::Path;

use seawall_e2e::{Stage, block_on, reading};
use seawall_sim::{Sim, SimOptions};
use serde_json::json;

#[test]
fn an_adapter_in_javascript_serves_plain_and_streamed() {
    let component =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/examples/javascript-example.wasm");
    assert!(component.exists(), "run examples/plugin-javascript/build.sh first");
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(&component, folder.path().join("javascript-example.wasm")).expect("a copy");
        let stage = Stage::start(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[plugins]\ndir = {:?}\n\
             [providers.js]\nadapter = \"javascript-example\"\nbase_url = \"http://{}/js/v1\"\n",
            folder.path(),
            sim.addr()
        ))
        .await;
        for stream in [false, true] {
            let body = json!({ "model": "js/count-9", "stream": stream, "messages": [{ "role": "user", "content": "go" }] });
            let (status, body) = stage.post("/v1/chat/completions", &body).await;
            let seen = reading::chat(status, stream, &body);
            assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5 6 7 8 9"), "{seen:?}");
        }
        let body = json!({ "model": "js/demo", "messages": [{ "role": "user", "content": "[[sim:{\"kind\":\"status\",\"status\":404}]]" }] });
        let (status, body) = stage.post("/v1/chat/completions", &body).await;
        assert_eq!(status, 404, "the adapter's own classes count: {body}");
    });
}
