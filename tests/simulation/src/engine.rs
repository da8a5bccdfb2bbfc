//! The only place that knows how the core is put together and asked: when its signature changes, this file does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall_core::breaker::BreakerSettings;
use seawall_core::budget::Budget;
use seawall_core::cascade::{Engine, Limits, answer};
use seawall_core::fault::Chaos;
use seawall_core::ports::{Background, Call, Observer, PluginSet, PluginSource, Upstream};
use seawall_core::random::Random;
use seawall_core::reply::Reply;
use seawall_core::request::Request;
use seawall_core::settings::{Alias, AliasTarget};
use seawall_core::target::TargetId;
use seawall_core::targets::Targets;
use tokio::runtime::Handle;

use crate::adapter::CountingAdapter;
use crate::log::VirtualClock;
use crate::provider::Profile;

/// The core, put together for one simulation.
#[derive(Debug)]
pub struct Gateway {
    engine: Arc<Engine>,
    background: Arc<Yard>,
}

/// Runs the core's background work on the simulation's own thread, and knows how much of it is under way.
#[derive(Debug, Default)]
struct Yard(Arc<AtomicUsize>);

impl Background for Yard {
    fn run(&self, _name: &'static str, work: Call<'static, ()>) {
        struct UnderWay(Arc<AtomicUsize>);
        impl Drop for UnderWay {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.0));
        Handle::current().spawn(async move {
            let _until_then = under_way;
            work.await;
        });
    }
}

#[derive(Debug)]
struct Fixed(Arc<PluginSet>);

impl PluginSource for Fixed {
    fn current(&self) -> Arc<PluginSet> {
        Arc::clone(&self.0)
    }
}

impl Gateway {
    /// With the defaults of the design.
    pub fn new(
        profiles: &[Profile],
        upstream: Arc<dyn Upstream>,
        observer: Arc<dyn Observer>,
        seed: u64,
    ) -> Self {
        let clock = Arc::new(VirtualClock::begin());
        let random = Arc::new(Random::seeded(seed));
        let mut plugins = PluginSet::default();
        for profile in profiles {
            plugins.adapters.insert(Arc::from(profile.name), Arc::new(CountingAdapter::new(profile)));
        }
        let targets = Targets::new(
            clock.clone(),
            Arc::clone(&random),
            Arc::clone(&observer),
            BreakerSettings::default(),
        );
        let background = Arc::new(Yard::default());
        let engine = Engine {
            targets: Arc::new(targets),
            upstream,
            plugins: Arc::new(Fixed(Arc::new(plugins))),
            chaos: Arc::new(Chaos::new(clock.clone(), Arc::clone(&observer))),
            budget: Arc::new(Budget::new(clock.clone())),
            limits: Limits::default(),
            clock,
            random,
            observer,
            background: background.clone(),
        };
        Self { engine: Arc::new(engine), background }
    }

    /// Answers one request.
    pub async fn answer(self: &Arc<Self>, request: Request, alias: &Arc<Alias>) -> Reply {
        answer(&self.engine, Arc::new(request), Arc::clone(alias)).await
    }

    /// Health of every target.
    pub fn targets(&self) -> &Targets {
        &self.engine.targets
    }

    /// Work under way that nobody waits for.
    pub fn in_background(&self) -> usize {
        self.background.0.load(Ordering::Relaxed)
    }
}

/// An alias as it is unless its operator says otherwise, over these targets in this order.
pub fn alias(name: &str, targets: &[TargetId]) -> Arc<Alias> {
    Arc::new(Alias::new(name, targets.iter().cloned().map(AliasTarget::new).collect()))
}

/// The most time that a request without a wish of its own has: in all, and streamed to its first content.
pub fn longest() -> (Duration, Duration) {
    let alias = Alias::new("any", Vec::new());
    (alias.timeouts.total, alias.first_token_budget)
}
