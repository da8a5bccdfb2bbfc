//! `seawall serve`: the gateway, until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::config::DEFAULT_FILE;
use super::output::line;
use super::{CliError, Verdict, operators, plugins};
use crate::config::{Config, DEFAULT_PLUGINS_DIR, Environment, LogFormat, default_state_dir};
use crate::server::{self, Running, StartOptions};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration; default: seawall.toml, else providers whose keys are in the environment.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients are served, instead of what the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Verdict, CliError> {
        let mut config = configuration(self.config.as_deref())?;
        if let Some(listen) = self.listen {
            config.listen_at(listen)?;
        }
        let format = telemetry::init(config.server.log_format);
        plugins::announce_first_start(&config.state_dir);
        let otlp = operators::collectors();
        let options = StartOptions { otlp, ..StartOptions::default() };
        let running = server::start(config.clone(), options).await?;
        if let Err(unusable) = plugins::all_or_warn(&config, &running.plugins, format) {
            running.shutdown().await;
            return Err(unusable);
        }
        announce(&config, &running);
        running.wait().await;
        Ok(Verdict::Good)
    }
}

/// The named file, else the usual one, else what the environment offers.
fn configuration(file: Option<&Path>) -> Result<Config, CliError> {
    let env = Environment::Process;
    let usual = Path::new(DEFAULT_FILE);
    if let Some(file) = file.or_else(|| usual.exists().then_some(usual)) {
        return Ok(Config::load(file, &env)?);
    }
    telemetry::init(LogFormat::Auto);
    let host = plugins::load(Path::new(DEFAULT_PLUGINS_DIR), &default_state_dir(&env)?, Vec::new())?;
    Ok(Config::from_environment(&plugins::facts(&host), &env)?)
}

fn announce(config: &Config, running: &Running) {
    let providers: Vec<&str> = config.providers.keys().map(|name| &**name).collect();
    let aliases: Vec<&str> = config.aliases.keys().map(|name| &**name).collect();
    line(format!("seawall serves clients on http://{}", running.data_addr));
    line(format!("  as told by {}", config.source.name()));
    line(format!("  providers: {}", some(&providers)));
    line(match aliases.as_slice() {
        [] => "  models:    any provider/model".to_owned(),
        aliases => format!("  models:    {}, or any provider/model", some(aliases)),
    });
    let mut heading = "  operators:";
    for told in operators::lines(config, running) {
        line(format!("{heading} {told}"));
        heading = "            ";
    }
}

/// The first few names, and how many more there are.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
