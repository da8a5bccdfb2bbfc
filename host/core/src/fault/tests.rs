//! Faults through their public doors: armed, asked by the cascade, gone by themselves.

mod aim;
mod safety;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{ArmError, FaultMatch, FaultOrder, MAX_ARMED, wire};
use crate::class::Class;
use crate::event::{FinishReason, WireEvent};
use crate::note::Note;
use crate::ports::{
    Call, ConfigProblem, FaultAction, FaultAttempt, FaultInjector, FaultKind, FaultStep, FaultVerdict,
    PlainReply, PluginFault, PluginRef, PluginSet, Transform, TransportFailure,
};
use crate::record::Attempted;
use crate::reply::Reply;
use crate::request::Protocol;
use crate::testing::{self, World, alias, request};

/// Kinds named after what they do.
#[derive(Debug)]
struct Injector {
    plugin: PluginRef,
    kinds: Vec<FaultKind>,
}

fn plugins() -> PluginSet {
    let kind = |name: &str| FaultKind {
        name: name.to_owned(),
        layer: "headers".to_owned(),
        description: String::new(),
        config_schema: "{}".to_owned(),
    };
    let kinds = ["slow", "limit", "say", "refuse", "freeze", "cut", "broken", "picky"].map(kind).into();
    let injector = Injector { plugin: PluginRef::made_up("test"), kinds };
    let mut plugins = PluginSet::default();
    plugins.faults.insert(Arc::from("test"), Arc::new(injector));
    plugins
}

impl FaultInjector for Injector {
    fn plugin(&self) -> &PluginRef {
        &self.plugin
    }
    fn kinds(&self) -> &[FaultKind] {
        &self.kinds
    }
    fn check<'a>(
        &'a self,
        kind: &'a str,
        _config: &'a str,
    ) -> Call<'a, Result<Vec<ConfigProblem>, PluginFault>> {
        let problem = ConfigProblem { path: "/x".to_owned(), message: "is missing".to_owned(), fix: None };
        let problems = if kind == "picky" { vec![problem] } else { Vec::new() };
        Call::of(async move { Ok(problems) })
    }
    fn decide<'a>(
        &'a self,
        kind: &'a str,
        _attempt: &'a FaultAttempt,
        _config: &'a str,
    ) -> Call<'a, Result<FaultVerdict, PluginFault>> {
        let (seconds, action) = match kind {
            "slow" => (3, FaultAction::Pass),
            "limit" => {
                let retry_after = Some("30".to_owned());
                (0, FaultAction::Fail { class: Class::RateLimited, retry_after, status: None })
            }
            "refuse" => (0, FaultAction::Break(TransportFailure::Connect("refused".to_owned()))),
            "say" => (0, FaultAction::Answer { text: "made up".to_owned(), finish: FinishReason::Length }),
            "freeze" => (0, FaultAction::Hang),
            "cut" => (0, FaultAction::Rewrite(HeaderMap::new())),
            _ => {
                let fault = PluginFault { code: "P030", message: "trap".to_owned(), busy: false };
                return Call::of(async { Err(fault) });
            }
        };
        Call::of(async move { Ok(FaultVerdict { delay: Duration::from_secs(seconds), action }) })
    }
    fn transform<'a>(
        &'a self,
        _kind: &'a str,
        _attempt: &'a FaultAttempt,
        _config: &'a str,
    ) -> Call<'a, Result<Box<dyn Transform>, PluginFault>> {
        Call::of(async {
            let cut: Box<dyn Transform> = Box::new(CutAfterFirst);
            Ok(cut)
        })
    }
}

struct CutAfterFirst;

impl Transform for CutAfterFirst {
    fn piece(&mut self, frames: Vec<WireEvent>) -> Call<'_, Result<Vec<FaultStep>, PluginFault>> {
        let first = frames.into_iter().next().map(FaultStep::Send);
        Call::of(async move { Ok(first.into_iter().chain([FaultStep::Cut]).collect()) })
    }
    fn finish(&mut self) -> Call<'_, Result<Vec<FaultStep>, PluginFault>> {
        Call::of(async { Ok(Vec::new()) })
    }
}

fn order(kind: &str, matching: FaultMatch) -> FaultOrder {
    FaultOrder { matching, seed: 1, allow_total_outage: true, ..FaultOrder::new(kind) }
}

