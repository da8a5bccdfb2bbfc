//! Running other programs, and talking to whoever started us.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A step that failed, in words for people.
pub(crate) type Outcome = Result<(), String>;

/// Prints to standard output.
#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Prints to standard error.
#[expect(clippy::print_stderr, reason = "this is a command-line tool")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}

/// The repository's top folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command and says what it was when it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = shown(command);
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs a named step and says how long it took.
#[expect(clippy::disallowed_methods, reason = "measures a child process, where no virtual time exists")]
pub(crate) fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    say(&format!("== {name}"));
    let began = Instant::now();
    let result = work();
    say(&format!(
        "== {name}: {} in {:.0} s",
        if result.is_ok() { "ok" } else { "FAILED" },
        began.elapsed().as_secs_f64()
    ));
    result
}

/// Starts the gateway's own binary with the bundled plugins inside.
pub(crate) fn seawall(subcommand: &str, rest: &[String]) -> Outcome {
    let mut command = cargo();
    command.args(["run", "--quiet", "-p", "seawall", "--features", "bundled", "--", subcommand]).args(rest);
    say("building the gateway (the first time takes some minutes) ...");
    run(&mut command)
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
