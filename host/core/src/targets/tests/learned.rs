//! What targets learn from calls: outlook, pace, limit; and who is called in secret to keep it true.

use super::*;
use crate::class::Side;
use crate::outlook::Forecast;

const MS: fn(u64) -> Duration = Duration::from_millis;

impl House {
    fn plain(&self, id: &str) -> Permit {
        self.state(id).try_acquire(&Ask { kind: CallKind::Plain, ..ask(1) }).unwrap()
    }

    fn forecast(&self, id: &str) -> Forecast {
        self.state(id).forecast(CallKind::Streamed)
    }

    /// Good streams that begin after so many milliseconds, one after the other.
    async fn streams(&self, id: &str, count: usize, ms: u64) {
        for _ in 0..count {
            let mut permit = self.acquire(id).unwrap();
            tokio::time::advance(MS(ms)).await;
            permit.first_content(MS(ms));
            permit.finished();
        }
    }

    fn twin(&self, id: &str) -> Option<(Permit, TwinReason)> {
        self.state(id).try_twin(&ask(1))
    }

    async fn half_open(&self, id: &str) {
        self.open(id);
        tokio::time::advance(S(5)).await;
    }
}

fn is_near(got: f64, expect: f64) -> bool {
    (got / expect - 1.0).abs() < 0.1
}

