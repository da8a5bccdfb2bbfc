//! Storms of different faults over different traffic.

use super::{Findings, threads};
use crate::checks;
use crate::provider::Fault;
use crate::storm::rage;

const OVERLOADED: Fault = Fault::Error { status: 503, code: "overloaded", retry_after: None };

/// Name, fault, requests a second. Below about ten, the four probes within each open time are more than a twentieth of the
/// traffic by themselves.
const STORMS: [(&str, Fault, f64); 5] = [
    ("503", OVERLOADED, 40.0),
    ("503, much traffic", OVERLOADED, 200.0),
    ("503, little traffic", OVERLOADED, 10.0),
    ("500", Fault::Error { status: 500, code: "server_error", retry_after: None }, 40.0),
    ("refused", Fault::Refuse, 40.0),
];

/// Each storm over these seeds.
pub fn storms(seeds: u64) -> Findings {
    let runs = STORMS.into_iter().flat_map(|storm| (0..seeds).map(move |seed| (storm, seed))).collect();
    let mut findings = Findings::default();
    for ((name, seed), (damage, violations)) in threads::each(runs, |((name, fault, per_second), seed)| {
        let (damage, record) = rage(fault, per_second, seed);
        ((name, seed), (damage, checks::all(&record)))
    }) {
        findings.lines.push(format!("storm of {name}, seed {seed}: {damage}"));
        let missed = damage.broken().into_iter().chain(violations.iter().take(5).map(ToString::to_string));
        findings.broken.extend(missed.map(|what| format!("storm of {name}, seed {seed}: {what}")));
    }
    findings
}
