//! `seawall plugin list|check`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use seawall_wasm::{Limits, PluginStatus, check_file};

use super::output::{aside, json, line, table};
use super::{CliError, Verdict, config::DEFAULT_FILE, plugins};
use crate::config::{Config, DEFAULT_PLUGINS_DIR, Environment, default_state_dir};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Show the plugins that the gateway would load.
    List {
        /// The configuration whose plugins folder is meant; default: seawall.toml, if there is one.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// For scripts.
        #[arg(long)]
        json: bool,
    },
    /// Load one component the way the gateway would, and say what is wrong with it; exit code 1 when something is.
    Check {
        /// The component.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// For scripts.
        #[arg(long)]
        json: bool,
    },
}

impl PluginCommand {
    pub(super) fn run(self) -> Result<Verdict, CliError> {
        match self {
            Self::List { config, json } => list(config, json),
            Self::Check { file, json } => Ok(check(&file, json)),
        }
    }
}

fn list(config: Option<PathBuf>, as_json: bool) -> Result<Verdict, CliError> {
    let config = config.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
    let (dir, state_dir) = match config {
        Some(file) => {
            let config = Config::load(&file, &Environment::Process)?;
            (config.plugins.dir, config.state_dir)
        }
        None => (PathBuf::from(DEFAULT_PLUGINS_DIR), default_state_dir(&Environment::Process)?),
    };
    let host = plugins::load(&dir, &state_dir, Vec::new())?;
    let plugins = host.status();
    if as_json {
        json(&plugins);
        return Ok(Verdict::Good);
    }
    let heading = ["ID", "KIND", "VERSION", "SOURCE", "STATE", "DESCRIPTION"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(heading).chain(plugins.iter().map(row)).collect();
    table(&rows);
    for plugin in &plugins {
        if let Some(problem) = &plugin.last_problem {
            aside(format!("{}: {problem}", plugin.id));
        }
    }
    Ok(Verdict::Good)
}

fn row(plugin: &PluginStatus) -> Vec<String> {
    let version = plugin.version.as_ref();
    let of = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
    vec![
        plugin.id.to_string(),
        of(version.map(|version| word(&version.kind))),
        of(version.map(|version| version.manifest.version.clone())),
        of(version.map(|version| word(&version.source))),
        word(&plugin.state),
        version.map(|version| version.manifest.description.clone()).unwrap_or_default(),
    ]
}

/// The word that the JSON form uses.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn check(file: &Path, as_json: bool) -> Verdict {
    let report = check_file(file, &Limits::default());
    if as_json {
        json(&report);
    }
    match (&report.problem, &report.version) {
        _ if as_json => {}
        (Some(problem), _) => {
            line(format!("{}: {} {}", file.display(), problem.code, problem.cause));
            line(format!("  fix: {}", problem.fix));
        }
        (None, version) => {
            let version = version.as_ref();
            let what = version.map(|version| {
                let manifest = &version.manifest;
                format!(": {} {} {}", word(&version.kind), manifest.name, manifest.version)
            });
            line(format!(
                "{}: good{} ({} bytes, loaded in {} ms)",
                file.display(),
                what.unwrap_or_default(),
                report.bytes,
                report.load_ms
            ));
        }
    }
    if report.problem.is_some() { Verdict::Bad } else { Verdict::Good }
}
