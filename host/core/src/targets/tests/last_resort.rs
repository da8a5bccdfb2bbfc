//! Who has nobody else may call a resting target, as far as its credit goes.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_dead_target_gets_twenty_last_resorts_and_gates_are_respected() {
    let house = House::new();
    house.open("p/a");
    house.open("q/a");
    let server_error = || Failure::new(Class::ServerError, "x");
    let waiting: Vec<_> = std::iter::from_fn(|| house.last_resort("p/a")).collect();
    assert_eq!(waiting.len(), 17, "so many at once: twenty, less those that opened the breaker");
    drop(waiting);
    for _ in 0..17 {
        house.last_resort("p/a").expect("whoever gave up has cost nothing").failed(&server_error());
    }
    assert!(house.last_resort("p/a").is_none(), "nothing but failures");
    assert!(house.last_resort("q/a").is_some(), "another target's credit is its own");
    house.last_resort("q/a").unwrap().failed(&failure(Class::RateLimited, Scope::Model, Some(60)));
    assert!(house.last_resort("q/a").is_none(), "a rate gate is respected");
    house.open("q/b");
    house.targets.force_open(&TargetId::parse("q/b").unwrap(), "maintenance", S(60));
    assert!(house.last_resort("q/b").is_none(), "an operator is respected");
}

#[tokio::test(start_paused = true)]
async fn failed_probes_cost_credit_and_a_reset_restores_it() {
    let house = House::new();
    house.open("p/a");
    let left = || house.state("p/a").status().last_resorts;
    for spent in 1..=17 {
        tokio::time::advance(S(15)).await;
        house.acquire("p/a").unwrap().failed(&Failure::new(Class::ServerError, "x"));
        assert_eq!(left(), 17 - spent);
    }
    assert!(house.last_resort("p/a").is_none(), "its probes say that it is dead");
    house.targets.reset(&TargetId::parse("p/a").unwrap());
    assert_eq!(left(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_last_resort_goes_beside_a_probe() {
    let house = House::new();
    house.open("p/a");
    tokio::time::advance(S(5)).await;
    let probe = house.acquire("p/a").unwrap();
    let mut beside = house.last_resort("p/a").expect("nobody is refused because a probe is under way");
    assert!(!beside.is_probe());
    beside.first_content(S(1));
    assert_eq!(house.state("p/a").circuit(), Circuit::HalfOpen);
    probe.failed(&Failure::new(Class::ServerError, "x"));
    assert!(house.last_resort("p/a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_good_last_resort_starts_the_recovery() {
    let house = House::new();
    house.open("p/a");
    let mut permit = house.last_resort("p/a").unwrap();
    permit.first_content(S(1));
    assert_eq!(house.state("p/a").circuit(), Circuit::HalfOpen);
    for _ in 0..2 {
        house.acquire("p/a").unwrap().finished();
    }
    assert_eq!(house.state("p/a").circuit(), Circuit::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_ramping_target_is_no_last_resort() {
    let house = House::new();
    house.open("p/a");
    tokio::time::advance(S(5)).await;
    for _ in 0..3 {
        house.acquire("p/a").unwrap().finished();
    }
    assert_eq!(house.state("p/a").circuit(), Circuit::Closed);
    assert!((0..100).any(|_| house.gate("p/a") == Some(Gate::Breaker)), "it ramps");
    let all: Vec<_> = (0..100).filter_map(|_| house.last_resort("p/a")).collect();
    assert_eq!(all.len(), 100, "nobody else can serve, and it is healthy");
}
