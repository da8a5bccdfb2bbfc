//! Builds the bundled components: an explicit step, never from a build script.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Outcome, cargo, root, run, say};

const TARGET: &str = "wasm32-wasip2";

/// Compiles `plugins/` and copies each component to `target/plugins/<id>.wasm`.
pub(crate) fn build() -> Outcome {
    ensure_target()?;
    say("building the bundled plugins ...");
    let workspace = root().join("plugins");
    run(guest_cargo(&workspace).args(["build", "--release", "--quiet", "--target", TARGET]))?;
    let made = workspace.join("target").join(TARGET).join("release");
    let shelf = root().join("target").join("plugins");
    fs::create_dir_all(&shelf).map_err(|error| format!("cannot create {}: {error}", shelf.display()))?;
    let mut count = 0;
    let plugins = bundled(&workspace)?;
    clear_others(&shelf, &plugins)?;
    for plugin in plugins {
        let from = made.join(format!("{}.wasm", plugin.replace('-', "_")));
        copy_whole(&from, &shelf.join(format!("{plugin}.wasm")))?;
        count += 1;
    }
    say(&format!("{count} plugins in target/plugins"));
    Ok(())
}

/// Whatever is no longer bundled must not be served either.
fn clear_others(shelf: &Path, plugins: &[String]) -> Outcome {
    let unreadable = |error| format!("cannot read {}: {error}", shelf.display());
    for entry in fs::read_dir(shelf).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "wasm") && !plugins.contains(&stem) {
            fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// A cargo for guests: flags meant for the host must not reach them.
pub(crate) fn guest_cargo(workspace: &Path) -> Command {
    let mut command = cargo();
    command.current_dir(workspace).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env_remove("CARGO_TARGET_DIR");
    command
}

/// Adds the wasm target where rustup has not done so by itself.
pub(crate) fn ensure_target() -> Outcome {
    let has_target = || {
        let output = Command::new("rustc")
            .current_dir(root())
            .args(["--print", "target-libdir", "--target", TARGET])
            .output();
        output.is_ok_and(|output| {
            output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists()
        })
    };
    if has_target() {
        return Ok(());
    }
    say(&format!("the target {TARGET} is missing: running `rustup target add {TARGET}`"));
    run(Command::new("rustup").current_dir(root()).args(["target", "add", TARGET]))
        .map_err(|error| format!("{error}\nfix: install rustup, then run `rustup target add {TARGET}`"))?;
    if has_target() { Ok(()) } else { Err(format!("the target {TARGET} is still missing")) }
}

/// The bundled plugins are the folders of `plugins/` that hold a component (a `cdylib`); folders below, such as
/// examples, are not bundled.
fn bundled(workspace: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error| format!("cannot read {}: {error}", workspace.display());
    let mut ids = Vec::new();
    for entry in fs::read_dir(workspace).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        if let (true, Some(id)) = (manifest.contains("cdylib"), path.file_name()) {
            ids.push(id.to_string_lossy().into_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

/// Copies beside the destination and renames, so that a running gateway never sees half a file.
fn copy_whole(from: &Path, to: &Path) -> Outcome {
    let failed = |error| format!("cannot copy {} to {}: {error}", from.display(), to.display());
    let partial = to.with_extension("tmp");
    fs::copy(from, &partial).map_err(failed)?;
    fs::rename(&partial, to).map_err(failed)
}

/// Starts `program --version` to see whether it is there.
pub(crate) fn need(program: &str, fix: &str) -> Outcome {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if found { Ok(()) } else { Err(format!("`{program}` is missing: {fix}")) }
}

/// Runs the plugins' own tests natively.
pub(crate) fn test() -> Outcome {
    shell::step("plugins", || run(guest_cargo(&root().join("plugins")).arg("test")))
}
