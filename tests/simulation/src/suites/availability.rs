//! The trial of the availability formulas: three arms, five seeds, one table.

use seawall_core::availability::Estimate;

use super::{Findings, threads};
use crate::availability::{Arm, COMMON_CAUSE, Outcome, RELIABILITY, REQUESTS, Trial};

/// Half of what chance does to the share observed in this many requests, at 95 %.
const TOLERANCE: f64 = 0.0024;
/// Five looks at once are as likely to show an outlier as one look at a band of 99 %, which is wider by this.
const FIVE_LOOKS: f64 = 2.576 / 1.960;

/// Requests a second in whose pauses no open time ends.
const BUSY: f64 = 20.0;
/// More calls are under way than a resting target has credit for at first.
const CROWDED: f64 = 200.0;

/// One kind of rows.
#[derive(Clone, Copy, Debug)]
struct Setting {
    name: &'static str,
    arm: Arm,
    per_second: f64,
}

const SETTINGS: [Setting; 5] = [
    Setting { name: "A forced closed, 20/s", arm: Arm::BreakersForcedClosed, per_second: BUSY },
    // So few that an open breaker's time is over when the next request comes, which is then its probe.
    Setting { name: "B on, 1 in 5 min", arm: Arm::BreakersOn, per_second: 1.0 / 300.0 },
    Setting { name: "B on, 20/s", arm: Arm::BreakersOn, per_second: BUSY },
    Setting { name: "B on, 200/s", arm: Arm::BreakersOn, per_second: CROWDED },
    Setting { name: "C common cause, 20/s", arm: Arm::CommonCause, per_second: BUSY },
];

/// The table over this many seeds.
pub fn availability(seeds: u64) -> Findings {
    let runs =
        SETTINGS.into_iter().flat_map(|setting| (1..=seeds).map(move |seed| (setting, seed))).collect();
    let outcomes = threads::each(runs, |(setting, seed): (Setting, u64)| {
        (setting.name, seed, Trial { arm: setting.arm, seed, per_second: setting.per_second }.run())
    });
    let mut findings = Findings { lines: header(), broken: Vec::new() };
    for setting in SETTINGS {
        let name = setting.name;
        let mut all = Vec::new();
        for (_, seed, outcome) in outcomes.iter().filter(|(of, ..)| *of == name) {
            let Some(outcome) = outcome else {
                findings.broken.push(format!("{name}, seed {seed}: did not run"));
                continue;
            };
            let shares = Shares::of(outcome);
            findings.lines.push(row(name, &seed.to_string(), &shares, Some(outcome)));
            let broken = broken(&setting, outcome);
            findings.broken.extend(broken.into_iter().map(|what| format!("{name}, seed {seed}: {what}")));
            all.push(shares);
        }
        let mean = Shares::mean(&all);
        findings.lines.push(row(name, "all", &mean, None));
        let broken = broken_by_all(&setting, &mean);
        findings.broken.extend(broken.map(|what| format!("{name}, all seeds: {what}")));
    }
    findings
}

/// The figures of one trial, or the means of several.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    independent: f64,
    chain: f64,
    observed: f64,
    clients: f64,
}

impl Shares {
    fn of(outcome: &Outcome) -> Self {
        let prediction = &outcome.prediction;
        let value = |estimate: &Estimate| estimate.value.unwrap_or_default();
        Self {
            independent: value(&prediction.independent),
            chain: value(&prediction.chain.estimate),
            observed: value(&prediction.observed),
            clients: f64::from(outcome.answered) / f64::from(outcome.asked),
        }
    }

    fn mean(of: &[Self]) -> Self {
        let seeds = f64::from(u32::try_from(of.len()).unwrap_or(u32::MAX)).max(1.0);
        let mean = |figure: fn(&Self) -> f64| of.iter().map(figure).sum::<f64>() / seeds;
        Self {
            independent: mean(|of| of.independent),
            chain: mean(|of| of.chain),
            observed: mean(|of| of.observed),
            clients: mean(|of| of.clients),
        }
    }
}

fn header() -> Vec<String> {
    let truth = 1.0 - RELIABILITY.iter().map(|r| 1.0 - r).product::<f64>();
    let common = (1.0 - COMMON_CAUSE) * truth;
    vec![
        format!("{REQUESTS} requests a row; the truth is {truth:.4}, with a common cause of 5 % {common:.4}"),
        format!(
            "{:<22} {:>4} {:>22} {:>22} {:>22} {:>8}",
            "arm", "seed", "R_ind", "R_chain", "R_obs", "clients"
        ),
    ]
}

fn row(name: &str, seed: &str, shares: &Shares, bands: Option<&Outcome>) -> String {
    let band = |estimate: Option<&Estimate>| match estimate.map(|estimate| (estimate.low, estimate.high)) {
        Some((Some(low), Some(high))) => format!("({low:.4}-{high:.4})"),
        _ => String::new(),
    };
    let prediction = bands.map(|outcome| &outcome.prediction);
    format!(
        "{name:<22} {seed:>4} {:>6.4} {:<15} {:>6.4} {:<15} {:>6.4} {:<15} {:>8.4}",
        shares.independent,
        band(prediction.map(|of| &of.independent)),
        shares.chain,
        band(prediction.map(|of| &of.chain.estimate)),
        shares.observed,
        band(prediction.map(|of| &of.observed)),
        shares.clients,
    )
}

/// What one trial must show.
fn broken(setting: &Setting, outcome: &Outcome) -> Vec<String> {
    let prediction = &outcome.prediction;
    let (independent, chain, observed) =
        (&prediction.independent, &prediction.chain.estimate, &prediction.observed);
    let agree = |predicted: &Estimate| predicted.distance(observed).map(|distance| distance <= FIVE_LOOKS);
    let shares = Shares::of(outcome);
    let claims = match setting.arm {
        Arm::BreakersForcedClosed => vec![
            (agree(independent) == Some(true), "R_obs is outside the band of R_ind"),
            (agree(chain) == Some(true), "R_obs is outside the band of R_chain"),
        ],
        Arm::BreakersOn => vec![
            (
                observed.high.zip(independent.low).is_some_and(|(high, low)| high >= low - TOLERANCE),
                "R_obs is below R_ind by more than chance and 0.24 points",
            ),
            // The same without chance: what is known of the lots instead of what is estimated.
            (
                shares.clients >= f64::from(outcome.answerable) / f64::from(outcome.asked) - TOLERANCE,
                "clients saw more than 0.24 points less than three independent providers gave",
            ),
        ],
        Arm::CommonCause => vec![
            (agree(independent) == Some(false), "R_ind does not show the common cause"),
            (agree(chain) == Some(true), "R_obs is outside the band of R_chain"),
        ],
    };
    // Old requests count less for the gateway, so in months the two are not quite the same.
    let as_seen = (shares.observed - shares.clients).abs() < TOLERANCE;
    let claims = claims.into_iter().chain([(as_seen, "what the gateway observed is not what clients saw")]);
    claims.filter(|(holds, _)| !holds).map(|(_, otherwise)| otherwise.to_owned()).collect()
}

/// What all seeds together must show.
fn broken_by_all(setting: &Setting, mean: &Shares) -> Option<&'static str> {
    let difference = mean.observed - mean.independent;
    match setting.arm {
        Arm::BreakersForcedClosed if difference.abs() > TOLERANCE => {
            Some("R_obs is more than 0.24 points from R_ind")
        }
        Arm::BreakersOn if difference < -TOLERANCE => Some("R_obs is more than 0.24 points below R_ind"),
        _ => None,
    }
}
