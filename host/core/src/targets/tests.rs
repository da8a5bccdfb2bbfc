//! Targets through the doors that the cascade uses, under paused time.

mod cost;
mod last_resort;
mod learned;

use std::sync::Mutex;
use std::time::SystemTime;

use super::*;
use crate::class::{Class, Failure, Scope};
use crate::note::{Circuit, Note};
use crate::outlook::{CallKind, SizeFactor};
use crate::request::RequestId;
use crate::rule::{GateAction, Vote};

const LEASE: Duration = Duration::from_secs(11);
const S: fn(u64) -> Duration = Duration::from_secs;

fn ask(request: u64) -> Ask {
    Ask {
        request: RequestId(request),
        lease: LEASE,
        only_one_left: false,
        kind: CallKind::Streamed,
        size: SizeFactor::ONE,
    }
}

/// Tokio's clock, with a wall clock that jumps.
#[derive(Debug, Default)]
struct JumpyClock(AtomicU64);

impl Clock for JumpyClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn wall(&self) -> SystemTime {
        let jump = self.0.fetch_add(1, Ordering::Relaxed) % 3;
        SystemTime::UNIX_EPOCH + S(1_000_000 + 3_600 * jump)
    }
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Note>>);

impl Observer for Heard {
    fn note(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }
}

struct House {
    targets: Targets,
    heard: Arc<Heard>,
    asked: AtomicU64,
}

impl House {
    fn new() -> Self {
        let heard = Arc::new(Heard::default());
        let observer = Arc::clone(&heard) as Arc<dyn Observer>;
        let random = Arc::new(Random::seeded(5));
        let targets =
            Targets::new(Arc::new(JumpyClock::default()), random, observer, BreakerSettings::default());
        Self { targets, heard, asked: AtomicU64::default() }
    }

    fn state(&self, id: &str) -> Arc<TargetState> {
        self.targets.get(&TargetId::parse(id).unwrap())
    }

    /// For a request of its own.
    fn acquire(&self, id: &str) -> Result<Permit, Refusal> {
        self.state(id).try_acquire(&ask(1 + self.asked.fetch_add(1, Ordering::Relaxed)))
    }

    /// The gate that refuses a call, if any.
    fn gate(&self, id: &str) -> Option<Gate> {
        self.acquire(id).err().map(|refusal| refusal.gate)
    }

    fn fail(&self, id: &str, failure: &Failure) {
        self.acquire(id).unwrap().failed(failure);
    }

    fn open(&self, id: &str) {
        for _ in 0..3 {
            self.fail(id, &Failure::new(Class::ServerError, "x"));
        }
        assert_eq!(self.gate(id), Some(Gate::Breaker));
    }

    fn last_resort(&self, id: &str) -> Option<Permit> {
        self.state(id).try_last_resort(&ask(9), 1)
    }
}

fn failure(class: Class, scope: Scope, retry_after_s: Option<u64>) -> Failure {
    Failure { scope, retry_after: retry_after_s.map(S), ..Failure::new(class, "x") }
}

/// What one failure of a class does to its target, to a sibling behind the same credential, and to a stranger.
#[tokio::test(start_paused = true)]
async fn each_class_closes_its_gate_in_its_scope() {
    let check = |class, scope, hint, own: Option<Gate>, sibling: Option<Gate>| {
        let house = House::new();
        house.fail("p/a", &failure(class, scope, hint));
        assert_eq!(house.gate("p/a"), own, "{class} {scope:?}");
        assert_eq!(house.gate("p/b"), sibling, "{class} {scope:?}: sibling");
        assert_eq!(house.gate("q/a"), None, "{class} {scope:?}: stranger");
    };
    use Scope::{Credential, Model};
    check(Class::RateLimited, Model, Some(2), Some(Gate::Rate), None);
    check(Class::RateLimited, Model, None, Some(Gate::Rate), None);
    check(Class::RateLimited, Credential, Some(2), Some(Gate::Rate), Some(Gate::Rate));
    check(Class::QuotaExhausted, Credential, None, Some(Gate::Quota), Some(Gate::Quota));
    check(Class::QuotaExhausted, Model, None, Some(Gate::Quota), None);
    check(Class::Auth, Credential, None, Some(Gate::Credential), Some(Gate::Credential));
    check(Class::Auth, Model, None, Some(Gate::Credential), None);
    check(Class::ModelNotFound, Model, None, Some(Gate::MissingModel), None);
    for class in Class::ALL {
        if class.rule().gate == GateAction::None {
            check(class, Credential, None, None, None);
        }
    }
}

