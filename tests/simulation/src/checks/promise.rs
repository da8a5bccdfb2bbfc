//! A healthy target with budget left means success. Healthy is a target whose provider never fails by itself and is not
//! disturbed by the script while the request runs, whose breaker was closed well before and stays so, and which no gate
//! kept from this request; budget left is some time before the deadline, or a healthy target that had no call at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use seawall_core::note::{Circuit, Gate, Note};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;

use crate::heard::Heard;
use crate::log::Event;
use crate::record::{Record, Violation};

const NAME: &str = "promise";
/// A whole answer much longer than its target's usual ones may be taken for silence; nothing comes that would tell.
const USUAL_TOKENS: f64 = 150.0;
/// A request with fewer candidates may make this many attempts.
const LEAST: usize = 4;
/// After closing, traffic ramps up for this long.
const SETTLED: Duration = Duration::from_secs(11);
/// A healthy target needs this long at most.
const NEEDED: Duration = Duration::from_secs(8);
/// Who has at least this long has time for a healthy target that comes last, behind silent ones. Silence before a whole
/// answer is told late.
const AMPLE: Duration = Duration::from_secs(20);
const AMPLE_PLAIN: Duration = Duration::from_secs(60);

/// When each target was not fit to be called, as far as the core said so.
#[derive(Default)]
struct Unfit(BTreeMap<TargetId, Vec<(Duration, Duration)>>);

impl Unfit {
    fn of(record: &Record) -> Self {
        let mut unfit = Self::default();
        for entry in &record.entries {
            let (target, until) = match &entry.event {
                Event::Core(Note::CircuitChanged { target, to: Circuit::Closed, .. }) => {
                    // What it was before ends now; then it settles.
                    if let Some((_, until)) = unfit.0.get_mut(target).and_then(|times| times.last_mut()) {
                        *until = entry.at + SETTLED;
                    }
                    continue;
                }
                Event::Core(Note::CircuitChanged { target, to: Circuit::ForcedClosed, .. }) => {
                    (target, entry.at)
                }
                Event::Core(Note::CircuitChanged { target, .. }) => (target, Duration::MAX),
                _ => continue,
            };
            unfit.0.entry(target.clone()).or_default().push((entry.at, until));
        }
        unfit
    }

    fn between(&self, target: &TargetId, from: Duration, until: Duration) -> bool {
        let times = self.0.get(target).into_iter().flatten();
        times.into_iter().any(|(begin, end)| *begin <= until && from <= *end)
    }
}

/// See the module.
pub(super) fn check(record: &Record) -> Vec<Violation> {
    let unfit = Unfit::of(record);
    let orders = record.orders();
    let mut called: BTreeSet<(RequestId, &TargetId)> = BTreeSet::new();
    let mut attempts: BTreeMap<RequestId, usize> = BTreeMap::new();
    let mut gated: BTreeSet<(RequestId, &TargetId)> = BTreeSet::new();
    let mut found = Vec::new();
    for entry in &record.entries {
        match &entry.event {
            Event::Core(Note::Skipped { id, target, gate, .. })
                if !matches!(gate, Gate::Breaker | Gate::TooSlow) =>
            {
                gated.insert((*id, target));
            }
            Event::Core(Note::AttemptStarted { id, .. }) => *attempts.entry(*id).or_insert(0) += 1,
            Event::CallBegan { request, target, .. } => {
                called.insert((*request, target));
            }
            Event::Heard(id, heard) => {
                let Some((asked, order)) = orders.get(id) else { continue };
                let time = record.content_time_of(order);
                let ample = if order.stream { AMPLE } else { AMPLE_PLAIN };
                let in_time = entry.at + NEEDED <= *asked + time;
                let unusual = !order.stream && order.tokens > USUAL_TOKENS;
                if time < NEEDED || unusual || !failed(heard) {
                    continue;
                }
                let targets: &[TargetId] = record.aliases.get(&order.alias).map_or(&[], Vec::as_slice);
                let cap = targets.len().max(LEAST);
                let healthy = targets.iter().find(|target| {
                    let called = called.contains(&(*id, *target));
                    // Who was called to go on with a broken stream and did not fail said something else.
                    let may_say_so = if heard.refused.is_some() { in_time } else { in_time && !called };
                    let made = attempts.get(id).copied().unwrap_or(0);
                    // Behind more silent targets than that, no time is left for anybody.
                    (may_say_so || (time >= ample && !called && made < LEAST))
                        && made < cap
                        && !gated.contains(&(*id, *target))
                        && is_steady(record, target, *asked, entry.at)
                        && !unfit.between(target, *asked, entry.at)
                });
                if let Some(healthy) = healthy {
                    let what = format!("{id}: {healthy} was healthy, the client heard {heard:?}");
                    found.push(Violation::new(NAME, *asked, what));
                }
            }
            _ => {}
        }
    }
    found
}

fn failed(heard: &Heard) -> bool {
    !heard.claims_success()
}

fn is_steady(record: &Record, target: &TargetId, from: Duration, until: Duration) -> bool {
    record.providers.get(&target.provider).is_some_and(|provider| {
        let healed = record.script.heal_at.is_some_and(|heal| heal <= from);
        healed || (record.steady.contains(provider) && !record.script.disturbed(*provider, from, until))
    })
}

#[cfg(test)]
mod tests {
    use super::super::story::{began, circuit, heard, order, record};
    use super::*;
    use crate::phases::{Change, Phase};
    use crate::provider::Fault;

    fn story(before: Vec<(f64, Event)>) -> Record {
        let told = vec![(20.0, Event::Asked(order(1))), (21.0, heard(1, Heard::refusal(503, "overloaded")))];
        Record { steady: vec![1], ..record([before, told].concat()) }
    }

    #[test]
    fn a_failure_beside_a_healthy_target_is_seen() {
        assert!(!check(&story(vec![])).is_empty());
    }

    #[test]
    fn a_healthy_target_that_was_never_called_is_seen() {
        let late = |called: Vec<(f64, Event)>| {
            let asked = vec![(20.0, Event::Asked(order(1)))];
            let told = vec![(39.0, heard(1, Heard::refusal(504, "timeout_first_token")))];
            Record { steady: vec![1], ..record([asked, called, told].concat()) }
        };
        assert!(!check(&late(vec![])).is_empty());
        assert_eq!(check(&late(vec![(35.0, began(1, 1, "birch"))])), []);
    }

    #[test]
    fn a_target_that_is_open_ramps_up_or_is_disturbed_excuses() {
        let open = (1.0, circuit("birch", Circuit::Closed, Circuit::Open, &[]));
        let closed = |at| (at, circuit("birch", Circuit::HalfOpen, Circuit::Closed, &[]));
        assert_eq!(check(&story(vec![open.clone()])), []);
        assert_eq!(check(&story(vec![open.clone(), closed(15.0)])), []);
        assert!(!check(&story(vec![open, closed(2.0)])).is_empty());
        let mut disturbed = story(vec![]);
        disturbed.script.phases.push(Phase {
            provider: 1,
            from: Duration::from_secs(5),
            until: Duration::from_secs(25),
            change: Change::Fault(1.0, Fault::Hang),
        });
        assert_eq!(check(&disturbed), []);
    }
}