#[tokio::test(start_paused = true)]
async fn streams_and_plain_answers_are_different_histories() {
    let house = House::new();
    house.streams("p/a", 30, 500).await;
    for _ in 0..30 {
        let permit = house.plain("p/a");
        tokio::time::advance(S(12)).await;
        permit.finished();
    }
    assert!(is_near(house.forecast("p/a").p50_s, 0.5));
    let plain = house.state("p/a").forecast(CallKind::Plain);
    assert!(is_near(plain.p50_s, 12.0) && plain.samples == 30, "{plain:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_request_is_judged_by_its_size() {
    let house = House::new();
    let size = SizeFactor::of_tokens(7 * 4_096);
    for _ in 0..30 {
        let mut permit = house.state("p/a").try_acquire(&Ask { size, ..ask(1) }).unwrap();
        permit.first_content(S(4));
    }
    assert!(is_near(house.forecast("p/a").p50_s, 0.5));
    let candidate = house.state("p/a").candidate(CallKind::Streamed, size, 1.0, None);
    assert!(is_near(candidate.predicted_ms, 8_000.0 * house.forecast("p/a").score_s), "{candidate:?}");
    let unknown = house.state("p/b").candidate(CallKind::Streamed, size, 1.0, None);
    assert!(unknown.predicted_ms < 0.0);
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_call_ends_its_wait() {
    let house = House::new();
    let waiting = || house.forecast("p/a").waiting;
    let mut all: Vec<_> = (0..5).map(|_| house.acquire("p/a").unwrap()).collect();
    assert_eq!(waiting(), 5);
    all[0].first_content(MS(300));
    assert_eq!(waiting(), 4, "content");
    all.pop().unwrap().finished();
    assert_eq!(waiting(), 3, "an end without content");
    all.pop().unwrap().failed(&Failure::new(Class::ServerError, "x"));
    assert_eq!(waiting(), 2, "a failure");
    all.pop().unwrap().lesson().spoil();
    assert_eq!(waiting(), 1, "an injected fault");
    drop(all);
    assert_eq!(waiting(), 0, "a client that left");
    assert_eq!(house.state("p/a").stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_given_up_call_is_a_lower_bound() {
    let samples_after = async |ms: u64, end: fn(Permit)| {
        let house = House::new();
        house.streams("p/a", 30, 500).await;
        let permit = house.acquire("p/a").unwrap();
        tokio::time::advance(MS(ms)).await;
        end(permit);
        house.forecast("p/a").samples - 30
    };
    assert_eq!(samples_after(400, drop).await, 0, "a loser below the median");
    assert_eq!(samples_after(900, drop).await, 1, "a loser above it");
    assert_eq!(samples_after(900, |p| p.failed(&Failure::new(Class::TimeoutFirstToken, "x"))).await, 1);
    assert_eq!(samples_after(900, |p| p.failed(&Failure::new(Class::ServerError, "x"))).await, 0);
}

#[tokio::test(start_paused = true)]
async fn failures_raise_the_score_and_judged_requests_do_not() {
    let rate_after = |class: Class, started: bool| {
        let house = House::new();
        let mut permit = house.acquire("p/a").unwrap();
        if started {
            permit.first_content(MS(500));
        }
        permit.failed(&Failure::new(class, "x"));
        house.forecast("p/a").error_rate
    };
    assert!(rate_after(Class::ServerError, false) > 0.07);
    assert!(rate_after(Class::EmptyAnswer, false) > 0.07);
    assert!(rate_after(Class::StreamBroken, true) > 0.07);
    for class in [Class::BadRequest, Class::RateLimited, Class::ClientCancelled, Class::ContextLength] {
        assert!(rate_after(class, false) < 1e-9, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_injected_fault_teaches_nothing_and_still_opens() {
    let house = House::new();
    house.streams("p/a", 30, 500).await;
    let (before, stats) = (house.forecast("p/a"), house.state("p/a").stats());
    let mut broken = house.acquire("p/a").unwrap();
    broken.first_content(MS(500));
    let began = house.forecast("p/a");
    broken.lesson().spoil();
    broken.paused(S(9));
    broken.failed(&Failure::new(Class::StreamBroken, "x"));
    let calls: Vec<_> = (0..3).map(|_| house.acquire("p/a").unwrap()).collect();
    tokio::time::advance(S(10)).await;
    for mut permit in calls {
        permit.lesson().spoil();
        permit.failed(&Failure::new(Class::TimeoutFirstToken, "x"));
    }
    let after = house.forecast("p/a");
    assert_eq!((after.samples, after.error_rate), (31, 0.0), "only what came before the fault");
    assert!((after.score_s - began.score_s).abs() < 1e-9 && before.samples == 30);
    assert_eq!(house.state("p/a").stats().samples, stats.samples);
    assert_eq!(house.state("p/a").circuit(), Circuit::Open);
    let mut limited = house.acquire("p/b").unwrap();
    limited.lesson().spoil();
    limited.failed(&failure(Class::RateLimited, Scope::Model, Some(1)));
    assert_eq!(house.gate("p/b"), Some(Gate::Rate));
    tokio::time::advance(S(1)).await;
    assert_eq!(house.state("p/b").status().pace_per_s, None);
}

#[tokio::test(start_paused = true)]
async fn pauses_come_from_the_permit() {
    let house = House::new();
    let mut permit = house.acquire("p/a").unwrap();
    permit.first_content(MS(500));
    (0..150).for_each(|_| permit.paused(MS(50)));
    assert_eq!(house.forecast("p/a").gap_p99_s, None, "a stream counts when it is over");
    permit.finished();
    assert_eq!(house.forecast("p/a").gap_p99_s, Some(0.064));
}

#[tokio::test(start_paused = true)]
async fn after_a_rate_limit_calls_are_paced() {
    let house = House::new();
    for _ in 0..200 {
        tokio::time::advance(MS(50)).await;
        house.acquire("p/a").unwrap().finished();
    }
    house.fail("p/a", &failure(Class::RateLimited, Scope::Model, Some(1)));
    assert_eq!(house.gate("p/a"), Some(Gate::Rate), "the provider's word comes first");
    assert!(is_near(house.state("p/a").status().pace_per_s.unwrap(), 18.0));
    tokio::time::advance(S(1)).await;
    let burst: Vec<_> = std::iter::from_fn(|| house.acquire("p/a").ok()).collect();
    assert_eq!(burst.len(), 2);
    let refusal = house.acquire("p/a").unwrap_err();
    assert_eq!(refusal.gate, Gate::Pace);
    assert!(refusal.retry_in.unwrap() < MS(60), "{refusal:?}");
    assert_eq!(house.state("p/a").refusal().map(|refusal| refusal.gate), Some(Gate::Pace));
    assert!(house.state("p/a").candidate(CallKind::Streamed, SizeFactor::ONE, 1.0, None).gated);
    let status = house.state("p/a").status();
    assert_eq!(status.gates.iter().map(|gate| gate.gate).collect::<Vec<_>>(), ["paced"]);
    let only = Ask { only_one_left: true, ..ask(1) };
    assert!(house.state("p/a").try_acquire(&only).is_ok(), "nobody fails because of a guess");
    house.targets.reset(house.state("p/a").id());
    assert_eq!(house.gate("p/a"), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusing_breaker_gives_the_place_back() {
    let house = House::new();
    house.fail("p/a", &failure(Class::RateLimited, Scope::Model, Some(1)));
    tokio::time::advance(S(4)).await;
    let before: Vec<_> = (0..2).map(|_| house.acquire("p/a").unwrap()).collect();
    for permit in before {
        permit.failed(&Failure::new(Class::ServerError, "x"));
    }
    tokio::time::advance(S(2)).await;
    house.fail("p/a", &Failure::new(Class::ServerError, "x"));
    tokio::time::advance(S(2)).await;
    for _ in 0..9 {
        assert_eq!(house.gate("p/a"), Some(Gate::Breaker), "not paced: no call went out");
    }
    assert_eq!(house.state("p/a").stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn overload_limits_calls_under_way() {
    let house = House::new();
    let mut calls: Vec<_> = (0..20).map(|_| house.acquire("p/a").unwrap()).collect();
    for limit in [None, None, Some(9)] {
        calls.pop().unwrap().failed(&failure(Class::RateLimited, Scope::Model, Some(1)));
        assert_eq!(house.state("p/a").status().concurrency_limit, limit);
    }
    tokio::time::advance(S(9)).await;
    calls.truncate(9);
    let refusal = house.acquire("p/a").unwrap_err();
    assert_eq!(refusal, Refusal { gate: Gate::Concurrency, retry_in: None });
    let only = Ask { only_one_left: true, ..ask(1) };
    assert!(house.state("p/a").try_acquire(&only).is_err(), "more calls would make it worse");
    assert_eq!(house.state("p/a").refusal(), Some(refusal));
    let status = serde_json::to_value(house.state("p/a").status()).unwrap();
    let gates = r#"[{"gate":"concurrency_limited","scope":"model","remaining_ms":null}]"#;
    assert_eq!(status["gates"].to_string(), gates);
    calls.pop().unwrap().finished();
    assert_eq!(house.gate("p/a"), None);
    assert_eq!(house.gate("p/b"), None, "a sibling is another target");
}

#[tokio::test(start_paused = true)]
async fn our_own_bottleneck_is_not_the_targets() {
    let house = House::new();
    let overload = |id, side| {
        let calls: Vec<_> = (0..9).map(|_| house.acquire(id).unwrap()).collect();
        for permit in calls.into_iter().take(3) {
            permit.failed(&Failure::new(Class::Overloaded, "x").on(side));
        }
        house.state(id).status().concurrency_limit
    };
    assert_eq!(overload("p/a", Side::Gateway), None, "a busy plugin");
    assert_eq!(overload("p/b", Side::Upstream), Some(3));
}

#[tokio::test(start_paused = true)]
async fn probes_ride_as_twins() {
    let house = House::new();
    house.open("p/a");
    assert!(house.twin("p/a").is_none(), "its time is not over");
    tokio::time::advance(S(5)).await;
    let (probe, reason) = house.twin("p/a").unwrap();
    assert!(probe.is_probe() && reason == TwinReason::Probe);
    assert!(house.twin("p/a").is_none() && house.state("p/a").try_probe(&ask(1)).is_none(), "one at a time");
    drop(probe);
    assert!(house.state("p/a").try_probe(&ask(1)).is_some_and(|permit| permit.is_probe()));
    house.targets.force_open(house.state("p/a").id(), "maintenance", S(60));
    assert!(house.twin("p/a").is_none(), "an operator is respected");
}

#[tokio::test(start_paused = true)]
async fn a_gated_target_has_no_twin() {
    let house = House::new();
    house.half_open("p/a").await;
    house.fail("p/a", &failure(Class::RateLimited, Scope::Model, Some(30)));
    assert!(house.twin("p/a").is_none() && house.state("p/a").try_probe(&ask(1)).is_none());
    tokio::time::advance(S(30)).await;
    assert!(house.twin("p/a").is_some());
}

#[tokio::test(start_paused = true)]
async fn quiet_targets_are_sampled() {
    let house = House::new();
    house.streams("p/a", 1, 500).await;
    assert!(house.state("p/a").try_probe(&ask(1)).is_none(), "a healthy target needs no probe");
    tokio::time::advance(S(10)).await;
    let (quiet, reason) = house.twin("p/a").unwrap();
    assert_eq!((reason, quiet.is_probe()), (TwinReason::Quiet, false));
    let sampled = (0..5_000).filter_map(|_| house.twin("p/a")).collect::<Vec<_>>();
    assert!(sampled.iter().all(|(_, reason)| *reason == TwinReason::Sampled), "one is finding out already");
    assert!((60..140).contains(&sampled.len()), "one of fifty: {}", sampled.len());
}

#[tokio::test(start_paused = true)]
async fn status_tells_what_is_expected_and_who_changed_it() {
    let house = House::new();
    house.streams("p/a", 30, 500).await;
    assert_eq!(house.state("p/a").status().last_change, None);
    for n in 7..10 {
        house.state("p/a").try_acquire(&ask(n)).unwrap().failed(&Failure::new(Class::ServerError, "x"));
    }
    tokio::time::advance(S(2)).await;
    let status = house.state("p/a").status();
    let change = status.last_change.unwrap();
    assert_eq!((change.from, change.to, change.reason), ("closed", "open", "consecutive_failures"));
    assert_eq!((change.ago_ms, change.requests.len()), (2_000, 3));
    assert_eq!(change.requests[0], RequestId(7).to_string());
    let [streamed, plain] = status.forecasts;
    assert_eq!((streamed.kind, streamed.samples, plain.kind, plain.samples), ("streamed", 30, "plain", 0));
    assert!(is_near(streamed.p95_ms, 500.0) && streamed.error_rate > 0.2, "{streamed:?}");
}
