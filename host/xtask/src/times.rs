//! How long each test suite took: cargo's output is shown as it comes, and its two streams share one pipe, so that a
//! result can be told from which suite it is.

use std::io::{BufRead as _, BufReader, pipe};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, say, shown};

/// Runs `cargo test ...` and prints seconds per suite at the end, the slowest first.
pub(crate) fn timed(command: &mut Command) -> Outcome {
    let shown = shown(command);
    let failed = |error: std::io::Error| format!("cannot run `{shown}`: {error}");
    let (reader, writer) = pipe().map_err(failed)?;
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // Our copies of the pipe's end must go, or its other end would never see an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut times = Times::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(failed)?;
        let line = String::from_utf8_lossy(&line);
        say(&line);
        times.line(&line);
    }
    let status = child.wait().map_err(failed)?;
    say(&times.table());
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

#[derive(Debug, Default)]
struct Times {
    running: String,
    suites: Vec<(String, f64)>,
}

impl Times {
    /// Cargo says `Running tests/a.rs (target/debug/deps/a-0123)` or `Doc-tests a`; the suite itself ends with
    /// `test result: ok. ...; finished in 1.23s`.
    fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some((_, program)) = line.strip_prefix("Running ").and_then(|rest| rest.rsplit_once('(')) {
            let file = program.trim_end_matches(')').rsplit(['/', '\\']).next().unwrap_or(program);
            self.running = file.rsplit_once('-').map_or(file, |(name, _)| name).to_owned();
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.running = format!("{name}, examples in docs");
        } else if line.starts_with("test result: ")
            && let Some((_, time)) = line.rsplit_once("finished in ")
            && let Ok(seconds) = time.trim_end_matches('s').parse()
        {
            self.suites.push((self.running.clone(), seconds));
        }
    }

    fn table(&self) -> String {
        let mut suites: Vec<_> = self.suites.iter().filter(|(_, seconds)| *seconds >= 0.1).collect();
        suites.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let lines = suites.iter().map(|(name, seconds)| format!("{seconds:>8.1} s  {name}"));
        let total: f64 = self.suites.iter().map(|(_, seconds)| seconds).sum();
        let head = format!("seconds per suite ({total:.0} s in {} suites):", self.suites.len());
        [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_told_apart() {
        let mut times = Times::default();
        for line in [
            "   Compiling a v0.1.0",
            "     Running unittests src/lib.rs (target/debug/deps/seawall_core-0123abcd)",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s",
            "     Running tests/failover.rs (/somewhere/target/debug/deps/failover-77)",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 61.00s",
            "   Doc-tests seawall_sim",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
        ] {
            times.line(line);
        }
        let table = "seconds per suite (62 s in 3 suites):\n    61.0 s  failover\n     1.2 s  seawall_core";
        assert_eq!(times.table(), table);
    }
}
