//! A world: providers, clients and an operator around one core, on one thread, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::breaker::BreakerSettings;
use seawall_core::settings::Alias;
use seawall_core::target::TargetId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::visit;
use crate::engine::{Gateway, longest};
use crate::log::{Admin, Event, Log};
use crate::order::Order;
use crate::phases::Phases;
use crate::provider::{Conduct, Profile};
use crate::record::Record;
use crate::upstream::{Network, Providers};

/// What is to happen when.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A client comes.
    Ask(Order),
    /// The operator acts.
    Act(Admin),
    /// All faults are over.
    Heal,
    /// Health is written down.
    Inspect,
}

/// Everything that makes one simulation.
#[derive(Clone, Debug)]
pub struct World {
    /// Where it came from.
    pub seed: u64,
    /// The providers.
    pub profiles: Vec<Profile>,
    /// What clients may ask for.
    pub aliases: BTreeMap<Arc<str>, Arc<Alias>>,
    /// How the providers behave.
    pub script: Phases,
    /// By time.
    pub agenda: Vec<(Duration, Happening)>,
}

/// Runs one future on a runtime of its own, in virtual time. `None` where the system gives no runtime.
pub fn in_virtual_time<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().ok()?;
    Some(runtime.block_on(work))
}

impl World {
    /// Runs it to its end.
    pub fn run(self) -> Record {
        let record = in_virtual_time(self.play());
        record.unwrap_or_default()
    }

    async fn play(self) -> Record {
        /// Longer than any request may take.
        const PATIENCE: Duration = Duration::from_secs(400);
        let begin = Instant::now();
        let log = Log::begin();
        let providers = Arc::new(Providers::open(
            Arc::clone(&log),
            self.profiles.clone(),
            Box::new(self.script.clone()),
            self.seed,
        ));
        let network = Arc::new(Network(Arc::clone(&providers)));
        let gateway = Arc::new(Gateway::new(&self.profiles, network, log.clone(), self.seed));
        let configured = self.targets();
        gateway.targets().configure(&configured, &BreakerSettings::default());
        let mut clients = JoinSet::new();
        let mut after_heal = None;
        for (at, happening) in &self.agenda {
            sleep_until(begin + *at).await;
            while clients.try_join_next().is_some() {}
            match happening {
                Happening::Ask(order) => {
                    if let Some(alias) = self.aliases.get(&order.alias) {
                        let (gateway, providers) = (Arc::clone(&gateway), Arc::clone(&providers));
                        clients.spawn(client(
                            order.clone(),
                            Arc::clone(alias),
                            gateway,
                            providers,
                            log.clone(),
                        ));
                    }
                }
                Happening::Act(admin) => {
                    log.write(Event::Admin(admin.clone()));
                    act(admin, &gateway, &configured);
                }
                Happening::Heal => log.write(Event::Healed),
                Happening::Inspect => after_heal = Some((*at, gateway.targets().status())),
            }
        }
        let all_left = async { while clients.join_next().await.is_some() {} };
        let _late = timeout(PATIENCE, all_left).await;
        let quiet = async {
            while gateway.in_background() > 0 || providers.under_way() > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let _noisy = timeout(PATIENCE, quiet).await;
        let steady = |(index, profile): (usize, &Profile)| is_steady(&profile.usual).then_some(index);
        let (longest, first_content) = longest();
        Record {
            seed: self.seed,
            providers: self.profiles.iter().map(|profile| Arc::from(profile.name)).zip(0..).collect(),
            steady: self.profiles.iter().enumerate().filter_map(steady).collect(),
            aliases: self.aliases.iter().map(|(name, alias)| (Arc::clone(name), targets_of(alias))).collect(),
            script: self.script,
            longest,
            first_content,
            after_heal,
            at_end: gateway.targets().status(),
            calls_left: providers.under_way(),
            clients_left: clients.len(),
            background_left: gateway.in_background(),
            entries: log.take(),
        }
    }

    fn targets(&self) -> Vec<TargetId> {
        let mut all: Vec<TargetId> = self.aliases.values().flat_map(|alias| targets_of(alias)).collect();
        all.sort();
        all.dedup();
        all
    }
}

async fn client(
    order: Order,
    alias: Arc<Alias>,
    gateway: Arc<Gateway>,
    providers: Arc<Providers>,
    log: Arc<Log>,
) {
    providers.expect(&order);
    log.write(Event::Asked(order.clone()));
    let seen = visit(gateway, alias, &order).await;
    log.write(match seen.heard {
        Some(heard) => Event::Heard(order.id, heard),
        None => Event::Left(order.id),
    });
    providers.forget(order.id);
}

fn act(admin: &Admin, gateway: &Gateway, configured: &[TargetId]) {
    let targets = gateway.targets();
    match admin {
        Admin::ForceOpen(target, ttl) => targets.force_open(target, "drill", Duration::from_secs(*ttl)),
        Admin::ForceClosed(target, ttl) => targets.force_closed(target, "drill", Duration::from_secs(*ttl)),
        Admin::Release(target) => targets.release(target),
        Admin::Reset(target) => targets.reset(target),
        Admin::Configure => targets.configure(configured, &BreakerSettings::default()),
        Admin::Replace(provider) => targets.provider_changed(provider),
    }
}

fn targets_of(alias: &Alias) -> Vec<TargetId> {
    alias.targets.iter().map(|wish| wish.id.clone()).collect()
}

/// Never fails, never limits, never late.
fn is_steady(usual: &Conduct) -> bool {
    usual.error <= 0.0 && usual.hang <= 0.0 && usual.tail_share <= 0.0 && usual.rate_limit.is_infinite()
}
