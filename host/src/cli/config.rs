//! `seawall config check|show`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::output::{aside, json, line};
use super::{CliError, Verdict, plugins};
use crate::config::{Config, ConfigErrors, Environment};

/// Where a configuration is looked for when none is named.
pub(super) const DEFAULT_FILE: &str = "seawall.toml";

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every problem of a configuration with place, cause and fix; exit code 1 when there are any.
    Check {
        /// The file.
        #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
        file: PathBuf,
        /// For scripts.
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration as the gateway understands it: defaults filled in, secrets left out.
    Show {
        /// The file.
        #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
        file: PathBuf,
    },
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<Verdict, CliError> {
        match self {
            Self::Check { file, json } => check(&file, json),
            Self::Show { file } => {
                json_of(&Config::load(&file, &Environment::Process)?);
                Ok(Verdict::Good)
            }
        }
    }
}

fn check(file: &Path, as_json: bool) -> Result<Verdict, CliError> {
    let found = match Config::load(file, &Environment::Process) {
        Ok(config) => plugins::check(&config)?,
        Err(errors) => Err(errors),
    };
    if as_json {
        json(&json!({ "file": file, "problems": problems(&found) }));
    } else {
        match &found {
            Ok(()) => line(format!("{}: good", file.display())),
            Err(errors) => {
                line(errors.render().trim_end());
                let count = errors.problems().len();
                aside(format!("{}: {count} problem{}", file.display(), if count == 1 { "" } else { "s" }));
            }
        }
    }
    Ok(if found.is_ok() { Verdict::Good } else { Verdict::Bad })
}

fn problems(found: &Result<(), ConfigErrors>) -> Vec<serde_json::Value> {
    let Err(errors) = found else { return Vec::new() };
    let problem = |problem: &crate::config::Problem| {
        json!({
            "code": problem.code,
            "line": errors.line_of(problem),
            "cause": problem.cause,
            "fix": problem.fix,
        })
    };
    errors.problems().iter().map(problem).collect()
}

fn json_of(config: &Config) {
    let seconds = |time: std::time::Duration| time.as_secs_f64();
    let providers: serde_json::Map<_, _> = config
        .providers
        .values()
        .map(|provider| {
            let shown = json!({
                "adapter": provider.adapter,
                "base_url": provider.base_url,
                "credential": provider.credential.as_ref().map(|_| "set"),
                "config": serde_json::from_str::<serde_json::Value>(&provider.config).unwrap_or_default(),
                "models": provider.models.keys().collect::<Vec<_>>(),
            });
            (provider.name.to_string(), shown)
        })
        .collect();
    let models: serde_json::Map<_, _> = config
        .aliases
        .values()
        .map(|alias| {
            let targets = alias.targets.iter();
            let shown = json!({
                "targets": targets.map(|t| json!({ "target": t.id.to_string(), "weight": t.weight })).collect::<Vec<_>>(),
                "policy": alias.policy.as_ref().map(|policy| &policy.plugin),
                "reroute_content_filter": alias.reroute_content_filter,
                "report_model": if alias.report_alias { "alias" } else { "upstream" },
                "timeouts_s": {
                    "connect": seconds(alias.timeouts.connect),
                    "first_token": seconds(alias.timeouts.first_token),
                    "answer": seconds(alias.timeouts.answer),
                    "stall": seconds(alias.timeouts.stall),
                    "total": seconds(alias.timeouts.total),
                },
            });
            (alias.name.to_string(), shown)
        })
        .collect();
    let clients: Vec<_> = match &config.access {
        crate::config::Access::Open => Vec::new(),
        crate::config::Access::Keyed(clients) => {
            clients.iter().map(|client| json!({ "name": client.name, "tenant": client.tenant })).collect()
        }
    };
    json(&json!({
        "server": {
            "listen": config.server.listen,
            "max_body_bytes": config.server.max_body_bytes,
            "max_answer_bytes": config.server.max_answer_bytes,
            "max_event_bytes": config.server.max_event_bytes,
            "shutdown_timeout_s": seconds(config.server.shutdown_timeout),
        },
        "admin": { "listen": config.admin.listen, "token": config.admin.token.as_ref().map(|_| "set") },
        "plugins": { "dir": config.plugins.dir, "instances": config.plugins.instances },
        "state": { "dir": config.state_dir },
        "clients": clients,
        "providers": providers,
        "models": models,
    }));
}
