//! The test suites.

use std::path::Path;
use std::process::Command;

use crate::plugins::{self, need};
use crate::shell::{Outcome, cargo, root, run, step};
use crate::times::timed;

/// `cargo xtask test [--all]`.
pub(crate) fn test(words: &[String]) -> Outcome {
    let all = match words {
        [] => false,
        [word] if word == "--all" => true,
        _ => return Err("the only option is --all".to_owned()),
    };
    step("bundled plugins", plugins::build)?;
    plugins::test()?;
    step("interleavings", loom)?;
    step("gateway", || timed(cargo().args(["test", "--workspace", "--features", "seawall/bundled"])))?;
    if all {
        clients()?;
    }
    Ok(())
}

/// `cargo xtask loom`: every order of what threads do to a breaker and its permits. Another configuration of the core,
/// so it is built in a folder of its own, beside the usual one.
pub(crate) fn loom() -> Outcome {
    let usual = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut tests = cargo();
    tests.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", usual.join("loom"));
    run(tests.args(["test", "--quiet", "-p", "seawall-core", "--lib", "loom_"]))
}

/// `cargo xtask matrix [...]`: every fault in every place, with many requests each.
pub(crate) fn matrix(words: &[String]) -> Outcome {
    plugins::build()?;
    let matrix =
        ["run", "--quiet", "-p", "seawall-e2e", "--bin", "matrix", "--features", "seawall/bundled", "--"];
    step("fault matrix", || run(cargo().args(matrix).args(words)))
}

/// `cargo xtask soak`: what takes too long for every day.
pub(crate) fn soak() -> Outcome {
    plugins::build()?;
    let kills =
        ["run", "--quiet", "-p", "seawall-e2e", "--bin", "kills", "--features", "seawall/bundled", "--"];
    step("200 kills under load", || run(cargo().args(kills).arg("200")))?;
    step("a database that stalls for 30 s", || run(cargo().args(kills).args(["stall", "30"])))
}

/// `cargo xtask sim [...]`: more seeds than the tests, or one of them in full.
pub(crate) fn sim(words: &[String]) -> Outcome {
    run(cargo().args(["run", "--quiet", "-p", "seawall-simulation", "--"]).args(words))
}

/// The official clients, unmodified, in throw-away environments; and a plugin in another language.
fn clients() -> Outcome {
    need("python3", "install Python 3.9 or newer with venv (Debian: apt-get install python3 python3-venv)")?;
    need("node", "install Node 20 or newer (Debian: apt-get install nodejs npm)")?;
    need("npm", "install npm (Debian: apt-get install npm)")?;
    run(cargo().args(["build", "--quiet", "-p", "seawall", "--features", "bundled"]))?;
    let script = |path: &str| run(Command::new("bash").arg(root().join(path)).current_dir(root()));
    for (name, path) in [
        ("plugin in JavaScript", "examples/plugin-javascript/build.sh"),
        ("official clients", "tests/clients/run.sh"),
    ] {
        if !Path::new(&root().join(path)).exists() {
            return Err(format!("{path} is missing"));
        }
        step(name, || script(path))?;
    }
    let other_languages =
        ["test", "-p", "seawall-e2e", "--features", "other-languages", "--test", "other_languages"];
    step("plugin in JavaScript, in the host", || run(cargo().args(other_languages)))
}
