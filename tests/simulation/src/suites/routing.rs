//! The routing table.

use super::{Findings, threads};
use crate::routing::{Bars, Figures, Row, Scenario, broken, header, measure};

/// Arrivals of the notes' simulator.
const PER_SECOND: f64 = 20.0;

/// The table over this many seeds.
pub fn routing(seeds: u64, bars: Bars) -> Findings {
    let runs =
        Scenario::ALL.into_iter().flat_map(|scenario| (0..seeds).map(move |seed| (scenario, seed))).collect();
    let figures = threads::each(runs, |(scenario, seed)| {
        (scenario, Figures::of(scenario, &measure(scenario, seed, PER_SECOND)))
    });
    let mut findings = Findings { lines: vec![header()], broken: Vec::new() };
    for scenario in Scenario::ALL {
        let of: Vec<Figures> =
            figures.iter().filter(|(of, _)| *of == scenario).map(|(_, figures)| *figures).collect();
        let row = Row::of(scenario, &of);
        findings.lines.push(row.to_string());
        findings.broken.extend(broken(&row));
    }
    if bars == Bars::Shown {
        let shown = std::mem::take(&mut findings.broken);
        findings.lines.extend(shown.into_iter().map(|what| format!("not yet: {what}")));
    }
    findings
}

/// What happened to the clients that failed with this seed.
pub fn trace(seed: u64) -> Findings {
    let traced = threads::each(Scenario::ALL.to_vec(), |scenario| {
        (scenario, crate::routing::trace(scenario, seed, PER_SECOND).failures)
    });
    let mut lines = Vec::new();
    for (scenario, failures) in traced {
        lines.push(format!("{}:", scenario.name()));
        lines.extend(failures.iter().map(ToString::to_string));
    }
    Findings { lines, broken: Vec::new() }
}
