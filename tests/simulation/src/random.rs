//! A random world from one seed: providers, faults, clients, an operator who sometimes interferes. Ten minutes of it,
//! then everything heals and traffic goes on to every target for as long as recovery may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::request::Protocol;
use seawall_core::target::TargetId;

use crate::dice::{Dice, seconds};
use crate::engine::alias;
use crate::log::Admin;
use crate::order::Order;
use crate::phases::{Change, Phase, Phases};
use crate::provider::{Conduct, Fault, Prefill, Profile};
use crate::world::{Happening, World};

/// Faults end here.
pub const HEAL_AT: Duration = Duration::from_mins(10);
/// Every breaker that sees traffic has closed by now.
pub const RECOVERY: Duration = Duration::from_secs(90);
/// The cascade that most clients ask for.
const MAIN: &str = "all";

const NAMES: [&str; 5] = ["ash", "birch", "cedar", "doum", "elm"];

const ERRORS: [Fault; 9] = [
    Fault::Error { status: 503, code: "overloaded", retry_after: None },
    Fault::Error { status: 529, code: "overloaded", retry_after: Some(3) },
    Fault::Error { status: 503, code: "overloaded", retry_after: Some(20) },
    Fault::Error { status: 500, code: "server_error", retry_after: None },
    Fault::Error { status: 502, code: "server_error", retry_after: None },
    Fault::Error { status: 429, code: "rate_limited", retry_after: Some(2) },
    Fault::Error { status: 429, code: "rate_limited", retry_after: None },
    Fault::Error { status: 429, code: "insufficient_quota", retry_after: Some(30) },
    Fault::Error { status: 408, code: "odd", retry_after: None },
];

const SILENCES: [Fault; 5] =
    [Fault::Hang, Fault::ConnectTimeout, Fault::SilentStart, Fault::Drip, Fault::Stall];

const BREAKS: [Fault; 10] = [
    Fault::Refuse,
    Fault::Reset,
    Fault::EarlyError,
    Fault::EarlyCut,
    Fault::Empty,
    Fault::Cut,
    Fault::Short,
    Fault::LateError,
    Fault::NoTerminator,
    Fault::Garbage,
];

/// The world of this seed.
pub fn world(seed: u64) -> World {
    let dice = &mut Dice::for_party(seed, 1);
    let count = 2 + dice.below(4);
    // Most worlds have one provider that never fails; its place in the order is anybody's.
    let steady = dice.chance(0.7).then(|| dice.below(count));
    let profiles: Vec<Profile> = NAMES
        .iter()
        .take(count)
        .enumerate()
        .map(|(index, name)| profile(dice, name, steady == Some(index)))
        .collect();
    let aliases = aliases(dice, &profiles);
    let phases = phases(dice, count, steady);
    let mut agenda = asks(dice, &aliases);
    agenda.extend(acts(dice, &profiles, steady));
    agenda.push((HEAL_AT, Happening::Heal));
    agenda.push((HEAL_AT + RECOVERY, Happening::Inspect));
    agenda.sort_by_key(|(at, _)| *at);
    World { seed, profiles, aliases, script: Phases { phases, heal_at: Some(HEAL_AT) }, agenda }
}

fn profile(dice: &mut Dice, name: &'static str, steady: bool) -> Profile {
    let usual = if steady {
        Conduct::PERFECT
    } else {
        let rate_limit = if dice.chance(0.5) { f64::INFINITY } else { dice.between(2.0, 30.0) };
        Conduct {
            error: 0.003,
            hang: 0.001,
            tail_share: 0.01,
            tail_factor: 5.0,
            rate_limit,
            rate_hint: dice.chance(0.5),
            ..Conduct::PERFECT
        }
    };
    let first_token_s = dice.between(0.1, if steady { 0.6 } else { 1.2 });
    Profile {
        name,
        first_token_s,
        sigma: dice.between(0.3, 0.5),
        slowest_s: if steady { 2.5 } else { f64::INFINITY },
        tokens_per_s: dice.between(40.0, 200.0),
        knee: 100.0,
        prefill: *dice
            .pick(&[Prefill::Continues, Prefill::Refuses, Prefill::Undeclared])
            .unwrap_or(&Prefill::Refuses),
        separator: if dice.chance(0.8) { " " } else { ", " },
        limits_credential: dice.chance(0.5),
        tells_usage: dice.chance(0.5),
        usual,
    }
}

/// One cascade over all targets in any order, and each target by itself.
fn aliases(dice: &mut Dice, profiles: &[Profile]) -> BTreeMap<Arc<str>, Arc<seawall_core::settings::Alias>> {
    let mut targets = Vec::new();
    for profile in profiles {
        targets.push(TargetId::new(profile.name, "large"));
        if dice.chance(0.3) {
            targets.push(TargetId::new(profile.name, "small"));
        }
    }
    dice.shuffle(&mut targets);
    let mut aliases = BTreeMap::from([(Arc::from(MAIN), alias(MAIN, &targets))]);
    for target in targets {
        let name = target.to_string();
        aliases.insert(Arc::from(name.as_str()), alias(&name, std::slice::from_ref(&target)));
    }
    aliases
}

