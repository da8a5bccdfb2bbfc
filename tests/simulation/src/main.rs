//! `cargo xtask sim`: more seeds than the tests, one seed in full, the routing table, storms, the trial of
//! the availability formulas.
#![expect(clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;

use seawall_simulation::routing::Bars;
use seawall_simulation::suites::{availability, report, routing, storms, worlds};

const USAGE: &str = "\
usage: cargo xtask sim [--seeds N] [--from S]     random worlds; prints the seeds that break a rule
       cargo xtask sim --seed S [--trace]         one world again, with every event
       cargo xtask sim routing [--seeds N]        the table of routing scenarios
       cargo xtask sim routing --seed S --trace   what happened to the clients that failed
       cargo xtask sim storms [--seeds N]         all targets fail at once
       cargo xtask sim availability [--seeds N]   whether clients see what the formulas predict
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
}

/// Whether all went well; `None` when the words make no sense.
fn run(words: &[String]) -> Option<bool> {
    let (suite, options) = match words.split_first() {
        Some((first, rest)) if !first.starts_with("--") => (first.as_str(), rest),
        _ => ("worlds", words),
    };
    let options = Options::read(options)?;
    Some(match suite {
        "worlds" => match options.seed {
            Some(seed) => report("world", || worlds::trace(seed, options.trace)),
            None => {
                let from = options.from.unwrap_or(0);
                report("worlds", || worlds::worlds(from..from + options.seeds.unwrap_or(200)))
            }
        },
        "routing" if options.trace => report("routing", || routing::trace(options.seed.unwrap_or_default())),
        "routing" => report("routing", || routing::routing(options.seeds.unwrap_or(2), Bars::Asserted)),
        "storms" => report("storms", || storms::storms(options.seeds.unwrap_or(3))),
        "availability" => report("availability", || availability::availability(options.seeds.unwrap_or(5))),
        _ => return None,
    })
}

#[derive(Default)]
struct Options {
    seeds: Option<u64>,
    from: Option<u64>,
    seed: Option<u64>,
    trace: bool,
}

impl Options {
    fn read(words: &[String]) -> Option<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next()?.parse().ok();
            match word.as_str() {
                "--seeds" => options.seeds = Some(number()?),
                "--from" => options.from = Some(number()?),
                "--seed" => options.seed = Some(number()?),
                "--trace" => options.trace = true,
                _ => return None,
            }
        }
        Some(options)
    }
}
