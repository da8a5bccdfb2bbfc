//! Storms: every target fails at once for a minute, under steady traffic. What counts is what the gateway itself sends
//! into the outage, and how soon all is well after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::target::TargetId;

use crate::dice::{Dice, seconds};
use crate::engine::alias;
use crate::log::Event;
use crate::order::Order;
use crate::phases::{Change, Phase, Phases};
use crate::provider::{Conduct, Fault, Prefill, Profile};
use crate::record::Record;
use crate::world::{Happening, World};

const BEGINS: Duration = Duration::from_mins(1);
const ENDS: Duration = Duration::from_mins(2);
/// Time to notice.
const NOTICED: Duration = Duration::from_secs(5);
/// Time to be well again.
const WELL_AFTER: Duration = Duration::from_secs(20);
const OVER: Duration = Duration::from_secs(220);

/// What a storm was like.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    /// Upstream calls for each request of the storm.
    pub calls_per_request: f64,
    /// Upstream calls a second before the storm.
    pub rate_before: f64,
    /// The same, in the storm from the fifth second on.
    pub rate_within: f64,
    /// When the last client that failed had asked, after the storm's end; zero if all went well.
    pub last_failure_after: Duration,
    /// Clients that failed although they asked when all should be well again.
    pub failures_when_well: usize,
}

/// A storm of this fault over so many requests a second, and the record it left.
pub fn rage(fault: Fault, per_second: f64, seed: u64) -> (Damage, Record) {
    let record = world(fault, per_second, seed).run();
    (Damage::of(&record), record)
}

fn world(fault: Fault, per_second: f64, seed: u64) -> World {
    let names = ["ash", "birch", "cedar", "doum"];
    let profile = |name| Profile {
        name,
        first_token_s: 0.5,
        sigma: 0.4,
        slowest_s: 4.0,
        tokens_per_s: 80.0,
        knee: 300.0,
        prefill: Prefill::Continues,
        separator: " ",
        limits_credential: false,
        tells_usage: false,
        usual: Conduct::PERFECT,
    };
    let targets: Vec<TargetId> = names.iter().map(|name| TargetId::new(*name, "large")).collect();
    let phase = |provider| Phase { provider, from: BEGINS, until: ENDS, change: Change::Fault(1.0, fault) };
    let name: Arc<str> = Arc::from("all");
    let dice = &mut Dice::for_party(seed, 3);
    let mut agenda = vec![(ENDS, Happening::Heal)];
    let mut at = Duration::ZERO;
    for id in 1.. {
        at += dice.arrival(per_second);
        if at >= OVER {
            break;
        }
        let order = Order { numbers: 3, tokens: 40.0, ..Order::new(id, &name) };
        agenda.push((at, Happening::Ask(order)));
    }
    agenda.push((OVER, Happening::Inspect));
    agenda.sort_by_key(|(at, _)| *at);
    World {
        seed,
        profiles: names.into_iter().map(profile).collect(),
        aliases: BTreeMap::from([(Arc::clone(&name), alias(&name, &targets))]),
        script: Phases { phases: (0..names.len()).map(phase).collect(), heal_at: Some(ENDS) },
        agenda,
    }
}

impl Damage {
    fn of(record: &Record) -> Self {
        let count = |from: Duration, until: Duration, wanted: fn(&Event) -> bool| {
            let within = record.entries.iter().filter(|entry| (from..until).contains(&entry.at));
            let count = within.filter(|entry| wanted(&entry.event)).count();
            u32::try_from(count).map_or(f64::INFINITY, f64::from)
        };
        let is_call = |event: &Event| matches!(event, Event::CallBegan { .. });
        let is_request = |event: &Event| matches!(event, Event::Asked(_));
        let rate =
            |from: Duration, until: Duration| count(from, until, is_call) / (until - from).as_secs_f64();
        let orders = record.orders();
        let failures: Vec<Duration> = record
            .entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Heard(id, heard) if !heard.claims_success() => orders.get(id).map(|(asked, _)| *asked),
                _ => None,
            })
            .collect();
        Self {
            calls_per_request: count(BEGINS, ENDS, is_call) / count(BEGINS, ENDS, is_request).max(1.0),
            rate_before: rate(seconds(20.0), BEGINS),
            rate_within: rate(BEGINS + NOTICED, ENDS),
            last_failure_after: failures
                .iter()
                .max()
                .map(|last| last.saturating_sub(ENDS))
                .unwrap_or_default(),
            failures_when_well: failures.iter().filter(|asked| **asked >= ENDS + WELL_AFTER).count(),
        }
    }

    /// Every bar that it misses.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.calls_per_request > 2.0 {
            broken.push(format!("{:.2} calls a request, the bar is 2.00", self.calls_per_request));
        }
        let share = 100.0 * self.rate_within / self.rate_before.max(f64::MIN_POSITIVE);
        if share > 5.0 {
            broken.push(format!("{share:.1} % of the healthy rate goes on, the bar is 5.0 %"));
        }
        if self.failures_when_well > 0 {
            broken.push(format!("{} clients fail when all should be well", self.failures_when_well));
        }
        broken
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { calls_per_request, rate_before, rate_within, last_failure_after, .. } = self;
        write!(
            f,
            "{calls_per_request:.2} calls a request, {rate_within:.2} calls a second of {rate_before:.1}, \
             last failure {:.1} s after the end",
            last_failure_after.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_can_be_missed() {
        let good = Damage {
            calls_per_request: 1.0,
            rate_before: 20.0,
            rate_within: 0.9,
            last_failure_after: Duration::from_secs(15),
            failures_when_well: 0,
        };
        assert_eq!(good.broken(), Vec::<String>::new());
        assert!(!Damage { calls_per_request: 2.1, ..good }.broken().is_empty());
        assert!(!Damage { rate_within: 1.1, ..good }.broken().is_empty());
        assert!(!Damage { failures_when_well: 1, ..good }.broken().is_empty());
    }
}
