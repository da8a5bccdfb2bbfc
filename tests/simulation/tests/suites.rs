//! The four suites. Without the test harness, so that table and times are printed whether they pass or not; a word on
//! the command line runs the suites whose name holds it.

use std::process::ExitCode;

use seawall_simulation::routing::Bars;
use seawall_simulation::suites::{availability, report, routing, storms, worlds};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut good = true;
    if wanted("worlds") {
        good &= report("worlds", || worlds::worlds(0..200));
    }
    if wanted("storms") {
        good &= report("storms", || storms::storms(2));
    }
    if wanted("routing") {
        good &= report("routing", || routing::routing(2, Bars::Asserted));
    }
    if wanted("availability") {
        good &= report("availability", || availability::availability(5));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
