//! Whom faults hit: nobody outside their match, and never the last one who can answer.

use std::sync::Arc;

use http::HeaderMap;
use proptest::prelude::*;

use super::{only, order, world};
use crate::fault::{FaultMatch, FaultOrder, HeaderMatch, Tier};
use crate::protocol;
use crate::reply::Reply;
use crate::request::{Protocol, Request};
use crate::settings::{Alias, CapabilityOverrides};
use crate::testing::{World, alias, request};

/// An alias whose targets have these domains and prices.
fn priced(targets: &[(&str, &[&str], Option<f64>)]) -> Alias {
    let names: Vec<&str> = targets.iter().map(|(name, ..)| *name).collect();
    let mut alias = alias(&names);
    for (target, (_, domains, price)) in alias.targets.iter_mut().zip(targets) {
        target.domains = domains.iter().map(|domain| Arc::from(*domain)).collect();
        let overrides = CapabilityOverrides { output_price_per_1m: *price, ..CapabilityOverrides::default() };
        target.overrides = Some(Arc::new(overrides));
    }
    alias
}

fn with_header(name: &'static str, value: &'static str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    let plain = request(Protocol::Chat, false);
    let bytes = serde_json::json!({ "model": "chat", "messages": [{ "role": "user", "content": "x" }] });
    let read = protocol::read_request(Protocol::Chat, bytes.to_string().into(), headers, 1).unwrap();
    Request { body: Arc::new(read.1), ..plain }
}

/// Who answers one request while this is armed.
async fn answered(world: &World, matching: FaultMatch, request: &Request, alias: &Alias) -> Option<String> {
    let current = world.engine.plugins.current();
    let fault = FaultOrder { allow_total_outage: false, ..order("refuse", matching) };
    world.engine.chaos.arm(&current, fault).await.unwrap();
    let reply = world.answer(request, alias).await;
    world.engine.chaos.disarm_all();
    let (Reply::Plain { trail, .. } | Reply::Failed { trail, .. } | Reply::Stream { trail, .. }) = reply;
    trail.target.map(|target| target.provider.to_string())
}

