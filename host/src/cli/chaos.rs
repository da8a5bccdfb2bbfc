//! `seawall chaos`: breaks things on purpose in a running gateway, and says what came of it.

mod arm;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use seawall_core::experiment::Scenario;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::desk::{Desk, Door, member};
use super::output::{aside, json as print_json, line};
use super::{CliError, Verdict};

const EXPERIMENTS: &str = "/admin/chaos/experiments";
/// Between two looks at a running experiment.
const PACE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Chaos {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every kind of fault, what it takes, and what stands on the board.
    Catalogue {
        /// For scripts.
        #[arg(long)]
        json: bool,
    },
    /// Show what is armed, and experiments.
    List {
        /// For scripts.
        #[arg(long)]
        json: bool,
    },
    /// Arm a fault, or press an action of the board, which runs as an experiment with a report.
    Arm(Box<arm::Arm>),
    /// Disarm one fault.
    Disarm {
        /// As `list` shows it.
        id: u64,
    },
    /// End everything at once: all faults and all experiments.
    Stop,
    /// Run a scenario and say whether its hypothesis held; exit code 1 when it did not.
    Run {
        /// A scenario file; `examples/scenarios` has some.
        #[arg(value_name = "SCENARIO")]
        file: PathBuf,
        /// Divide all times by this.
        #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
        speed: f64,
        /// Only start it.
        #[arg(long)]
        no_wait: bool,
        /// Write the report as a page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Print the whole report, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Show the report of an experiment, the last one if none is named.
    Report {
        /// As `list` shows it.
        id: Option<u64>,
        /// Write it as a page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// The whole of it, for scripts.
        #[arg(long)]
        json: bool,
    },
}

impl Chaos {
    pub(super) async fn run(self) -> Result<Verdict, CliError> {
        let desk = self.door.open()?;
        match self.command {
            Command::Catalogue { json } => {
                let all = desk.get("/admin/chaos/catalogue").await?;
                if json { print_json(&all) } else { show::catalogue(&all) }
            }
            Command::List { json } => {
                let faults = desk.get("/admin/chaos/faults").await?;
                let experiments = desk.get(EXPERIMENTS).await?;
                let all = json!({ "faults": member(&faults, "faults"), "experiments": member(&experiments, "experiments") });
                if json { print_json(&all) } else { show::list(&all) }
            }
            Command::Arm(order) => return order.run(&desk).await,
            Command::Disarm { id } => {
                desk.delete(&format!("/admin/chaos/faults/{id}")).await?;
                line(format!("fault {id} is disarmed"));
            }
            Command::Stop => {
                let stopped = desk.post("/admin/chaos/stop", &json!({})).await?;
                line(format!(
                    "stopped: {} experiments, {} faults",
                    member(&stopped, "experiments"),
                    member(&stopped, "disarmed")
                ));
            }
            Command::Run { file, speed, no_wait, html, json } => {
                let scenario = read(&file)?.faster(speed);
                let order = serde_json::to_value(&scenario).unwrap_or_default();
                let started = desk.post(EXPERIMENTS, &order).await?;
                let id = member(&started, "id").as_u64().unwrap_or_default();
                aside(format!(
                    "experiment {id} ({}) runs for {:.0} s",
                    scenario.name,
                    scenario.lasts.as_secs_f64()
                ));
                if no_wait {
                    line(id.to_string());
                    return Ok(Verdict::Good);
                }
                let report = wait(&desk, id).await?;
                return tell(&desk, &report, html.as_deref(), json).await;
            }
            Command::Report { id, html, json } => {
                let id = match id {
                    Some(id) => id,
                    None => last(&desk).await?,
                };
                let report = desk.get(&format!("{EXPERIMENTS}/{id}")).await?;
                tell(&desk, &report, html.as_deref(), json).await?;
            }
        }
        Ok(Verdict::Good)
    }
}

fn read(file: &Path) -> Result<Scenario, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(CliError::io(format!("the scenario {} cannot be read", file.display())))?;
    let bad = |error: String| CliError::Scenario { file: file.to_owned(), error };
    let scenario: Scenario = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    scenario.check().map_err(|error| bad(error.to_string()))?;
    Ok(scenario)
}

/// Tells what happens until it has ended; the report.
async fn wait(desk: &Desk, id: u64) -> Result<Value, CliError> {
    let mut told = 0;
    loop {
        let report = desk.get(&format!("{EXPERIMENTS}/{id}")).await?;
        let moments = member(&report, "timeline").as_array().map(Vec::as_slice).unwrap_or_default();
        moments.iter().skip(told).for_each(show::moment);
        told = moments.len();
        if member(&report, "verdict") != "running" {
            return Ok(report);
        }
        sleep(PACE).await;
    }
}

/// Good unless the hypothesis did not hold.
async fn tell(desk: &Desk, report: &Value, html: Option<&Path>, json: bool) -> Result<Verdict, CliError> {
    if json {
        print_json(report)
    } else {
        show::report(report)
    }
    if let Some(file) = html {
        let page = desk.text("GET", &format!("{EXPERIMENTS}/{}/page", member(report, "id")), None).await?;
        std::fs::write(file, page)
            .map_err(CliError::io(format!("the page {} cannot be written", file.display())))?;
        aside(format!("the report as a page: {}", file.display()));
    }
    let good = matches!(member(report, "verdict").as_str(), Some("held" | "running"));
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

async fn last(desk: &Desk) -> Result<u64, CliError> {
    let all = desk.get(EXPERIMENTS).await?;
    all.pointer("/experiments/0/id").and_then(Value::as_u64).ok_or(CliError::NoExperiment)
}
