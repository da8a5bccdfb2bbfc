//! The suites as programs: what `cargo test` runs, and `cargo xtask sim` with more seeds.

pub mod availability;
pub mod routing;
pub mod storms;
mod threads;
pub mod worlds;

use std::time::Instant;

/// What a suite came to: lines to read, and what was wrong.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// For people.
    pub lines: Vec<String>,
    /// Empty when all is well.
    pub broken: Vec<String>,
}

/// Runs a suite, prints what it found and how long it took; `true` when nothing is wrong.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that prints how long it really took"
)]
pub fn report(name: &str, suite: impl FnOnce() -> Findings) -> bool {
    let began = Instant::now();
    let found = suite();
    for line in &found.lines {
        println!("{line}");
    }
    for line in &found.broken {
        println!("BROKEN {line}");
    }
    let verdict = if found.broken.is_empty() { "ok" } else { "FAILED" };
    println!("== {name}: {verdict} in {:.1} s\n", began.elapsed().as_secs_f64());
    found.broken.is_empty()
}