#[tokio::test(start_paused = true)]
async fn every_member_of_a_match_narrows() {
    let alias = priced(&[("a", &["east"], Some(15.0)), ("b", &["west"], Some(0.5)), ("c", &[], None)]);
    let header = |value: Option<&str>| FaultMatch {
        header: Some(HeaderMatch { name: "X-Group".into(), value: value.map(str::to_owned) }),
        ..only("a")
    };
    let opt_in = || FaultMatch { opt_in: Some("trial".into()), ..only("a") };
    let plain = request(Protocol::Chat, false);
    let beta = with_header("x-group", "beta");
    let asked = |name: &str| Request { chaos: Some(name.into()), ..request(Protocol::Chat, false) };
    let table = [
        (FaultMatch { domain: Some("east".into()), ..FaultMatch::default() }, &plain, "b"),
        (FaultMatch { domain: Some("west".into()), ..FaultMatch::default() }, &plain, "a"),
        (FaultMatch { domain: Some("c".into()), ..FaultMatch::default() }, &plain, "a"),
        (FaultMatch { tier: Some(Tier::High), ..FaultMatch::default() }, &plain, "b"),
        (header(None), &plain, "a"),
        (header(None), &beta, "b"),
        (header(Some("beta")), &beta, "b"),
        (header(Some("alpha")), &beta, "a"),
        (opt_in(), &plain, "a"),
        (opt_in(), &asked("trial"), "b"),
        (opt_in(), &asked("other"), "a"),
        (only("a"), &asked("trial"), "a"),
    ];
    for (matching, request, expected) in table {
        // A world each: breakers do not forget.
        let world = world(&["a", "b", "c"]);
        let who = answered(&world, matching.clone(), request, &alias).await;
        assert_eq!(who.as_deref(), Some(expected), "{matching:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_healthy_domain_is_spared() {
    let everything = FaultMatch::default;
    let plain = request(Protocol::Chat, false);
    // One domain alone, two targets of one domain, everything at once: the client keeps its answer.
    for targets in [
        vec![("a", ["x"].as_slice(), None)],
        vec![("a", ["x"].as_slice(), None), ("b", ["x"].as_slice(), None)],
        vec![("a", ["x"].as_slice(), None), ("b", ["y"].as_slice(), None)],
    ] {
        let world = world(&["a", "b"]);
        let current = world.engine.plugins.current();
        let alias = priced(&targets);
        let fault = FaultOrder { allow_total_outage: false, ..order("refuse", everything()) };
        world.engine.chaos.arm(&current, fault).await.unwrap();
        world.answer(&plain, &alias).await;
        let counts = world.engine.chaos.list()[0].counts;
        assert_eq!((counts.injected, counts.spared), (0, 1), "{targets:?}");
        assert_eq!(world.calls(), ["a"]);
    }

    // A delay is no outage.
    let world = world(&["a"]);
    let fault = FaultOrder { allow_total_outage: false, ..order("slow", everything()) };
    world.engine.chaos.arm(&world.engine.plugins.current(), fault).await.unwrap();
    world.answer(&plain, &alias(&["a"])).await;
    assert_eq!(world.engine.chaos.list()[0].counts.injected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_rests_is_no_refuge() {
    let world = world(&["a", "b"]);
    let (chaos, current) = (&world.engine.chaos, world.engine.plugins.current());
    let both = alias(&["a", "b"]);
    let b = world.engine.targets.get(&both.targets[1].id);
    world.engine.targets.force_open(b.id(), "test", std::time::Duration::from_secs(60));
    let fault = FaultOrder { allow_total_outage: false, ..order("refuse", only("a")) };
    chaos.arm(&current, fault).await.unwrap();
    world.answer(&request(Protocol::Chat, false), &both).await;
    assert_eq!((world.calls(), chaos.list()[0].counts.spared), (vec!["a".to_owned()], 1));
}

/// Members of a match, some of them missing.
fn matches() -> impl Strategy<Value = FaultMatch> {
    let name = |names: [&'static str; 3]| prop::option::of(prop::sample::select(names.to_vec()));
    let (places, rest) = (
        (name(["a", "b", "nobody"]), name(["m", "m", "other"]), name(["east", "b", "nowhere"])),
        (
            name(["chat", "chat", "other"]),
            name(["default", "default", "other"]),
            prop::option::of(any::<bool>()),
            prop::option::of(prop::sample::select(vec![Tier::High, Tier::Standard])),
            name(["trial", "trial", "other"]),
            prop::option::of(0.0..=100.0_f64),
        ),
    );
    (places, rest).prop_map(|((provider, model, domain), (alias, tenant, stream, tier, opt_in, percent))| {
        let own = |name: Option<&str>| name.map(str::to_owned);
        FaultMatch {
            provider: own(provider),
            model: own(model),
            domain: own(domain),
            tier,
            alias: own(alias),
            tenant: own(tenant),
            stream,
            header: None,
            opt_in: own(opt_in),
            percent,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// A target's calls are all real wherever any member of the match says another one.
    #[test]
    fn nothing_outside_its_match_is_ever_touched(matching in matches(), asks: bool, total: bool, seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world(&["a", "b"]);
            // `a` lives in the east and is dear, `b` has no domain and no price.
            let alias = priced(&[("a", &["east"], Some(15.0)), ("b", &[], None)]);
            let chaos = asks.then(|| Arc::from("trial"));
            let fault =
                FaultOrder { allow_total_outage: total, seed, ..order("limit", matching.clone()) };
            world.engine.chaos.arm(&world.engine.plugins.current(), fault).await.unwrap();
            for _ in 0..5 {
                world.answer(&Request { chaos: chaos.clone(), ..request(Protocol::Chat, false) }, &alias).await;
            }
            for note in world.notes.all() {
                let crate::note::Note::FaultInjected { target, .. } = note else { continue };
                let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
                let (domain, tier) = match &*target.provider {
                    "a" => ("east", Tier::High),
                    _ => ("b", Tier::Standard),
                };
                assert!(is(&matching.provider, &target.provider) && is(&matching.model, "m"));
                assert!(is(&matching.domain, domain) && matching.tier.is_none_or(|wanted| wanted == tier));
                assert!(is(&matching.alias, "chat") && is(&matching.tenant, "default"));
                assert!(matching.stream != Some(true));
                assert_eq!(matching.opt_in.as_deref(), chaos.as_deref());
                assert!(matching.percent != Some(0.0));
            }
        });
    }
}
