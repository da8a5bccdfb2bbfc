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
