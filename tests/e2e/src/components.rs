//! Components to put into a gateway's plugins directory: bundled ones, variations of them, and those that misbehave.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A bundled component.
///
/// # Panics
/// When `cargo xtask plugins` has not been run.
pub fn bundled(id: &str) -> Vec<u8> {
    let path = root().join("target/plugins").join(format!("{id}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask plugins` builds the bundled plugins", path.display())
    })
}

/// A component from `plugins/examples`, which is not bundled.
///
/// # Panics
/// When `cargo xtask plugins` has not been run.
pub fn example(id: &str) -> Vec<u8> {
    let file = format!("{}.wasm", id.replace('-', "_"));
    let path = root().join("plugins/target/wasm32-wasip2/release").join(file);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask plugins` builds the examples, too", path.display())
    })
}

/// The same component in other bytes: a custom section more, which nobody reads.
pub fn variation(component: &[u8], number: u8) -> Vec<u8> {
    const NAME: &[u8] = b"variation";
    const CUSTOM: u8 = 0;
    let name_length = NAME.len() as u8;
    let mut bytes = component.to_vec();
    // Each length is under 128 and so is one byte in LEB128.
    bytes.extend_from_slice(&[CUSTOM, name_length + 2, name_length]);
    bytes.extend_from_slice(NAME);
    bytes.push(number);
    bytes
}

/// An adapter from `tests/bad-plugins` that misbehaves as `mode` says, from its first call on. With an empty mode it is
/// a good adapter for chat-compatible servers that misbehaves for models named `bad:MODE`, `model:MODE` ...
///
/// # Panics
/// When the component cannot be built.
pub fn misbehaving(mode: &str) -> Vec<u8> {
    const FIELD: &[u8] = b"SEAWALL-MODE:";
    const FIELD_LENGTH: usize = 32;
    let mut bytes = built("bad_adapter").to_vec();
    let found = bytes.windows(FIELD.len()).position(|window| window == FIELD);
    let start = found.expect("the component has its mode field") + FIELD.len();
    let room = FIELD_LENGTH - FIELD.len();
    assert!(mode.len() <= room, "{mode} is too long");
    bytes[start..start + room].copy_from_slice(format!("{mode:room$}").as_bytes());
    bytes
}

/// A component that exports nothing of the contract.
///
/// # Panics
/// When the component cannot be built.
pub fn wrong_world() -> Vec<u8> {
    built("bad_wrong_world").to_vec()
}

/// A core module: WebAssembly, but no component.
pub fn core_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

fn built(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(build);
    std::fs::read(folder.join(format!("{name}.wasm"))).expect("a built component")
}

fn build() -> PathBuf {
    let workspace = root().join("tests/bad-plugins");
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
    workspace.join("target/wasm32-wasip2/release")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
