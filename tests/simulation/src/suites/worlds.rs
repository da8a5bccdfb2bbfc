//! Random worlds against every rule.

use std::ops::Range;

use seawall_core::note::{Circuit, Gate, Note, Outcome};

use super::{Findings, threads};
use crate::checks;
use crate::log::Event;
use crate::random;
use crate::record::{Record, Violation};

/// At least one world in this many is run twice, to see that its history is the same.
const REPEATED: u64 = 10;
/// Broken rules told of one seed.
const TOLD: usize = 5;

/// How often what the rules are about has happened; a rule about something that never happens shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    requests: u64,
    calls: u64,
    trips: u64,
    probes: u64,
    last_resorts: u64,
    gates: u64,
    stale_votes: u64,
    failed: u64,
    interrupted: u64,
    spliced: u64,
    cancelled: u64,
}

/// Runs the worlds of these seeds.
pub fn worlds(seeds: Range<u64>) -> Findings {
    let results = threads::each(seeds.collect(), one);
    let mut findings = Findings::default();
    let mut counts = Counts::default();
    for (seed, counted, broken) in &results {
        counts.add(counted);
        findings.broken.extend(broken.iter().map(|what| format!("seed {seed}: {what}")));
    }
    findings.lines.push(format!("{} worlds of ten minutes: {counts:?}", results.len()));
    let many = results.len() >= 100;
    findings.broken.extend(counts.missing().filter(|_| many).map(|what| format!("no world had {what}")));
    findings
}

fn one(seed: u64) -> (u64, Counts, Vec<String>) {
    let record = random::world(seed).run();
    let mut broken: Vec<String> = checks::all(&record).iter().take(TOLD).map(Violation::to_string).collect();
    if seed.is_multiple_of(REPEATED) {
        let again = random::world(seed).run().hash();
        if again != record.hash() {
            broken.push(format!("two histories: {:016x} and {again:016x}", record.hash()));
        }
    }
    (seed, Counts::of(&record), broken)
}

/// Runs one world and shows it.
pub fn trace(seed: u64, every_event: bool) -> Findings {
    let record = random::world(seed).run();
    let mut lines = Vec::new();
    if every_event {
        lines.extend(record.entries.iter().map(ToString::to_string));
        lines.extend(record.at_end.iter().map(|status| format!("at the end: {status:?}")));
    }
    lines.push(format!(
        "seed {seed}: {} events, hash {:016x}, {:?}",
        record.entries.len(),
        record.hash(),
        Counts::of(&record)
    ));
    Findings { lines, broken: checks::all(&record).iter().map(Violation::to_string).collect() }
}

impl Counts {
    fn of(record: &Record) -> Self {
        let mut counts = Self::default();
        let mut open = std::collections::BTreeSet::new();
        for entry in &record.entries {
            match &entry.event {
                Event::Asked(_) => counts.requests += 1,
                Event::CallBegan { .. } => counts.calls += 1,
                Event::Heard(_, heard) => counts.spliced += u64::from(heard.spliced),
                Event::Core(Note::CircuitChanged { target, to, .. }) => {
                    counts.trips += u64::from(*to == Circuit::Open);
                    if *to == Circuit::Open {
                        open.insert(target)
                    } else {
                        open.remove(target)
                    };
                }
                Event::Core(Note::AttemptStarted { probe, target, .. }) => {
                    counts.probes += u64::from(*probe);
                    counts.last_resorts += u64::from(open.contains(target));
                }
                Event::Core(Note::GateClosed { gate, .. }) => {
                    counts.gates += u64::from(*gate != Gate::Breaker)
                }
                Event::Core(Note::RequestEnded(record)) => match record.outcome {
                    Outcome::Failed => counts.failed += 1,
                    Outcome::Interrupted => counts.interrupted += 1,
                    Outcome::Cancelled => counts.cancelled += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        counts.stale_votes = record.at_end.iter().map(|status| status.stale_votes).sum();
        counts
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.trips += other.trips;
        self.probes += other.probes;
        self.last_resorts += other.last_resorts;
        self.gates += other.gates;
        self.stale_votes += other.stale_votes;
        self.failed += other.failed;
        self.interrupted += other.interrupted;
        self.spliced += other.spliced;
        self.cancelled += other.cancelled;
    }

    fn missing(&self) -> impl Iterator<Item = &'static str> + use<> {
        let all = [
            (self.trips, "a trip"),
            (self.probes, "a probe"),
            (self.last_resorts, "a last resort"),
            (self.gates, "a closed gate"),
            (self.stale_votes, "a stale vote"),
            (self.failed, "a failed request"),
            (self.interrupted, "an interrupted stream"),
            (self.cancelled, "a client that left"),
        ];
        all.into_iter().filter(|(count, _)| *count == 0).map(|(_, what)| what)
    }
}
