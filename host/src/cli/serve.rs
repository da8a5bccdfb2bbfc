//! `seawall serve`: the gateway, until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::config::DEFAULT_FILE;
use super::output::line;
use super::{CliError, Verdict, plugins};
use crate::config::{Config, DEFAULT_PLUGINS_DIR, Environment, default_state_dir};
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
        telemetry::init(config.server.log_format);
        plugins::announce_first_start(&config.state_dir);
        let running = server::start(config.clone(), StartOptions::default()).await?;
        plugins::all_or_warn(&config, &running.plugins)?;
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
    let host = plugins::load(Path::new(DEFAULT_PLUGINS_DIR), &default_state_dir(&env)?, Vec::new())?;
    Ok(Config::from_environment(&plugins::facts(&host), &env)?)
}

fn announce(config: &Config, running: &Running) {
    let names: Vec<&str> = config.providers.keys().map(|name| &**name).collect();
    line(format!("seawall serves clients on http://{}", running.data_addr));
    line(format!("  providers: {}", names.join(", ")));
    match config.aliases.keys().next() {
        Some(alias) => {
            line(format!("  models:    {alias} and {} more, or any provider/model", config.aliases.len() - 1))
        }
        None => line("  models:    any provider/model"),
    }
    if running.admin_token.fresh {
        line(format!("  operators: {}", running.admin_token.url(running.admin_addr)));
        line("             (shown this once; the token is kept in the state directory)");
    } else {
        line(format!("  operators: http://{}", running.admin_addr));
    }
}
