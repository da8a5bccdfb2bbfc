//! What a part of the gateway costs: the same gateway with the part switched on and off, interleaved in one run, so that
//! a noisy machine disturbs both alike. Turns are short, for a machine's moods last longer than a second, and what is done
//! behind requests is waited for at the end of a round: it is accounted to the process that does it.

use std::path::PathBuf;
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
fn without(words: &[String]) -> Option<String> {
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

/// What the gateway is measured beside.
pub(crate) enum Beside {
    /// Itself, with this in its configuration.
    Without(String),
    /// Another build of it.
    Build(PathBuf),
}

impl Beside {
    /// What the command line asks for, if it does.
    pub(crate) fn asked(words: &[String]) -> Option<Self> {
        let build = words.windows(2).find(|pair| pair[0] == "--against").map(|pair| PathBuf::from(&pair[1]));
        build.map(Self::Build).or_else(|| without(words).map(Self::Without))
    }
}

/// Measures, prints a line a scenario, and says whether the bar was held, where there is one.
pub(crate) async fn measure(stage: &Stage, asked: &[&Scenario], beside: &Beside, rounds: u32) -> bool {
    let (build, more, bar) = match beside {
        Beside::Without(off) => (None, off.as_str(), Some(BAR)),
        Beside::Build(path) => (Some(path.as_path()), "", None),
    };
    let (other_base, other) = stage.another(build, more).await;
    let (first, second) = if bar.is_some() { ("on", "off") } else { ("this", "other") };
    println!(
        "CPU per request in us, as a whole and (behind) on the trail's own threads; share: the middle of the rounds' shares \
         that the first has beyond the second, with the lower and upper quartile"
    );
    println!(
        "{:<28} {first:>9} {:>9} {second:>9} {:>9} {:>8} {:>18} {:>6}",
        "", "behind", "behind", "share", "quartiles", "bar"
    );
    let mut holds = true;
    for scenario in asked.iter().filter(|scenario| !scenario.paced) {
        let ways = [(&*stage.gateway_base, &stage.gateway), (&*other_base, &other)];
        let [one, two] = alternate(scenario, ways, rounds).await;
        let share = |(one, two): (&f64, &f64)| (one - two) / one * 100.0;
        let mut shares: Vec<f64> = one.rounds.iter().zip(&two.rounds).map(share).collect();
        shares.sort_by(f64::total_cmp);
        let quartile = |part: usize| shares.get(shares.len() * part / 4).copied().unwrap_or(f64::NAN);
        let middle = quartile(2);
        holds &= bar.is_none_or(|bar| middle <= bar);
        println!(
            "{:<28} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {middle:>6.1} % {:>8.1} .. {:>4.1} % {}",
            scenario.name,
            one.per_request(one.cpu),
            one.per_request(one.behind),
            two.per_request(two.cpu),
            two.per_request(two.behind),
            quartile(1),
            quartile(3),
            bar.map_or_else(String::new, |bar| format!("{bar:>4.0} %")),
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
        let before = ways.map(|(_, process)| process.cpu());
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
                let now = process.cpu();
                let cpu = now.since(&before, "");
                spent.cpu += cpu;
                spent.behind += now.since(&before, BEHIND);
                spent.requests += many;
                spent.rounds.push(cpu.as_secs_f64() * 1e6 / f64::from(many));
            }
        }
    }
    spent
}
