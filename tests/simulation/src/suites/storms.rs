//! Storms of different faults.

use super::{Findings, threads};
use crate::checks;
use crate::provider::Fault;
use crate::storm::rage;

const STORMS: [(&str, Fault); 3] = [
    ("503", Fault::Error { status: 503, code: "overloaded", retry_after: None }),
    ("500", Fault::Error { status: 500, code: "server_error", retry_after: None }),
    ("refused", Fault::Refuse),
];

/// Each storm over these seeds.
pub fn storms(seeds: u64) -> Findings {
    let runs = STORMS.into_iter().flat_map(|storm| (0..seeds).map(move |seed| (storm, seed))).collect();
    let mut findings = Findings::default();
    for ((name, seed), (damage, violations)) in threads::each(runs, |((name, fault), seed)| {
        let (damage, record) = rage(fault, seed);
        ((name, seed), (damage, checks::all(&record)))
    }) {
        findings.lines.push(format!("storm of {name}, seed {seed}: {damage}"));
        let missed = damage.broken().into_iter().chain(violations.iter().take(5).map(ToString::to_string));
        findings.broken.extend(missed.map(|what| format!("storm of {name}, seed {seed}: {what}")));
    }
    findings
}
