//! One scenario with one seed, through the real core.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::breaker::BreakerSettings;
use seawall_core::note::{Circuit, Note};
use seawall_core::ports::Observer;
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::scenario::{Scenario, providers};
use crate::client::visit;
use crate::dice::Dice;
use crate::engine::{Gateway, alias};
use crate::heard::Heard;
use crate::log::{Entry, Event, Log};
use crate::order::Order;
use crate::upstream::{Calls, Network, Providers, lock};
use crate::world::in_virtual_time;

/// How long clients keep coming.
const LENGTH_S: f64 = 1200.0;
/// Estimated tokens of a long prompt: eight times as large as a small one.
const LONG_PROMPT: u32 = 28_672;

/// One client's visit.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it came, in seconds.
    pub at_s: f64,
    /// When its answer began, in seconds from the asking.
    pub first_s: Option<f64>,
    /// It got a whole answer.
    pub good: bool,
    /// Upstream calls made for it.
    pub calls: Calls,
    /// Who answered.
    pub by: Option<usize>,
}

/// A finished run.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Every visit.
    pub visits: Vec<Sample>,
    /// Breakers that opened.
    pub trips: u64,
    /// What happened to the clients that failed; empty unless asked for.
    pub failures: Vec<Entry>,
}

/// Counts what the table shows, and keeps the rest if somebody wants to see it.
#[derive(Debug)]
struct Watcher {
    trips: AtomicU64,
    log: Arc<Log>,
}

impl Observer for Watcher {
    fn note(&self, note: Note) {
        if let Note::CircuitChanged { to: Circuit::Open, .. } = note {
            self.trips.fetch_add(1, Ordering::Relaxed);
        }
        self.log.note(note);
    }
}

/// Runs a scenario at this many requests a second.
pub fn measure(scenario: Scenario, seed: u64, per_second: f64) -> Samples {
    in_virtual_time(async { play(scenario, seed, per_second, Log::clock_only()).await }).unwrap_or_default()
}

/// The same, and keeps every event of the clients that failed.
pub fn trace(scenario: Scenario, seed: u64, per_second: f64) -> Samples {
    let traced = in_virtual_time(async {
        let log = Log::begin();
        let samples = play(scenario, seed, per_second, Arc::clone(&log)).await;
        Samples { failures: failures(log.take()), ..samples }
    });
    traced.unwrap_or_default()
}

fn failures(entries: Vec<Entry>) -> Vec<Entry> {
    let failed = |entry: &Entry| match &entry.event {
        Event::Heard(id, heard) if !heard.claims_success() => Some(*id),
        _ => None,
    };
    let ids: BTreeSet<RequestId> = entries.iter().filter_map(failed).collect();
    let tells = |entry: &Entry| {
        let line = format!("{:?}", entry.event);
        ids.iter().any(|id| line.contains(&id.to_string()))
    };
    entries.into_iter().filter(tells).collect()
}

async fn play(scenario: Scenario, seed: u64, per_second: f64, log: Arc<Log>) -> Samples {
    let begin = Instant::now();
    let profiles = providers();
    let opened = Providers::open(Arc::clone(&log), profiles.clone(), Box::new(scenario), seed);
    let providers = Arc::new(opened);
    let watcher = Arc::new(Watcher { trips: AtomicU64::new(0), log: Arc::clone(&log) });
    let network = Arc::new(Network(Arc::clone(&providers)));
    let gateway = Arc::new(Gateway::new(&profiles, network, watcher.clone(), seed));
    let targets: Vec<TargetId> = profiles.iter().map(|profile| TargetId::new(profile.name, "m")).collect();
    gateway.targets().configure(&targets, &BreakerSettings::default());
    let alias = alias("chat", &targets);
    let visits = Arc::new(Mutex::new(Vec::new()));
    let dice = &mut Dice::for_party(seed, 2);
    let mut clients = JoinSet::new();
    let mut at = Duration::ZERO;
    for id in 1.. {
        at += dice.arrival(per_second);
        if at.as_secs_f64() >= LENGTH_S {
            break;
        }
        sleep_until(begin + at).await;
        while clients.try_join_next().is_some() {}
        let order = order(dice, id, &alias.name, scenario);
        providers.expect(&order);
        let (gateway, alias, providers) = (Arc::clone(&gateway), Arc::clone(&alias), Arc::clone(&providers));
        let (targets, visits, log) = (targets.clone(), Arc::clone(&visits), Arc::clone(&log));
        clients.spawn(async move {
            let seen = visit(gateway, alias, &order).await;
            let sample = Sample {
                at_s: at.as_secs_f64(),
                first_s: seen.first.map(|first| first.as_secs_f64()),
                good: seen.heard.as_ref().is_some_and(Heard::claims_success),
                calls: providers.forget(order.id),
                by: seen.by.and_then(|by| targets.iter().position(|target| *target == by)),
            };
            if let Some(heard) = seen.heard {
                log.write(Event::Heard(order.id, heard));
            }
            lock(&visits).push(sample);
        });
    }
    while clients.join_next().await.is_some() {}
    let visits = std::mem::take(&mut *lock(&visits));
    Samples { visits, trips: watcher.trips.load(Ordering::Relaxed), failures: Vec::new() }
}

/// A streamed order; its text is one number a second or so, which is what an event costs here and changes nothing for
/// first tokens.
fn order(dice: &mut Dice, id: u64, alias: &Arc<str>, scenario: Scenario) -> Order {
    const TOKENS_PER_NUMBER: f64 = 60.0;
    /// A longer answer would run into the request's deadline, which no routing can help.
    const LONGEST: f64 = 2_000.0;
    let tokens = dice.log_normal(300.0, 0.8).min(LONGEST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let numbers = (tokens / TOKENS_PER_NUMBER).ceil().clamp(1.0, 200.0) as u32;
    let prompt_tokens = if dice.chance(scenario.long_prompts()) { LONG_PROMPT } else { 0 };
    Order { numbers, tokens, prompt_tokens, reads_closely: false, ..Order::new(id, alias) }
}
