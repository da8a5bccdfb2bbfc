//! `cargo xtask bench [--rounds N] [--quick]`: the gateway's CPU per request and added latency beside a bare axum +
//! reqwest reverse proxy, interleaved in one run on the same simulator, so that a noisy machine disturbs both alike.
//! The figures to trust are the ratios. `--overload` measures admission instead (see [`overload`]), `--audit` and
//! `--telemetry` what the audit trail and the metrics cost, one of them or both together (see [`share`]), `--against FILE`
//! what another build of the gateway takes for the same, `--bare` runs the table without both.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measuring program: it fails loudly, prints its table, reads the real clock and spawns its own load"
)]

mod load;
mod overload;
mod proxy;
mod share;
mod stage;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use load::{Load, Sample};
use share::Beside;
use stage::{Process, Stage};

/// One line of the table.
struct Scenario {
    name: &'static str,
    /// The model that the gateway is asked for.
    gateway_model: &'static str,
    /// The same behaviour asked of the simulator directly, and through the bare proxy.
    sim_model: &'static str,
    stream: bool,
    /// Paced streams are about latency, not about throughput.
    paced: bool,
    /// Highest CPU ratio to the bare proxy that the house allows itself.
    cpu_bar: Option<f64>,
    /// Highest ratio of added median latency.
    latency_bar: Option<f64>,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "chat 1 KB -> 2 KB",
        gateway_model: "openai/bench-2048",
        sim_model: "bench-2048",
        stream: false,
        paced: false,
        cpu_bar: Some(2.0),
        latency_bar: Some(1.6),
    },
    Scenario {
        name: "chat, to Anthropic",
        gateway_model: "anthropic/bench-2048",
        sim_model: "bench-2048",
        stream: false,
        paced: false,
        cpu_bar: Some(2.6),
        latency_bar: None,
    },
    Scenario {
        name: "stream, burst of 100",
        gateway_model: "openai/bench-burst",
        sim_model: "bench-burst",
        stream: true,
        paced: false,
        cpu_bar: Some(1.2),
        latency_bar: None,
    },
    Scenario {
        name: "stream burst, to Anthropic",
        gateway_model: "anthropic/bench-burst",
        sim_model: "bench-burst",
        stream: true,
        paced: false,
        cpu_bar: Some(1.6),
        latency_bar: None,
    },
    Scenario {
        name: "stream, 100 paced at 10 ms",
        gateway_model: "openai/bench-paced",
        sim_model: "bench-paced",
        stream: true,
        paced: true,
        cpu_bar: None,
        latency_bar: None,
    },
    Scenario {
        name: "stream paced, to Anthropic",
        gateway_model: "anthropic/bench-paced",
        sim_model: "bench-paced",
        stream: true,
        paced: true,
        cpu_bar: None,
        latency_bar: None,
    },
];

/// What one way to the simulator showed over all rounds.
#[derive(Default)]
struct Seen {
    cpu: Duration,
    requests: u32,
    sequential: Vec<Sample>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, listen, upstream] = words.as_slice()
        && mode == "proxy"
    {
        proxy::serve(listen, upstream).await;
        return ExitCode::SUCCESS;
    }
    if words.iter().any(|word| word == "--overload") {
        let holds = overload::measure(&Stage::start(&overload::limits(), "").await).await;
        return if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let quick = words.iter().any(|word| word == "--quick");
    let rounds =
        words.windows(2).find(|pair| pair[0] == "--rounds").map(|pair| pair[1].parse().expect("--rounds N"));
    let rounds: u32 = rounds.unwrap_or(if quick { 3 } else { 12 });
    let only = words.windows(2).find(|pair| pair[0] == "--only").map(|pair| pair[1].as_str());
    let asked: Vec<&Scenario> =
        SCENARIOS.iter().filter(|scenario| only.is_none_or(|only| scenario.name.contains(only))).collect();

    let bare = words.iter().any(|word| word == "--bare");
    let stage = Stage::start("", &if bare { share::bare() } else { String::new() }).await;
    if let Some(beside) = Beside::asked(&words) {
        return if share::measure(&stage, &asked, &beside, rounds).await {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    table::start_figures(&stage);
    table::head();
    for scenario in asked {
        let [direct, proxy, gateway] = measure(&stage, scenario, rounds, quick).await;
        table::line(scenario, &direct, &proxy, &gateway);
    }
    table::memory(&stage);
    ExitCode::SUCCESS
}

/// Direct, proxy, gateway in turn, `rounds` times.
async fn measure(stage: &Stage, scenario: &Scenario, rounds: u32, quick: bool) -> [Seen; 3] {
    let (parallel, many, sequential) = match (scenario.paced, scenario.stream) {
        (true, _) => (20, 40, 0),
        (false, true) => (16, 400, 40),
        (false, false) => (16, 1500, 200),
    };
    let many = if quick { many / 4 } else { many };
    let ways: [(&str, &str, Option<&Process>); 3] = [
        (&stage.sim_base, scenario.sim_model, None),
        (&stage.proxy_base, scenario.sim_model, Some(&stage.proxy)),
        (&stage.gateway_base, scenario.gateway_model, Some(&stage.gateway)),
    ];
    let mut seen: [Seen; 3] = Default::default();
    for round in 0..=rounds {
        for (slot, (base, model, process)) in seen.iter_mut().zip(&ways) {
            let load = Load::new(base, model, scenario.stream);
            let before = process.map(Process::cpu);
            let samples = load.run(parallel, many).await;
            let after = process.map(Process::cpu);
            let latencies = if scenario.paced { samples } else { load.run(1, sequential).await };
            // The first round warms pools, instances and predictors.
            if round > 0 {
                slot.cpu +=
                    after.zip(before).map_or(Duration::ZERO, |(after, before)| after.since(&before, ""));
                slot.requests += many;
                slot.sequential.extend(latencies);
            }
        }
    }
    seen
}
