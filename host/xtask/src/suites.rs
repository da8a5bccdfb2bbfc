//! The test suites.

use std::path::Path;
use std::process::Command;

use crate::plugins::{self, need};
use crate::shell::{Outcome, cargo, root, run, step};

/// `cargo xtask test [--all]`.
pub(crate) fn test(words: &[String]) -> Outcome {
    let all = match words {
        [] => false,
        [word] if word == "--all" => true,
        _ => return Err("the only option is --all".to_owned()),
    };
    step("bundled plugins", plugins::build)?;
    plugins::test()?;
    step("gateway", || run(cargo().args(["test", "--workspace", "--features", "seawall/bundled"])))?;
    if all {
        clients()?;
    }
    Ok(())
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
