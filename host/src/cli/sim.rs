//! `seawall sim`: simulated providers on a port, until ctrl-c.

use std::net::SocketAddr;

use clap::Args;
use seawall_sim::{Sim, SimOptions};

use super::output::{aside, line};
use super::{CliError, Verdict};
use crate::shutdown;

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Decides ids and the faults that have a probability.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

impl Simulate {
    pub(super) async fn run(self) -> Result<Verdict, CliError> {
        let options = SimOptions { listen: self.listen, seed: self.seed, ..SimOptions::default() };
        let failed = CliError::io(format!("the simulator cannot listen on {}", self.listen));
        let sim = Sim::start(options).map_err(failed)?;
        let addr = sim.addr();
        line(format!("simulated providers on http://{addr}"));
        aside(format!(
            "  what is here, and each provider's base path:  curl -s http://{addr}/_sim\n  \
             break lane `one` for everybody:                curl -s http://{addr}/_sim/lanes/one \
             -d '{{\"faults\": [{{\"kind\": \"status\", \"status\": 503}}]}}'\n  \
             heal it:                                       curl -s -X DELETE http://{addr}/_sim/lanes/one/faults\n  \
             what it was asked:                             curl -s http://{addr}/_sim/lanes/one/log\n\
             A lane is the first part of a base URL's path and exists as soon as it is used. Ctrl-c ends."
        ));
        shutdown::signal().await;
        sim.stop().await;
        Ok(Verdict::Good)
    }
}
