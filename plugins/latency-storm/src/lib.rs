//! Fault: calls to the provider are delayed by a time drawn from a distribution.

mod delay;
#[cfg(test)]
mod tests;

use seawall_plugin::config::{ConfigProblem, problem, summary};
use seawall_plugin::fault::{Action, Attempt, Catalogue, FaultInjector, Kind, Manifest, Verdict};

use delay::Config;

/// The injector.
#[derive(Debug)]
pub struct LatencyStorm;

const KIND: &str = "latency-storm";

impl FaultInjector for LatencyStorm {
    fn describe() -> Catalogue {
        let description = "Calls wait for a time drawn from a distribution";
        Catalogue {
            manifest: Manifest {
                name: KIND.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: description.to_owned(),
                config_schema: None,
            },
            kinds: vec![Kind {
                name: KIND.to_owned(),
                description: description.to_owned(),
                config_schema: include_str!("config.schema.json").to_owned(),
            }],
        }
    }

    fn check(kind: &str, config: &str) -> Vec<ConfigProblem> {
        if kind != KIND {
            return vec![problem("", format!("unknown kind `{kind}`"), None)];
        }
        Config::read(config).err().unwrap_or_default()
    }

    fn decide(kind: &str, attempt: &Attempt, config: &str) -> Result<Verdict, String> {
        if kind != KIND {
            return Err(format!("unknown kind `{kind}`"));
        }
        let config = Config::read(config).map_err(|problems| summary(&problems))?;
        Ok(Verdict { delay_ms: config.draw(&mut attempt.draws()), action: Action::Pass })
    }
}

seawall_plugin::export_fault!(LatencyStorm);
