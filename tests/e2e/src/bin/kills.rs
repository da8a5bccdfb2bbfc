//! `kills COUNT`: ends a gateway without a word so many times while requests run, and tells what its trail lost.
//! `kills stall SECONDS`: holds the trail's database for so long, and tells what requests noticed.
//! `kills gateway CONFIG [LARGEST-FILE]`: the gateway that is ended.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "test support: it fails loudly")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use seawall_e2e::{block_on, kills};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["gateway", config, rest @ ..] => {
            let largest_file = rest.first().map(|bytes| bytes.parse().expect("a number of bytes"));
            block_on(kills::gateway(Path::new(config), largest_file));
            ExitCode::SUCCESS
        }
        ["stall", seconds] => stalled(Duration::from_secs(seconds.parse().expect("seconds"))),
        [count] => told(count.parse().expect("a number of kills")),
        _ => {
            println!("usage: kills COUNT | stall SECONDS");
            ExitCode::from(64)
        }
    }
}

fn stalled(time: Duration) -> ExitCode {
    let program = std::env::current_exe().expect("this program");
    let seen = block_on(kills::stall(&program, time));
    println!(
        "{} requests while the database stalled for {time:.0?}, {} failed; median {:.1?} before and {:.1?} during, p99 {:.1?} \
         and {:.1?}; at the end: {}",
        seen.asked, seen.failed, seen.median.0, seen.median.1, seen.p99.0, seen.p99.1, seen.figures
    );
    let number =
        |member: &str| seen.figures.get(member).and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
    let all_stored = number("produced") == number("stored") && number("dropped") == 0;
    if seen.failed == 0 && all_stored { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(rounds: u32) -> ExitCode {
    let program = std::env::current_exe().expect("this program");
    let report = block_on(kills::run(&program, rounds, 1));
    println!(
        "{} kills, {} requests answered, {} of them not on record (the oldest {:.0?} before its kill, at most {} by the \
         gateway's own word), longest start {:.2?}",
        report.rounds,
        report.answered,
        report.missing,
        report.oldest_missing,
        report.lost_at_most,
        report.longest_start
    );
    report.complaints.iter().for_each(|complaint| println!("  {complaint}"));
    if report.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
