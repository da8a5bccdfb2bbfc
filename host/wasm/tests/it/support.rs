//! Real components to test with: built once from `tests/bad-plugins`, then patched into many.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use http::HeaderMap;
use seawall_core::body::RequestBody;
use seawall_core::ports::{Adapter, AdapterError, AdapterTarget, PluginFault, PluginSource, WirePlan};
use seawall_core::request::Protocol;
use seawall_wasm::{Binding, HostOptions, Limits, PluginEvent, PluginHost};

pub(crate) struct Guests {
    pub(crate) adapter: Vec<u8>,
    pub(crate) policy: Vec<u8>,
    pub(crate) fault: Vec<u8>,
    pub(crate) sockets: Vec<u8>,
    pub(crate) wrong_world: Vec<u8>,
}

pub(crate) fn guests() -> &'static Guests {
    static GUESTS: OnceLock<Guests> = OnceLock::new();
    GUESTS.get_or_init(compile)
}

fn compile() -> Guests {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad-plugins");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&workspace)
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2", "--target-dir", "target"])
        // Flags of the native build (sanitizers, coverage) mean nothing to components.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the components in tests/bad-plugins do not build; if the target is missing: \
         rustup target add wasm32-wasip2\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let built = workspace.join("target/wasm32-wasip2/release");
    let read = |name: &str| std::fs::read(built.join(format!("bad_{name}.wasm"))).expect("a built component");
    Guests {
        adapter: read("adapter"),
        policy: read("policy"),
        fault: read("fault"),
        sockets: read("sockets"),
        wrong_world: read("wrong_world"),
    }
}

/// The adapter with these words in its patchable fields.
pub(crate) fn adapter(mode: &str, mark: &str) -> Vec<u8> {
    let mut bytes = guests().adapter.clone();
    patch(&mut bytes, "SEAWALL-MODE:", mode);
    patch(&mut bytes, "SEAWALL-MARK:", mark);
    bytes
}

fn patch(bytes: &mut [u8], field: &str, words: &str) {
    let places: Vec<usize> =
        (0..bytes.len() - field.len()).filter(|at| bytes[*at..].starts_with(field.as_bytes())).collect();
    assert_eq!(places.len(), 1, "{field} stands once in the component");
    let start = places[0] + field.len();
    let room = 32 - field.len();
    assert!(words.len() <= room);
    bytes[start..start + room].copy_from_slice(format!("{words:room$}").as_bytes());
}

/// Every occurrence of one text replaced by another of the same length.
pub(crate) fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

pub(crate) fn limits() -> Limits {
    // Many hosts live in one test process, and each reserves address space for its instances.
    Limits { instances: 32, ..Limits::default() }
}

pub(crate) fn binding(provider: &str, plugin: &str) -> Binding {
    Binding { provider: provider.into(), plugin: plugin.into(), config_json: "{}".into(), base_url: None }
}

/// A plugins directory with a host on it.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) host: Arc<PluginHost>,
    pub(crate) events: Arc<Mutex<Vec<PluginEvent>>>,
}

impl House {
    pub(crate) fn new(files: &[(&str, &[u8])], bindings: Vec<Binding>) -> Self {
        Self::with(files, HostOptions { bindings, limits: limits(), ..HostOptions::default() })
    }

    pub(crate) fn with(files: &[(&str, &[u8])], options: HostOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (id, bytes) in files {
            std::fs::write(dir.path().join(format!("{id}.wasm")), bytes).unwrap();
        }
        let watched = dir.path().to_owned();
        Self::start(dir, watched, options)
    }

    /// Its plugins directory is `later.d`, which nobody has made yet.
    pub(crate) fn without_folder(options: HostOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let later = dir.path().join("later.d");
        Self::start(dir, later, options)
    }

    fn start(dir: tempfile::TempDir, watched: PathBuf, options: HostOptions) -> Self {
        let events: Arc<Mutex<Vec<PluginEvent>>> = Arc::default();
        let heard = Arc::clone(&events);
        let host = PluginHost::start(HostOptions {
            dir: Some(watched),
            on_event: Arc::new(move |event| heard.lock().unwrap().push(event)),
            ..options
        })
        .unwrap();
        Self { dir, host, events }
    }

    /// One good adapter, served as provider `p`.
    pub(crate) fn good() -> Self {
        Self::new(&[("good", &adapter("", "1"))], vec![binding("p", "good")])
    }

    pub(crate) fn file(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("{id}.wasm"))
    }

    pub(crate) fn adapter(&self, provider: &str) -> Arc<dyn Adapter> {
        Arc::clone(self.host.current().adapters.get(provider).expect("a bound provider"))
    }

    pub(crate) fn status(&self, id: &str) -> seawall_wasm::PluginStatus {
        self.host.status().into_iter().find(|status| *status.id == *id).expect("a known plugin")
    }
}

pub(crate) fn body(json: &str) -> Arc<RequestBody> {
    body_with(json, HeaderMap::new())
}

pub(crate) fn body_with(json: &str, headers: HeaderMap) -> Arc<RequestBody> {
    static NONCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let nonce = NONCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Arc::new(
        RequestBody::new(Protocol::Chat, Bytes::copy_from_slice(json.as_bytes()), headers, nonce).unwrap(),
    )
}

pub(crate) fn target(model: &str) -> AdapterTarget {
    AdapterTarget { model: model.into(), max_output_tokens: Some(7), streaming: true, request: 1 }
}

pub(crate) const HELLO: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

pub(crate) async fn build(adapter: &Arc<dyn Adapter>, model: &str) -> Result<WirePlan, AdapterError> {
    adapter.build(&body(HELLO), &target(model)).await
}

pub(crate) async fn build_fault(adapter: &Arc<dyn Adapter>, model: &str) -> PluginFault {
    match build(adapter, model).await {
        Err(AdapterError::Plugin(fault)) => fault,
        other => panic!("{model}: expected a fault, got {other:?}"),
    }
}

/// The mark of the version that answers.
pub(crate) async fn mark(adapter: &Arc<dyn Adapter>) -> String {
    let plan = build(adapter, "m").await.expect("a healthy adapter");
    plan.headers["x-mark"].to_str().unwrap().to_owned()
}

/// Waits until something holds; the machine may be busy, so the limit is generous.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never: {what}");
}
