//! Every pair of values of the fault matrix. `cargo xtask matrix` runs all of it, with many requests a cell.

use seawall_e2e::matrix::{pairwise, run};
use seawall_e2e::random::seed;
use seawall_e2e::{all_of, block_on};
use tokio::time::Instant;

/// Enough for the third failure, which opens the breaker, in all places, and for some requests after it.
const REQUESTS: usize = 8;

#[test]
fn clients_see_no_failure_while_one_target_is_healthy() {
    block_on(async {
        let began = Instant::now();
        let cells = pairwise(seed("fault matrix"));
        let report = run(&cells, REQUESTS).await;
        println!("fault matrix, pairwise: {report}");
        all_of("fault matrix", began, &report.verdicts);
    });
}
