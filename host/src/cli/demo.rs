//! `seawall demo`: simulated providers, the gateway and the bundled plugins on loopback, without any key; then a live
//! view in words of what the cascade does.

mod client;
mod narrate;
mod ports;
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Args, value_parser};
use seawall_core::note::Note;
use seawall_sim::{Sim, SimOptions};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use self::narrate::Narrator;
use self::ports::Place;
use super::output::{Paint, aside, line};
use super::{CliError, Verdict, operators, plugins};
use crate::config::{Config, Environment, LogFormat, Source};
use crate::server::{self, Running, StartOptions};
use crate::shutdown;

/// The demo's configuration is an example, too.
const CONFIG: &str = include_str!("../../../examples/demo.toml");
/// Simulated models think for a moment and then write as fast as one can follow.
const FIRST_TOKEN_MS: u64 = 80;
const PACE_MS: u64 = 25;
/// Leaves room for the ports that are counted from it.
const HIGHEST_PORT: i64 = u16::MAX as i64 - 10;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Port for clients; operators get the next one, the simulated providers the tenth after it; 0 takes any.
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = value_parser!(u16).range(..=HIGHEST_PORT))]
    port: u16,
    /// Send a few requests, break a provider between them, and end.
    #[arg(long)]
    once: bool,
    /// Send a request now and then, so that there is something to see.
    #[arg(long)]
    traffic: bool,
    /// Only say what is running.
    #[arg(long)]
    no_narration: bool,
}

impl Demo {
    pub(super) async fn run(self) -> Result<Verdict, CliError> {
        let failed = || CliError::io("no free port on loopback");
        // Port 0 asks for any free port, and so do its neighbours.
        let next = |step| if self.port == 0 { 0 } else { self.port.saturating_add(step) };
        let (data_port, admin_port, sim_port) = (self.port, next(1), next(10));
        let place = |port| Place::near(port).map_err(failed());
        let (data, admin, lanes) = (place(data_port)?, place(admin_port)?, place(sim_port)?);

        let sim = Sim::start(SimOptions { listen: lanes.addr, ..SimOptions::default() })
            .map_err(CliError::io("the simulated providers cannot start"))?;
        let config = configuration(data, admin, &sim)?;
        for provider in config.providers.keys() {
            sim.lane(provider).configure(|lane| {
                lane.first_token_ms = FIRST_TOKEN_MS;
                lane.pace_ms = PACE_MS;
            });
        }
        let options =
            StartOptions { pause: Duration::ZERO, otlp: operators::collectors(), ..StartOptions::default() };
        plugins::announce_first_start(&config.state_dir);
        let running = server::start(config.clone(), options).await?;
        let notes = running.notes.subscribe();
        plugins::all_or_warn(&config, &running.plugins, LogFormat::Text)?;

        let stage = script::Stage { gateway: running.data_addr, sim: sim.addr() };
        script::introduce(
            &stage,
            &operators::lines(&config, &running),
            [data.remark(data_port), admin.remark(admin_port), lanes.remark(sim_port)],
        );
        let verdict = self.play(&stage, notes).await;
        end(running, sim).await;
        Ok(verdict)
    }

    async fn play(&self, stage: &script::Stage, notes: Receiver<Arc<Note>>) -> Verdict {
        let told = narrate(notes, !self.no_narration);
        let acted = async {
            match (self.once, self.traffic) {
                (true, _) => script::play_once(stage).await,
                (false, true) => script::trickle(stage).await,
                (false, false) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = told => Verdict::Good,
            verdict = acted => verdict,
            () = shutdown::signal() => Verdict::Good,
        }
    }
}

fn configuration(data: Place, admin: Place, sim: &Sim) -> Result<Config, CliError> {
    let variables = BTreeMap::from([
        ("SEAWALL_DEMO_LISTEN".to_owned(), data.addr.to_string()),
        ("SEAWALL_DEMO_ADMIN".to_owned(), admin.addr.to_string()),
        ("SEAWALL_DEMO_SIM".to_owned(), format!("http://{}", sim.addr())),
    ]);
    let source = Source::new("examples/demo.toml", CONFIG);
    Ok(Config::parse(source, Path::new(""), &Environment::Over(variables))?)
}

/// Tells what happens until nobody reports any more.
async fn narrate(mut notes: Receiver<Arc<Note>>, aloud: bool) {
    let mut narrator = Narrator::new(Paint::for_stdout());
    loop {
        match notes.recv().await {
            Ok(note) if aloud => narrator.tell(&note, SystemTime::now()).iter().for_each(line),
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                aside(format!("... {missed} things happened faster than they could be told"))
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn end(running: Running, sim: Sim) {
    running.shutdown().await;
    sim.stop().await;
}
