//! The fault matrix from the command line: `matrix [--requests N] [--pairwise]`, all cells with 50 requests each by
//! default. Ends with 1 when a client saw something that it must not see.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "test support: it fails loudly")]

use std::process::ExitCode;

use seawall_e2e::block_on;
use seawall_e2e::matrix::{every_cell, pairwise, run};
use seawall_e2e::random::seed;
use tokio::time::Instant;

const USUAL_REQUESTS: usize = 50;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut requests, mut sample) = (USUAL_REQUESTS, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--pairwise" => sample = true,
            "--requests" => {
                requests = words.next().and_then(|number| number.parse().ok()).expect("--requests N");
            }
            _ => {
                println!("usage: matrix [--requests N] [--pairwise]");
                return ExitCode::from(64);
            }
        }
    }
    let cells = if sample { pairwise(seed("fault matrix")) } else { every_cell() };
    println!("fault matrix: {} cells, {requests} requests each", cells.len());
    block_on(async {
        let began = Instant::now();
        let report = run(&cells, requests).await;
        for verdict in report.verdicts.iter().filter(|verdict| !verdict.complaints.is_empty()) {
            println!("  {}: {}", verdict.name, verdict.complaints.join("; "));
        }
        println!("{report} in {:.0} s", began.elapsed().as_secs_f64());
        let clean = report.verdicts.iter().all(|verdict| verdict.complaints.is_empty());
        if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}