fn only(provider: &str) -> FaultMatch {
    FaultMatch { provider: Some(provider.to_owned()), ..FaultMatch::default() }
}

/// A world with the injector of these tests.
fn world(providers: &[&str]) -> World {
    let mut world = World::new(providers);
    let adapters = world.engine.plugins.current().adapters.clone();
    world.use_plugins(PluginSet { adapters, ..plugins() });
    world
}

/// A world whose faults are armed with `kind` on provider `a`; who answered, how often each was really called.
async fn asked_with(kind: &str, stream: bool) -> (Option<String>, Vec<String>, Duration) {
    let world = world(&["a", "b"]);
    let current = world.engine.plugins.current();
    world.engine.chaos.arm(&current, order(kind, only("a"))).await.unwrap();
    if stream {
        let steps = vec![testing::text("x"), testing::text("y"), testing::finish(), testing::done()];
        world.script("a", [testing::Script::Stream(steps.clone())]);
        world.script("b", [testing::Script::Stream(steps)]);
    }
    let began = tokio::time::Instant::now();
    let reply = world.answer(&request(Protocol::Chat, stream), &alias(&["a", "b"])).await;
    let trail = match reply {
        Reply::Plain { trail, .. } | Reply::Failed { trail, .. } | Reply::Stream { trail, .. } => trail,
    };
    (trail.target.map(|target| target.provider.to_string()), world.calls(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn each_action_reaches_the_cascade_as_the_outage_it_stands_for() {
    // (kind, who answers, calls that really went out)
    let table: &[(&str, &str, &[&str])] = &[
        ("slow", "a", &["a"]),
        ("limit", "b", &["b"]),
        ("say", "a", &[]),
        ("refuse", "b", &["b"]),
        ("freeze", "b", &["b"]),
        ("hang", "b", &["b"]),
        ("dns-nxdomain", "b", &["b"]),
        ("tls-bad-cert", "b", &["b"]),
        ("connect-timeout", "b", &["b"]),
        ("refused", "b", &["b"]),
        ("reset", "b", &["b"]),
        ("broken", "a", &["a"]),
    ];
    for (kind, who, calls) in table {
        let (answered, called, _) = asked_with(kind, false).await;
        assert_eq!(answered.as_deref(), Some(*who), "{kind}");
        assert_eq!(called, *calls, "{kind}");
    }
    let (answered, called, _) = asked_with("say", true).await;
    assert_eq!(
        (answered.as_deref(), called.len()),
        (Some("a"), 0),
        "streamed, by an adapter without a dialect"
    );
    let (_, _, took) = asked_with("slow", false).await;
    assert_eq!(took, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_to_a_call_is_on_record_even_when_it_was_given_up() {
    for (kind, action) in [("refuse", "refuse_connection"), ("hang", "hang")] {
        let mut world = World::new(&["a", "b"]);
        let adapters = world.engine.plugins.current().adapters.clone();
        world.use_plugins(PluginSet { adapters, ..plugins() });
        let current = world.engine.plugins.current();
        let fault = world.engine.chaos.arm(&current, order(kind, only("a"))).await.unwrap();
        let (asked, alias) = (request(Protocol::Chat, false), alias(&["a", "b"]));
        let answering = world.answer(&asked, &alias);
        let left = tokio::time::timeout(Duration::from_millis(10), answering).await;
        assert_eq!(left.is_err(), kind == "hang");
        let ended = world.notes.all().into_iter().find_map(|note| match note {
            Note::RequestEnded(record) => Some(record),
            _ => None,
        });
        let record = ended.unwrap();
        let injected = record.attempts[0].injected().unwrap();
        assert_eq!((injected.fault, injected.kind.as_str(), injected.action), (fault, kind, action));
        let hit = |call: &Attempted| (&*call.target.provider == "a") == call.injected().is_some();
        assert!(record.attempts.iter().all(hit), "{record:?}");
        assert_eq!(record.faults_met(), [kind]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_stream_is_cut_where_the_component_says() {
    let (answered, called, _) = asked_with("cut", true).await;
    assert_eq!(
        (answered.as_deref(), called),
        (Some("a"), vec!["a".to_owned()]),
        "content came, then the cut"
    );
}

#[tokio::test(start_paused = true)]
async fn faults_match_narrowly_and_end_by_themselves() {
    let world = world(&["a", "b"]);
    let current = world.engine.plugins.current();
    let chaos = &world.engine.chaos;
    for matching in [
        only("b"),
        FaultMatch { model: Some("other".into()), ..FaultMatch::default() },
        FaultMatch { alias: Some("other".into()), ..FaultMatch::default() },
        FaultMatch { tenant: Some("other".into()), ..FaultMatch::default() },
        FaultMatch { stream: Some(true), ..FaultMatch::default() },
        FaultMatch { percent: Some(0.0), ..FaultMatch::default() },
    ] {
        chaos.arm(&current, order("refuse", matching)).await.unwrap();
    }
    world.answer(&request(Protocol::Chat, false), &alias(&["a"])).await;
    assert_eq!(world.calls(), ["a"], "nothing matched");

    chaos.arm(&current, order("refuse", only("a"))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.answer(&request(Protocol::Chat, false), &alias(&["a"])).await;
    assert_eq!(world.calls(), ["a", "a"], "all have ended");
    assert!(chaos.list().is_empty());
    assert!(!chaos.is_armed(), "the last request has cleared the switch");
}

#[tokio::test(start_paused = true)]
async fn a_share_is_kept_and_replays() {
    let mut runs = Vec::new();
    for _ in 0..3 {
        let world = world(&["a", "b"]);
        let matching = FaultMatch { percent: Some(30.0), ..only("a") };
        let fault = FaultOrder { ttl: Duration::from_secs(3600), ..order("slow", matching) };
        world.engine.chaos.arm(&world.engine.plugins.current(), fault).await.unwrap();
        let mut hits = Vec::new();
        for _ in 0..1000 {
            let began = tokio::time::Instant::now();
            world.answer(&request(Protocol::Chat, false), &alias(&["a"])).await;
            hits.push(!began.elapsed().is_zero());
        }
        let listed = world.engine.chaos.list();
        runs.push((hits, listed[0].counts));
    }
    let hit = runs[0].0.iter().filter(|hit| **hit).count();
    assert!((240..=360).contains(&hit), "{hit} of 1000 at 30 %");
    assert_eq!(u64::try_from(hit).unwrap(), runs[0].1.injected);
    assert!(runs.iter().all(|run| *run == runs[0]), "the same seed decides the same, every time");
}

#[test]
fn injected_replies_are_dated_like_real_ones() {
    let check = |own: Option<&'static str>, seconds: u64, expect: Option<&str>| {
        let date = own.map(|own| (header::DATE, HeaderValue::from_static(own)));
        let plain = PlainReply { status: 429, headers: date.into_iter().collect(), body: Bytes::new() };
        let reply = wire::reply(plain, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(reply.headers.get(header::DATE).map(|date| date.to_str().unwrap()), expect);
    };
    check(None, 784_111_777, Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    check(Some("long ago"), 784_111_777, Some("long ago"));
    check(None, 253_402_300_800, None);
}

#[tokio::test(start_paused = true)]
async fn orders_are_checked() {
    let world = World::new(&["a"]);
    let (chaos, plugins) = (&world.engine.chaos, plugins());
    let unknown = chaos.arm(&plugins, order("outrage", FaultMatch::default())).await.unwrap_err();
    assert!(unknown.to_string().contains("known kinds: connect-timeout, dns-nxdomain"), "{unknown}");
    let picky = chaos.arm(&plugins, order("picky", FaultMatch::default())).await.unwrap_err();
    assert!(matches!(&picky, ArmError::Config { path, .. } if path == "/x"), "{picky}");
    let too_much = FaultMatch { percent: Some(101.0), ..FaultMatch::default() };
    assert!(matches!(chaos.arm(&plugins, order("hang", too_much)).await, Err(ArmError::Range { .. })));
    let for_ever = FaultOrder { ttl: Duration::from_secs(3601), ..order("hang", FaultMatch::default()) };
    assert!(matches!(chaos.arm(&plugins, for_ever).await, Err(ArmError::Range { .. })));
    for _ in 0..MAX_ARMED {
        chaos.arm(&plugins, order("hang", FaultMatch::default())).await.unwrap();
    }
    assert_eq!(
        chaos.arm(&plugins, order("hang", FaultMatch::default())).await,
        Err(ArmError::Full { limit: MAX_ARMED })
    );
    assert_eq!(chaos.disarm_all(), MAX_ARMED);
    assert!(!chaos.is_armed());
}
