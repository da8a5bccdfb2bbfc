//! Starts the bench: the gateway beside a bare reverse proxy, both optimised, in one run.

use crate::plugins;
use crate::shell::{Outcome, cargo, run};

/// `cargo xtask bench [...]`.
pub(crate) fn bench(words: &[String]) -> Outcome {
    plugins::build()?;
    let gateway = ["build", "--release", "--quiet", "-p", "seawall", "--features", "bundled"];
    run(cargo().args(gateway))?;
    run(cargo().args(["run", "--release", "--quiet", "-p", "seawall-bench", "--"]).args(words))
}
