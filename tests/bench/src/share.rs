//! What a part of the gateway costs: the same gateway with the part switched on and off, interleaved in one run, so that
//! a noisy machine disturbs both alike. Turns are short, for a machine's moods last longer than a second, and what is done
//! behind requests is waited for at the end of a round: it is accounted to the process that does it.

use std::time::Duration;

use crate::Scenario;
use crate::load::Load;
use crate::stage::{Process, Stage};

/// Parts that can be switched off: the flag that asks for it, and the configuration without it.
const PARTS: [(&str, &str); 2] =
    [("--audit", "[audit]\nenabled = false\n"), ("--telemetry", "[metrics]\ncount = false\n")];
/// The share of the gateway's CPU per request that all of them together may have, in per cent.
const BAR: f64 = 10.0;

/// The configuration without any of them.
pub(crate) fn bare() -> String {
    PARTS.iter().map(|(_, off)| *off).collect()
}

/// The configuration without the parts that the command line asks about; none when it asks about none.
pub(crate) fn without(words: &[String]) -> Option<String> {
    let asked = PARTS.iter().filter(|(flag, _)| words.iter().any(|word| word == flag));
    let off: String = asked.map(|(_, off)| *off).collect();
    (!off.is_empty()).then_some(off)
}

/// How the names of the trail's own threads begin.
const BEHIND: &str = "audit-";

/// CPU of one gateway over all rounds.
#[derive(Default)]
struct Spent {
    cpu: Duration,
    /// Of it, on threads behind the requests'.
    behind: Duration,
    requests: u32,
    /// Per request in microseconds, round by round.
    rounds: Vec<f64>,
}

impl Spent {
    /// In microseconds.
    fn per_request(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / f64::from(self.requests.max(1))
    }
}

/// Measures, prints a line a scenario, and says whether the bar was held.
pub(crate) async fn measure(stage: &Stage, asked: &[&Scenario], off: &str, rounds: u32) -> bool {
    let (off_base, off_gateway) = stage.another(off).await;
    println!(
        "CPU per request in us with the part on and off, and on the trail's own threads; spread: lower and upper quartile \
         of the rounds' shares"
    );
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>8} {:>16} {:>6}",
        "", "on", "off", "behind", "share", "spread", "bar"
    );
    let mut holds = true;
    for scenario in asked.iter().filter(|scenario| !scenario.paced) {
        let ways = [(&*stage.gateway_base, &stage.gateway), (&*off_base, &off_gateway)];
        let [on, off] = alternate(scenario, ways, rounds).await;
        let share = |on: f64, off: f64| (on - off) / on * 100.0;
        let mut shares: Vec<f64> =
            on.rounds.iter().zip(&off.rounds).map(|(on, off)| share(*on, *off)).collect();
        shares.sort_by(f64::total_cmp);
        let quartile = |part: usize| shares.get(shares.len() * part / 4).copied().unwrap_or(f64::NAN);
        let behind = on.per_request(on.behind);
        let (on, off) = (on.per_request(on.cpu), off.per_request(off.cpu));
        holds &= share(on, off) <= BAR;
        println!(
            "{:<28} {on:>9.1} {off:>9.1} {behind:>9.1} {:>6.1} % {:>6.1} .. {:>4.1} % {BAR:>4.0} %",
            scenario.name,
            share(on, off),
            quartile(1),
            quartile(3),
        );
    }
    holds
}

/// On, off, off, on ...: whoever comes second finds the simulator warm, and so each comes second as often.
async fn alternate(scenario: &Scenario, ways: [(&str, &Process); 2], rounds: u32) -> [Spent; 2] {
    const TURNS: u32 = 16;
    let (parallel, a_turn) = if scenario.stream { (16, 50) } else { (16, 250) };
    let loads = ways.map(|(base, _)| Load::new(base, scenario.gateway_model, scenario.stream));
    let mut spent: [Spent; 2] = Default::default();
    for round in 0..=rounds {
        let cpu = |process: &Process| (process.cpu(), process.cpu_of(BEHIND));
        let before = ways.map(|(_, process)| cpu(process));
        for turn in 0..TURNS {
            for at in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
                loads[at].run(parallel, a_turn).await;
            }
        }
        // What is done behind requests is a part of their cost: rows a tenth of a second later, the disk a second.
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        // The first round warms.
        if round > 0 {
            let many = TURNS * a_turn;
            for ((spent, (_, process)), before) in spent.iter_mut().zip(&ways).zip(before) {
                let now = cpu(process);
                let cpu = now.0.saturating_sub(before.0);
                spent.cpu += cpu;
                spent.behind += now.1.saturating_sub(before.1);
                spent.requests += many;
                spent.rounds.push(cpu.as_secs_f64() * 1e6 / f64::from(many));
            }
        }
    }
    spent
}
