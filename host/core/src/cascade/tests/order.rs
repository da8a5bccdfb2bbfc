//! Who is asked first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{know, see, whole_stream};
use crate::ports::{
    Call, CandidateStats, ConfigProblem, PluginFault, PluginRef, PluginSet, Policy, RoutePlan, RouteQuestion,
};
use crate::reply::{Degraded, Reply};
use crate::request::Protocol;
use crate::settings::{Alias, CapabilityOverrides, PolicyChoice};
use crate::testing::{Script, World, alias, error, request};

#[tokio::test(start_paused = true)]
async fn headers_say_who_answered() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::Hang]);
    let reply = world.answer(&request(Protocol::Chat, false), &alias(&["a", "b"])).await;
    let Reply::Plain { trail, .. } = reply else { panic!("an answer") };
    assert_eq!(trail.target.map(|target| target.to_string()).as_deref(), Some("b/m"));
    assert_eq!((trail.attempts, trail.degraded), (2, Degraded::Fallback));
}

/// A policy that turns the order round.
#[derive(Debug)]
struct Turned(PluginRef);

impl Policy for Turned {
    fn plugin(&self) -> &PluginRef {
        &self.0
    }
    fn check<'a>(&'a self, _: &'a str) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>> {
        Call::done(Ok(Vec::new()))
    }
    fn route<'a>(
        &'a self,
        _: &'a RouteQuestion,
        candidates: &'a [CandidateStats],
        _: &'a str,
    ) -> Call<'a, Result<RoutePlan, PluginFault>> {
        let order = candidates.iter().rev().map(|candidate| candidate.id.to_string()).collect();
        Call::done(Ok(RoutePlan { order, ..RoutePlan::default() }))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_of_a_policy_is_no_fallback() {
    let check = async |broken: &str, answers: &str, degraded: Degraded| {
        let mut world = World::new(&["a", "b"]);
        let policies =
            [(Arc::from("turned"), Arc::new(Turned(PluginRef::made_up("turned"))) as Arc<dyn Policy>)];
        let plugins = world.engine.plugins.current();
        let adapters = plugins.adapters.clone();
        world.use_plugins(PluginSet { adapters, policies: HashMap::from(policies), ..PluginSet::default() });
        world.script(broken, [error(401, "")]);
        let mut alias = alias(&["a", "b"]);
        alias.policy = Some(PolicyChoice { plugin: "turned".into(), config: "{}".into() });
        let reply = world.answer(&request(Protocol::Chat, false), &alias).await;
        let Reply::Plain { trail, .. } = reply else { panic!("{broken} is down: no answer") };
        let target = trail.target.map(|target| target.provider.to_string());
        assert_eq!((target.as_deref(), trail.degraded), (Some(answers), degraded), "{broken} is down");
    };
    check("nobody", "b", Degraded::None).await;
    check("b", "a", Degraded::Fallback).await;
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_on_a_model_counts_for_streams_too() {
    let world = World::new(&["a", "b"]);
    let mut alias = alias(&["a", "b"]);
    let word = CapabilityOverrides { streams: Some(false), ..CapabilityOverrides::default() };
    alias.targets[0].overrides = Some(Arc::new(word));
    for (stream, provider) in [(false, "a"), (true, "b")] {
        if stream {
            world.script("b", [whole_stream(&["hello"])]);
        }
        see(world.answer(&request(Protocol::Chat, stream), &alias).await).await;
        assert_eq!(world.calls().last().map(String::as_str), Some(provider), "stream: {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn equals_share_the_load_and_are_nobodys_fallback() {
    let world = World::new(&["a", "b", "c"]);
    let mut pooled = alias(&["a", "b", "c"]);
    for target in pooled.targets.iter_mut().take(2) {
        target.pool = Some(0);
    }
    for name in ["a", "b"] {
        world.script(name, [Script::After(Duration::from_secs(1), Box::new(crate::testing::answer("x")))]);
    }
    let one = async |_| world.answer(&request(Protocol::Chat, false), &pooled).await;
    for reply in join_all((0..60).map(one)).await {
        let Reply::Plain { trail, .. } = reply else { panic!("an answer") };
        assert_eq!(trail.degraded, Degraded::None);
    }
    let calls = world.calls();
    let of = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((of("c"), calls.len()), (0, 60), "no twins among equals");
    assert!(of("a") > 20 && of("b") > 20, "{} and {}", of("a"), of("b"));
}

#[tokio::test(start_paused = true)]
async fn the_order_is_kept_while_it_is_good() {
    let world = World::new(&["a", "b"]);
    know(&world, "a", Duration::from_millis(2_000)).await;
    know(&world, "b", Duration::from_millis(100)).await;
    let first = async |alias: &Alias| {
        world.forget();
        see(world.answer(&request(Protocol::Chat, true), alias).await).await;
        world.calls().first().cloned().unwrap()
    };
    let mut alias = alias(&["a", "b"]);
    alias.slo.first_token = Duration::from_secs(4);
    assert_eq!(first(&alias).await, "a", "twenty times slower, and good enough");
    alias.slo.first_token = Duration::from_secs(1);
    assert_eq!(first(&alias).await, "b");
}