/// How long each gate stays closed.
#[tokio::test(start_paused = true)]
async fn gates_open_when_their_time_is_over() {
    for (class, hint, seconds) in [
        (Class::RateLimited, Some(2), 2),
        (Class::RateLimited, Some(4_000), 300),
        (Class::QuotaExhausted, None, 1_800),
        (Class::QuotaExhausted, Some(7_200), 7_200),
        (Class::Auth, None, 1_800),
        (Class::ModelNotFound, None, 300),
    ] {
        let house = House::new();
        house.fail("p/a", &failure(class, Scope::Model, hint));
        let refusal = house.acquire("p/a").unwrap_err();
        assert_eq!(refusal.retry_in, Some(S(seconds)), "{class}");
        tokio::time::advance(S(seconds) - Duration::from_millis(1)).await;
        assert!(house.gate("p/a").is_some(), "{class}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(house.gate("p/a"), None, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_scopes_the_longer_rest_is_told() {
    for (model, credential) in [(2, 9), (9, 2)] {
        let house = House::new();
        let (one, other) = (house.acquire("p/a").unwrap(), house.acquire("p/a").unwrap());
        one.failed(&failure(Class::RateLimited, Scope::Model, Some(model)));
        other.failed(&failure(Class::RateLimited, Scope::Credential, Some(credential)));
        assert_eq!(house.acquire("p/a").unwrap_err().retry_in, Some(S(9)));
    }
}

#[tokio::test(start_paused = true)]
async fn any_content_ends_the_back_off_of_the_credential() {
    let house = House::new();
    let back_off = async |between: fn(Permit)| {
        house.fail("p/a", &failure(Class::RateLimited, Scope::Credential, None));
        tokio::time::advance(S(60)).await;
        between(house.acquire("p/b").unwrap());
        house.fail("p/a", &failure(Class::RateLimited, Scope::Credential, None));
        let rest = house.acquire("p/b").unwrap_err().retry_in.unwrap();
        tokio::time::advance(S(60)).await;
        house.acquire("p/b").unwrap().finished();
        rest
    };
    assert!(back_off(drop).await >= Duration::from_millis(1_600));
    assert!(back_off(Permit::finished).await <= Duration::from_millis(1_200));
    let content = |mut permit: Permit| permit.first_content(S(1));
    assert!(back_off(content).await <= Duration::from_millis(1_200));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_probe_decides_nothing_even_in_a_storm() {
    let house = House::new();
    let before: Vec<_> = (0..4).map(|_| house.acquire("p/a").unwrap()).collect();
    house.open("p/a");
    tokio::time::advance(S(5)).await;
    for permit in before {
        permit.failed(&failure(Class::RateLimited, Scope::Model, None));
    }
    tokio::time::advance(S(2)).await;
    let probe = house.acquire("p/a").unwrap();
    assert!(probe.is_probe());
    probe.failed(&failure(Class::RateLimited, Scope::Model, None));
    assert_eq!(house.state("p/a").circuit(), Circuit::HalfOpen);
}

/// Whether three failures of a class open the breaker: every row of the class table.
#[tokio::test(start_paused = true)]
async fn only_counted_classes_open_the_breaker() {
    for class in Class::ALL {
        let house = House::new();
        for _ in 0..3 {
            // A gate may be closed by now, so its rest is waited for: the breaker alone is asked.
            while let Some(rest) = house.state("p/a").refusal().and_then(|refusal| refusal.retry_in) {
                tokio::time::advance(rest).await;
            }
            house.fail("p/a", &failure(class, Scope::Model, None));
        }
        let opened = house.state("p/a").circuit() == Circuit::Open;
        assert_eq!(opened, class.rule().vote == Vote::Fail, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_rate_limits_never_opens() {
    let house = House::new();
    for _ in 0..50 {
        let burst: Vec<_> = (0..20).filter_map(|_| house.acquire("p/a").ok()).collect();
        for permit in burst {
            permit.failed(&failure(Class::RateLimited, Scope::Model, Some(1)));
        }
        tokio::time::advance(S(1)).await;
    }
    assert_eq!(house.state("p/a").circuit(), Circuit::Closed);
    // Without hints a burst counts once, however large.
    let burst: Vec<_> = (0..100).map(|_| house.acquire("p/b").unwrap()).collect();
    for permit in burst {
        permit.failed(&failure(Class::RateLimited, Scope::Model, None));
    }
    assert_eq!(house.state("p/b").circuit(), Circuit::Closed);
    assert_eq!(house.state("p/b").stats().samples, 1);
}

#[tokio::test(start_paused = true)]
async fn silence_votes_only_if_there_was_time() {
    let after = |class, ms| async move {
        let house = House::new();
        for _ in 0..3 {
            let permit = house.acquire("p/a").unwrap();
            tokio::time::advance(Duration::from_millis(ms)).await;
            permit.failed(&failure(class, Scope::Model, None));
        }
        house.state("p/a").circuit()
    };
    assert_eq!(after(Class::TimeoutTotal, 9_999).await, Circuit::Closed);
    assert_eq!(after(Class::TimeoutTotal, 10_000).await, Circuit::Open);
    assert_eq!(after(Class::TimeoutFirstToken, 2_499).await, Circuit::Closed);
    assert_eq!(after(Class::TimeoutFirstToken, 2_500).await, Circuit::Open);
    let house = House::new();
    for _ in 0..3 {
        let mut permit = house.acquire("p/a").unwrap();
        permit.first_content(S(1));
        tokio::time::advance(S(60)).await;
        permit.failed(&failure(Class::TimeoutTotal, Scope::Model, None));
    }
    assert_eq!(house.state("p/a").circuit(), Circuit::Closed, "a long answer that flowed is no failure");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_probe_is_neutral() {
    let house = House::new();
    house.open("p/a");
    tokio::time::advance(S(5)).await;
    let probe = house.acquire("p/a").unwrap();
    assert!(probe.is_probe());
    assert_eq!(house.gate("p/a"), Some(Gate::Breaker));
    drop(probe);
    for class in [Class::ClientCancelled, Class::BadRequest, Class::PluginFault] {
        let probe = house.acquire("p/a").unwrap();
        assert!(probe.is_probe());
        probe.failed(&Failure::new(class, "x"));
        assert_eq!(house.state("p/a").circuit(), Circuit::HalfOpen, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gated_call_never_takes_the_probes_place() {
    let house = House::new();
    house.open("p/a");
    tokio::time::advance(S(5)).await;
    // The probe is rate limited: its slot is free, and the next probe waits for the rate gate.
    house.fail("p/a", &failure(Class::RateLimited, Scope::Model, Some(30)));
    assert_eq!(house.state("p/a").circuit(), Circuit::HalfOpen);
    assert_eq!(house.gate("p/a"), Some(Gate::Rate));
    tokio::time::advance(S(30)).await;
    assert!(house.acquire("p/a").unwrap().is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_configuration_change_repairs_credentials_and_keeps_health() {
    let house = House::new();
    house.open("p/a");
    for class in [Class::Auth, Class::QuotaExhausted] {
        house.fail("p/b", &failure(class, Scope::Credential, None));
        assert!(house.gate("p/b").is_some());
        house.targets.configure(&[], &BreakerSettings::default());
        assert_eq!(house.gate("p/b"), None, "{class}");
    }
    house.fail("p/b", &failure(Class::ModelNotFound, Scope::Model, None));
    house.fail("q/c", &failure(Class::RateLimited, Scope::Model, Some(60)));
    house.targets.configure(&[TargetId::new("p", "b")], &BreakerSettings::default());
    assert_eq!(house.gate("p/b"), None);
    assert_eq!(house.gate("q/c"), Some(Gate::Rate), "the provider's word, not ours to take back");
    assert_eq!(house.gate("p/a"), Some(Gate::Breaker), "an open breaker stays open");
    house.targets.provider_changed(&"p".into());
    assert!(house.acquire("p/a").unwrap().is_probe(), "new code may be the cure");
}

#[tokio::test(start_paused = true)]
async fn jumps_of_the_wall_clock_change_nothing() {
    let house = House::new();
    for _ in 0..10 {
        let _jump = house.targets.outside.clock.wall();
        assert_eq!(house.gate("p/a"), None);
    }
    house.open("p/a");
    let before = house.acquire("p/a").unwrap_err();
    let _jump = house.targets.outside.clock.wall();
    assert_eq!(house.acquire("p/a").unwrap_err(), before);
}

#[tokio::test(start_paused = true)]
async fn stats_follow_the_calls() {
    let house = House::new();
    for (ms, good) in [(100, true), (100, true), (100, true), (400, false)] {
        let mut permit = house.acquire("p/a").unwrap();
        permit.first_content(Duration::from_millis(ms));
        permit.first_content(S(50));
        assert_eq!(house.state("p/a").stats().in_flight, 1);
        match good {
            true => permit.finished(),
            false => permit.failed(&Failure::new(Class::StreamBroken, "x")),
        }
    }
    drop(house.acquire("p/a").unwrap());
    house.fail("p/a", &Failure::new(Class::BadRequest, "x"));
    let stats = house.state("p/a").stats();
    assert_eq!((stats.samples, stats.in_flight), (4, 0));
    assert!((stats.success_rate - 0.75).abs() < 1e-9);
    assert!((stats.first_token_ewma_ms - 160.0).abs() < 1e-9);
    assert!((stats.first_token_p95_ms - 400.0).abs() < 1e-9);
    let candidate = house.state("p/a").candidate(CallKind::Streamed, SizeFactor::ONE, 2.0, None);
    assert_eq!((candidate.samples, candidate.gated, candidate.circuit), (4, false, Circuit::Closed));
}

#[tokio::test(start_paused = true)]
async fn the_context_window_is_learned_and_unlearned() {
    let house = House::new();
    let state = house.state("p/a");
    let check = |expect: Option<u32>| assert_eq!(state.learned_context_window(), expect);
    check(None);
    state.learn_context_window(8_000);
    state.learn_context_window(9_000);
    check(Some(8_000));
    state.learn_context_window(4_000);
    state.fitted(3_999);
    check(Some(4_000));
    state.fitted(5_000);
    check(None);
}

#[tokio::test(start_paused = true)]
async fn the_map_is_bounded_and_keeps_what_matters() {
    let house = House::new();
    house.targets.configure(&[TargetId::new("p", "configured")], &BreakerSettings::default());
    house.open("p/configured");
    let held = house.acquire("p/held").unwrap();
    for n in 0..3 * TARGETS_CAP {
        house.state(&format!("p/invented{n}"));
    }
    assert!(house.targets.read().states.len() <= TARGETS_CAP);
    assert_eq!(house.gate("p/configured"), Some(Gate::Breaker));
    assert_eq!(house.state("p/held").stats().in_flight, 1, "a call under way keeps its state");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_full_map_still_serves() {
    let house = House::new();
    let all: Vec<_> = (0..TARGETS_CAP + 10).map(|n| house.state(&format!("p/m{n}"))).collect();
    assert_eq!(house.targets.read().states.len(), TARGETS_CAP);
    assert!(all.iter().all(|state| state.try_acquire(&ask(1)).is_ok()));
}

#[tokio::test(start_paused = true)]
async fn status_shows_every_reason() {
    let house = House::new();
    house.open("p/a");
    house.fail("p/b", &failure(Class::RateLimited, Scope::Credential, Some(9)));
    house.targets.force_closed(&TargetId::parse("q/c").unwrap(), "drill", S(60));
    let status = serde_json::to_value(house.targets.status()).unwrap();
    let text = |row: usize, member: &str| status[row][member].to_string();
    assert_eq!(text(0, "target"), r#""p/a""#);
    assert_eq!(text(0, "circuit"), r#""open""#);
    assert_eq!((text(0, "opens"), text(0, "generation")), ("1".into(), "2".into()));
    let rest = status[0]["retry_in_ms"].as_u64().unwrap();
    assert!((4_000..=5_000).contains(&rest), "{rest}");
    let gates = r#"[{"gate":"rate_limited","scope":"credential","remaining_ms":9000},{"gate":"paced","scope":"model","remaining_ms":2000}]"#;
    assert_eq!(text(1, "gates"), gates);
    assert_eq!(text(2, "circuit"), r#""forced_closed""#);
    assert_eq!(text(2, "forced_reason"), r#""drill""#);
    house.targets.release(&TargetId::parse("q/c").unwrap());
    house.targets.reset(&TargetId::parse("p/a").unwrap());
    let circuits: Vec<_> = house.targets.status().iter().map(|status| status.circuit).collect();
    assert_eq!(circuits, ["closed"; 3]);
}

#[tokio::test(start_paused = true)]
async fn watchers_hear_each_change_once() {
    let house = House::new();
    let states: Vec<_> = (1..=3).map(|n| (n, house.state("p/a"))).collect();
    for (n, state) in &states {
        let permit = state.try_acquire(&ask(*n)).unwrap();
        permit.failed(&Failure::new(Class::Overloaded, "x"));
    }
    let burst: Vec<_> = (0..3).map(|_| house.acquire("p/b").unwrap()).collect();
    for permit in burst {
        permit.failed(&failure(Class::RateLimited, Scope::Model, Some(9)));
    }
    let heard = house.heard.0.lock().unwrap();
    let expect_causes = vec![RequestId(1), RequestId(2), RequestId(3)];
    assert!(matches!(&heard[0], Note::CircuitChanged { from: Circuit::Closed, to: Circuit::Open,
        open_for: Some(_), causes, .. } if *causes == expect_causes));
    assert!(matches!(&heard[1], Note::GateClosed { gate: Gate::Rate, for_time, .. } if *for_time == S(9)));
    assert_eq!(heard.len(), 2, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_prefill_is_believed_for_an_hour_or_until_something_changes() {
    let house = House::new();
    let state = house.state("p/a");
    let changes: [&dyn Fn(); 3] = [
        &|| house.targets.configure(&[], &BreakerSettings::default()),
        &|| house.targets.provider_changed(&Arc::from("p")),
        &|| house.targets.reset(state.id()),
    ];
    for change in changes {
        state.learn_refused_prefill();
        assert!(state.refuses_prefill());
        change();
        assert!(!state.refuses_prefill());
    }
    state.learn_refused_prefill();
    tokio::time::advance(S(3_599)).await;
    assert!(state.refuses_prefill());
    tokio::time::advance(S(1)).await;
    assert!(!state.refuses_prefill());
}
