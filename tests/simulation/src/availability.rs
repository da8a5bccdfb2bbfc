//! The trial of the availability formulas: three providers that lose known shares of requests, the real core between
//! them and the clients, and the question whether what is predicted is what clients see.
//!
//! A provider loses a *request*: every call that this request makes to it fails, however often it is repeated. So the
//! share that a request can expect of a provider is known exactly, which it would not be if a retry threw the dice again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seawall_core::availability::{Availability, Prediction};
use seawall_core::breaker::BreakerSettings;
use seawall_core::note::Note;
use seawall_core::ports::Observer;
use seawall_core::request::RequestId;
use seawall_core::settings::Alias;
use seawall_core::target::TargetId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::visit;
use crate::dice::Dice;
use crate::engine::{Gateway, alias};
use crate::heard::Heard;
use crate::log::Log;
use crate::order::Order;
use crate::provider::{Conduct, Fault, Prefill, Profile, Script};
use crate::upstream::{Network, Providers};
use crate::world::in_virtual_time;

/// What each provider gives to requests that nothing else befalls, in the alias' order.
pub const RELIABILITY: [f64; 3] = [0.7, 0.8, 0.6];
/// Requests of a trial. So many tell a loss of 2.4 % from one that is a tenth larger or smaller.
pub const REQUESTS: u64 = 16_000;
/// Requests lost by all providers together, where there is a common cause.
pub const COMMON_CAUSE: f64 = 0.05;

/// What is different from trial to trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Every target is called in its turn, whatever it did before: the formula's own world.
    BreakersForcedClosed,
    /// The product as it is.
    BreakersOn,
    /// Breakers forced closed, and something that all providers share.
    CommonCause,
}

/// One trial's setting.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Which arm.
    pub arm: Arm,
    /// Makes it again.
    pub seed: u64,
    /// Requests a second to the alias.
    pub per_second: f64,
}

/// What a trial came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Predicted and observed, as the gateway says.
    pub prediction: Prediction,
    /// Clients that got a whole answer.
    pub answered: u32,
    /// Clients that could have got one, because not every provider lost their request.
    pub answerable: u32,
    /// Clients that asked.
    pub asked: u32,
}

/// Who loses which request: a function of the seed, so that neither retries nor breakers move anybody's dice.
#[derive(Clone, Copy, Debug)]
struct Lots {
    seed: u64,
    common: f64,
}

impl Lots {
    fn lot(&self, party: u64, request: RequestId) -> f64 {
        Dice::for_party(self.seed, (request.0 << 3) | party).unit()
    }
}

impl Script for Lots {
    fn conduct(&self, _provider: usize, usual: &Conduct, _at: Duration) -> Conduct {
        usual.clone()
    }

    fn fault_for(&self, provider: usize, request: RequestId) -> Option<Fault> {
        const EVERYBODY: u64 = 7;
        let kept = RELIABILITY.get(provider).copied().unwrap_or(1.0);
        let own = self.lot(provider as u64, request) >= kept;
        let lost = own || self.lot(EVERYBODY, request) < self.common;
        lost.then_some(Fault::Error { status: 500, code: "server_error", retry_after: None })
    }
}

/// Passes on what happened, with the time.
#[derive(Debug)]
struct Listener(Availability);

impl Observer for Listener {
    fn note(&self, note: Note) {
        self.0.note(&note, Instant::now());
    }
}

impl Trial {
    /// Runs it; `None` if there is no virtual time to be had.
    pub fn run(self) -> Option<Outcome> {
        in_virtual_time(self.play())?
    }

    async fn play(self) -> Option<Outcome> {
        let begin = Instant::now();
        let profiles: Vec<Profile> = ["ash", "birch", "cedar"].into_iter().map(profile).collect();
        let common = if self.arm == Arm::CommonCause { COMMON_CAUSE } else { 0.0 };
        let lots = Lots { seed: self.seed, common };
        let providers =
            Arc::new(Providers::open(Log::clock_only(), profiles.clone(), Box::new(lots), self.seed));
        let listener = Arc::new(Listener(Availability::new()));
        let network = Arc::new(Network(Arc::clone(&providers)));
        let gateway = Arc::new(Gateway::new(&profiles, network, listener.clone(), self.seed));
        let targets: Vec<TargetId> =
            profiles.iter().map(|profile| TargetId::new(profile.name, "m")).collect();
        gateway.targets().configure(&targets, &BreakerSettings::default());
        if self.arm != Arm::BreakersOn {
            for target in &targets {
                gateway.targets().force_closed(target, "trial", Duration::from_hours(24));
            }
        }
        let all = alias("all", &targets);
        listener.0.configure([&all], begin);
        // Standbys that are called only after failures say nothing about themselves: somebody has to ask them first.
        let canaries: Vec<Arc<Alias>> =
            targets.iter().skip(1).map(|target| alias("canary", std::slice::from_ref(target))).collect();
        let (answered, mut answerable) = (Arc::new(AtomicU32::new(0)), 0);
        let dice = &mut Dice::for_party(self.seed, 2);
        let mut clients = JoinSet::new();
        let mut at = Duration::ZERO;
        for number in 0..REQUESTS {
            let canary = canaries.iter().cycle().nth(usize::from(number % 2 == 1));
            for (of, kind) in [(Some(&all), 0), (canary, 1)] {
                at += dice.arrival(2.0 * self.per_second);
                sleep_until(begin + at).await;
                while clients.try_join_next().is_some() {}
                let Some(alias) = of.cloned() else { continue };
                let order = Order { stream: false, numbers: 1, ..Order::new(2 * number + kind, &alias.name) };
                let (gateway, providers) = (Arc::clone(&gateway), Arc::clone(&providers));
                let counted = (kind == 0).then(|| Arc::clone(&answered));
                let may_be =
                    (0..RELIABILITY.len()).any(|provider| lots.fault_for(provider, order.id).is_none());
                answerable += u32::from(kind == 0 && may_be);
                clients.spawn(async move {
                    providers.expect(&order);
                    let seen = visit(gateway, alias, &order).await;
                    providers.forget(order.id);
                    if seen.heard.as_ref().is_some_and(Heard::claims_success)
                        && let Some(counted) = counted
                    {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        while clients.join_next().await.is_some() {}
        let report = listener.0.report(Instant::now());
        Some(Outcome {
            prediction: report.aliases.first()?.availability.month,
            answered: answered.load(Ordering::Relaxed),
            answerable,
            asked: u32::try_from(REQUESTS).unwrap_or(u32::MAX),
        })
    }
}

/// All alike and never late, so that nothing but the lots decides.
fn profile(name: &'static str) -> Profile {
    Profile {
        name,
        first_token_s: 0.3,
        sigma: 0.0,
        slowest_s: 1.0,
        tokens_per_s: 200.0,
        knee: f64::INFINITY,
        prefill: Prefill::Undeclared,
        separator: " ",
        limits_credential: false,
        tells_usage: false,
        usual: Conduct::PERFECT,
    }
}
