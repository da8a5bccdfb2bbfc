//! Developer commands: `cargo xtask demo | test [--all] | loom | matrix | plugins | sim | bench | soak | check`.
//!
//! Everything a fresh machine needs beyond rustup and a C compiler is either fetched here, with a line that says so, or
//! named in an error with the command that installs it. Nothing is skipped because something is missing.

mod bench;
mod check;
mod plugins;
mod shell;
mod suites;
mod tidy;
mod times;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  demo [...]      simulated providers + gateway + bundled plugins on loopback; further words go to `seawall demo`
  test [--all]    the tests; --all adds the suites that need Python and Node
  loom            every order of what threads do to a breaker
  matrix [...]    every fault in every place, with 50 requests each; further words go to the matrix (--pairwise)
  plugins         build the bundled components into target/plugins/
  sim [...]       the core in virtual time, many seeds; see tests/simulation/README.md
  bench [...]     the gateway beside a bare reverse proxy; further words go to the bench (--overload: five times
                  more requests than it takes; --audit, --telemetry: what trail and metrics cost; --bare: without;
                  --against FILE: beside another build)
  soak            what takes long: 200 kills under load, a database that stalls for 30 s
  check           format, lints, docs, tidy
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match words.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "demo" => plugins::build().and_then(|()| shell::seawall("demo", rest)),
        "test" => suites::test(rest),
        "loom" => suites::loom(),
        "matrix" => suites::matrix(rest),
        "plugins" => plugins::build(),
        "sim" => suites::sim(rest),
        "bench" => bench::bench(rest),
        "soak" => suites::soak(),
        "check" => check::everything(),
        "help" | "--help" | "-h" => {
            shell::say(USAGE);
            return ExitCode::SUCCESS;
        }
        unknown => {
            shell::complain(&format!("there is no command `{unknown}`\n\n{USAGE}"));
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            shell::complain(&format!("xtask {command}: {message}"));
            ExitCode::FAILURE
        }
    }
}