fn phases(dice: &mut Dice, providers: usize, steady: Option<usize>) -> Vec<Phase> {
    let mut phases = Vec::new();
    for _ in 0..4 + dice.below(9) {
        let from = seconds(dice.between(0.0, 570.0));
        let until = (from + seconds(dice.between(5.0, 150.0))).min(HEAL_AT);
        let change = change(dice);
        // A shared cause takes all that can fail at once.
        let shared = dice.chance(0.2);
        let one = dice.below(providers);
        let hit = (0..providers).filter(|index| Some(*index) != steady && (shared || *index == one));
        phases.extend(hit.map(|provider| Phase { provider, from, until, change: change.clone() }));
    }
    phases
}

fn change(dice: &mut Dice) -> Change {
    let share = *dice.pick(&[0.1, 0.3, 0.6, 1.0]).unwrap_or(&1.0);
    let fault = |dice: &mut Dice, of: &[Fault]| dice.pick(of).copied().unwrap_or(Fault::Hang);
    match dice.below(10) {
        0..=2 => Change::Fault(share, fault(dice, &ERRORS)),
        3..=4 => Change::Fault(share, fault(dice, &SILENCES)),
        5..=6 => Change::Fault(share, fault(dice, &BREAKS)),
        7 => Change::Slower(dice.between(3.0, 20.0)),
        8 => Change::Tail(share, 10.0),
        _ => Change::RateLimit(dice.between(0.2, 2.0), dice.chance(0.5)),
    }
}

/// Clients: an even stream with bursts; after the healing each target is also asked for by itself, so that each has
/// traffic.
fn asks(
    dice: &mut Dice,
    aliases: &BTreeMap<Arc<str>, Arc<seawall_core::settings::Alias>>,
) -> Vec<(Duration, Happening)> {
    const DIRECT_SHARE: f64 = 0.15;
    const DIRECT_AFTER_HEAL_PER_S: f64 = 1.0;
    let per_second = dice.between(0.3, 2.5);
    let burst_at = seconds(dice.between(0.0, 560.0));
    let end = HEAL_AT + RECOVERY + Duration::from_secs(15);
    let main: Arc<str> = Arc::from(MAIN);
    let direct: Vec<Arc<str>> = aliases.keys().filter(|name| **name != main).cloned().collect();
    let mut asks = Vec::new();
    let mut id = 0;
    let mut at = Duration::ZERO;
    while at < end {
        let in_burst = at >= burst_at && at < burst_at + Duration::from_secs(10);
        at += dice.arrival(if in_burst { per_second * 8.0 } else { per_second });
        let name = if dice.chance(DIRECT_SHARE) { dice.pick(&direct).unwrap_or(&main) } else { &main };
        id += 1;
        asks.push((at, Happening::Ask(order(dice, id, name))));
    }
    for name in &direct {
        let mut at = HEAL_AT;
        while at < end {
            at += dice.arrival(DIRECT_AFTER_HEAL_PER_S);
            id += 1;
            let stream = dice.chance(0.8);
            let numbers = 3 + u32::try_from(dice.below(5)).unwrap_or(0);
            asks.push((at, Happening::Ask(Order { stream, numbers, tokens: 20.0, ..Order::new(id, name) })));
        }
    }
    asks
}

fn order(dice: &mut Dice, id: u64, alias: &Arc<str>) -> Order {
    let numbers = 2 + u32::try_from(dice.below(30)).unwrap_or(0);
    let sometimes = |dice: &mut Dice, share: f64, low: f64, high: f64| {
        dice.chance(share).then(|| seconds(dice.between(low, high)))
    };
    Order {
        protocol: if dice.chance(0.75) { Protocol::Chat } else { Protocol::Messages },
        stream: dice.chance(0.75),
        numbers,
        tokens: f64::from(numbers) * dice.between(1.0, 20.0),
        prompt_tokens: if dice.chance(0.1) { 8_192 } else { 0 },
        deadline: sometimes(dice, 0.1, 0.5, 30.0),
        leaves_after: sometimes(dice, 0.08, 0.0, 15.0),
        reads_every: sometimes(dice, 0.05, 0.1, 1.5).unwrap_or_default(),
        ..Order::new(id, alias)
    }
}

/// In one world of four somebody turns the knobs.
fn acts(dice: &mut Dice, profiles: &[Profile], steady: Option<usize>) -> Vec<(Duration, Happening)> {
    if !dice.chance(0.25) {
        return Vec::new();
    }
    let mut acts = Vec::new();
    for _ in 0..1 + dice.below(6) {
        let index = dice.below(profiles.len());
        // Who holds the one healthy target open has the failures he asked for.
        let Some(profile) = profiles.get(index).filter(|_| Some(index) != steady) else { continue };
        let target = TargetId::new(profile.name, "large");
        let ttl = 5 + dice.bits() % 60;
        let admin = match dice.below(6) {
            0 => Admin::ForceOpen(target, ttl),
            1 => Admin::ForceClosed(target, ttl),
            2 => Admin::Release(target),
            3 => Admin::Reset(target),
            4 => Admin::Configure,
            _ => Admin::Replace(Arc::clone(&target.provider)),
        };
        acts.push((seconds(dice.between(0.0, 520.0)), Happening::Act(admin)));
    }
    acts
}
