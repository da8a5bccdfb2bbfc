//! The command line: one file a subcommand. Results go to standard output, everything else to standard error.
//!
//! Exit codes: 0 good; 1 something that was given is wrong (a configuration, a plugin); 2 the command could not do its
//! work; 64 the command line itself is wrong.

mod audit;
mod chaos;
mod config;
mod demo;
mod desk;
mod operators;
mod output;
mod plugin;
mod plugins;
mod serve;
mod sim;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::desk::DeskError;
pub use self::plugins::PluginsError;
use crate::config::ConfigErrors;
use crate::server::StartError;
use crate::state::StateError;

/// An LLM gateway that keeps applications standing when providers fail.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Serve),
    /// Show everything on this machine, without any key: simulated providers, the gateway, and what it does.
    Demo(demo::Demo),
    /// Run simulated providers that speak the real wire formats, to test clients and gateways with.
    Sim(sim::Simulate),
    /// Check and show configurations.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List and check plugins.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Break things on purpose in a running gateway, and see what comes of it.
    Chaos(chaos::Chaos),
    /// Read the audit trail: every request, what was tried for it, and what operators did.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Good,
    /// What was given is wrong; it has been said what.
    Bad,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is wrong.
    #[error("the configuration has problems:\n{0}")]
    Config(#[from] ConfigErrors),
    /// State cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// Plugins cannot be loaded.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// The audit trail cannot be read.
    #[error(transparent)]
    Audit(#[from] crate::audit::QueryError),
    /// The gateway could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The gateway that is running does not answer, or refuses.
    #[error("{0}")]
    Desk(#[from] DeskError),
    /// A scenario file is wrong.
    #[error("the scenario {} has a problem:\n{error}", file.display())]
    Scenario {
        /// Which file.
        file: PathBuf,
        /// Where and what.
        error: String,
    },
    /// There is nothing to report.
    #[error("no experiment has run yet; `seawall chaos run SCENARIO` runs one")]
    NoExperiment,
    /// The operating system says no.
    #[error("{doing}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl CliError {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Says on standard error what went wrong, down to the first cause.
    pub fn report(&self) {
        if let Self::Config(errors) = self {
            output::aside(errors.render().trim_end());
            return;
        }
        output::aside(format!("error: {self}"));
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            output::aside(format!("  because: {error}"));
            cause = error.source();
        }
    }

    fn was_given_wrong(&self) -> bool {
        let refused = |status: u16| (400..500).contains(&status) && status != 401;
        match self {
            Self::Config(_) | Self::Scenario { .. } => true,
            Self::Desk(DeskError::Refused { status, .. }) => refused(*status),
            _ => false,
        }
    }

    /// 1 when something given was wrong, else 2.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.was_given_wrong() { 1 } else { 2 })
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Good => Self::SUCCESS,
            Verdict::Bad => Self::FAILURE,
        }
    }
}

impl Cli {
    /// Does what was asked for.
    pub async fn run(self) -> Result<Verdict, CliError> {
        match self.command {
            Command::Serve(serve) => serve.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Sim(sim) => sim.run().await,
            Command::Config(command) => command.run(),
            Command::Plugin(command) => command.run(),
            Command::Chaos(chaos) => chaos.run().await,
            Command::Audit(command) => command.run(),
        }
    }
}
