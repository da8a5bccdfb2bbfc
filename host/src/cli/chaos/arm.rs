//! `seawall chaos arm`: one fault, or one action of the board.

use std::time::Duration;

use clap::{Args, ValueEnum};
use seawall_core::experiment::{Action, Press, span};
use seawall_core::fault::{FaultMatch, HeaderMatch, Tier};
use serde_json::{Map, Value, json};

use super::super::desk::{Desk, member};
use super::super::output::{aside, line};
use super::super::{CliError, Verdict};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Arm {
    /// An action of the board (503-outage, latency-storm, rate-limit, throttled-tier, killed-pool), or any kind of the
    /// catalogue.
    #[arg(value_name = "NAME")]
    name: String,
    /// Only calls to this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Only calls to this upstream model.
    #[arg(long)]
    model: Option<String>,
    /// Only calls into this failure domain.
    #[arg(long)]
    domain: Option<String>,
    /// Only calls to models of this tier.
    #[arg(long, value_enum)]
    tier: Option<TierName>,
    /// Only requests for this model name of clients.
    #[arg(long)]
    alias: Option<String>,
    /// Only requests of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only streamed requests (true) or plain ones (false).
    #[arg(long)]
    stream: Option<bool>,
    /// Only requests with this header.
    #[arg(long, value_name = "NAME[=VALUE]")]
    header: Option<String>,
    /// Only requests that ask for this name with an operator's token.
    #[arg(long, value_name = "NAME")]
    opt_in: Option<String>,
    /// The share of calls, 0 to 100.
    #[arg(long)]
    percent: Option<f64>,
    /// Everybody, the last healthy failure domain included.
    #[arg(long)]
    all: bool,
    /// How long, at most an hour.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = time)]
    ttl: Duration,
    /// Let the share grow from nothing over this time.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    ramp: Duration,
    /// A parameter, for example `--set seconds=30`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Decides every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Count what would be hit, and inject nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let it teach estimates and availability, as if it were real.
    #[arg(long)]
    teach: bool,
    /// It may hit the last healthy failure domain, too.
    #[arg(long)]
    allow_total_outage: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TierName {
    High,
    Standard,
}

fn time(text: &str) -> Result<Duration, String> {
    span::parse(text).ok_or_else(|| "write `30s`, `500ms` or `5m`".to_owned())
}

impl Arm {
    pub(super) async fn run(self, desk: &Desk) -> Result<Verdict, CliError> {
        let matching = self.matching();
        let config = parameters(&self.set);
        let total = self.allow_total_outage || self.all;
        if let Some(action) = Action::of(&self.name) {
            let (ttl, seed) = (Some(self.ttl), self.seed);
            let mut scenario = action.press(Press { matching, everything: self.all, config, ttl, seed });
            scenario.dry_run = self.dry_run;
            scenario.teach = self.teach;
            scenario.allow_total_outage = total;
            scenario.steps.iter_mut().for_each(|step| step.ramp = self.ramp);
            let order = serde_json::to_value(&scenario).unwrap_or_default();
            let started = desk.post(super::EXPERIMENTS, &order).await?;
            line(format!(
                "experiment {}: {} for {} s",
                member(&started, "id"),
                self.name,
                self.ttl.as_secs_f64()
            ));
            aside(format!("afterwards: seawall chaos report {}", member(&started, "id")));
            return Ok(Verdict::Good);
        }
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let mut order = json!({
            "kind": self.name, "match": matching, "config": config, "ttl": ms(self.ttl), "seed": self.seed,
            "dry_run": self.dry_run, "teach": self.teach, "allow_total_outage": total,
        });
        if let (false, Some(order)) = (self.ramp.is_zero(), order.as_object_mut()) {
            order.insert("ramp".to_owned(), Value::String(ms(self.ramp)));
        }
        let armed = desk.post("/admin/chaos/faults", &order).await?;
        line(format!("fault {}: {} for {} s", member(&armed, "id"), self.name, self.ttl.as_secs_f64()));
        let spared: Vec<&str> =
            member(&armed, "spares").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !spared.is_empty() {
            aside(format!(
                "{} would be left without a healthy failure domain: there, only delays act (--allow-total-outage)",
                spared.join(", ")
            ));
        }
        Ok(Verdict::Good)
    }

    fn matching(&self) -> FaultMatch {
        let header = self.header.as_deref().map(|header| match header.split_once('=') {
            Some((name, value)) => HeaderMatch { name: name.to_owned(), value: Some(value.to_owned()) },
            None => HeaderMatch { name: header.to_owned(), value: None },
        });
        FaultMatch {
            provider: self.provider.clone(),
            model: self.model.clone(),
            domain: self.domain.clone(),
            tier: self.tier.map(|tier| match tier {
                TierName::High => Tier::High,
                TierName::Standard => Tier::Standard,
            }),
            alias: self.alias.clone(),
            tenant: self.tenant.clone(),
            stream: self.stream,
            header,
            opt_in: self.opt_in.clone(),
            percent: self.percent,
        }
    }
}

/// Values are JSON where they can be, else text.
fn parameters(set: &[String]) -> Value {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        (name.to_owned(), value)
    };
    Value::Object(set.iter().map(pair).collect::<Map<_, _>>())
}
