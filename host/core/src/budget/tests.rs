use super::*;
use crate::ports::TokioClock;
use AttemptKind::{Again, First, Hedge, Retry};

fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(Arc::new(TokioClock)))
}

/// The answers to these attempts of one request with this many candidates.
fn check(candidates: usize, kinds: &[AttemptKind], expect: &[Result<(), Spent>]) {
    let mut request = budget().request(candidates);
    let got: Vec<_> = kinds.iter().map(|kind| request.attempt(*kind).map(drop)).collect();
    assert_eq!(got, expect, "{candidates}: {kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_has_max_of_four_and_candidates() {
    const NO: Result<(), Spent> = Err(Spent::Request);
    check(1, &[First, Retry, Again, Again, Again], &[Ok(()), Ok(()), Ok(()), Ok(()), NO]);
    check(2, &[First, Retry, First, Retry, Again], &[Ok(()), Ok(()), Ok(()), Ok(()), NO]);
    // What is left is kept for candidates that nobody asked yet.
    check(3, &[First, Retry, Retry, First, First], &[Ok(()), Ok(()), NO, Ok(()), Ok(())]);
    check(5, &[First, Retry, First, First, First, First], &[Ok(()), NO, Ok(()), Ok(()), Ok(()), Ok(())]);
}

#[tokio::test(start_paused = true)]
async fn passing_a_candidate_over_frees_its_share() {
    let mut request = budget().request(4);
    let _first = request.attempt(First).unwrap();
    assert_eq!(request.attempt(Retry).map(drop), Err(Spent::Request));
    request.passed_over();
    assert!(request.attempt(Retry).is_ok());
    assert_eq!(request.made(), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_under_way_stay_below_a_fifth_and_three() {
    for (requests, expect) in [(1, 3), (4, 3), (5, 4), (10, 5), (50, 13)] {
        let budget = budget();
        let mut all: Vec<_> = (0..requests).map(|_| budget.request(1)).collect();
        let mut running = Vec::new();
        while let Ok(leave) = all[running.len() % requests].attempt(Retry) {
            running.push(leave);
            if running.len() > 3 * requests {
                break;
            }
        }
        assert_eq!(running.len(), expect, "{requests} requests under way");
        running.pop();
        let other = all[(running.len() + 1) % requests].attempt(Retry);
        assert_eq!(
            other.is_ok(),
            requests > 1,
            "a retry that ended makes room; a lone request is at its own cap"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_makes_twice_the_requests_and_twenty_in_ten_seconds() {
    let budget = budget();
    let mut made = 0;
    for _ in 0..30 {
        let mut request = budget.request(2);
        for kind in [First, First, Again, Again] {
            made += u32::from(request.attempt(kind).is_ok());
        }
    }
    assert_eq!(made, 30 * 2 + 20);
    let mut request = budget.request(1);
    assert!(request.attempt(First).is_ok(), "a first attempt is never refused");
    tokio::time::advance(CEILING_SPAN).await;
    assert!(request.attempt(Again).is_ok(), "ten seconds later the past is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_process_gives_the_retry_place_back() {
    let budget = budget();
    let mut firsts = budget.request(100);
    for _ in 0..100 {
        let _leave = firsts.attempt(First).unwrap();
    }
    let mut request = budget.request(1);
    for _ in 0..10 {
        assert_eq!(request.attempt(Retry).map(drop), Err(Spent::Process));
    }
    assert_eq!(budget.retries.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_made_costs_nothing() {
    let budget = budget();
    let mut request = budget.request(1);
    let _first = request.attempt(First).unwrap();
    for _ in 0..100 {
        let leave = request.attempt(Retry).expect("nobody has called again so far");
        request.give_back(leave);
    }
    assert_eq!((request.made(), budget.retries.load(Ordering::Relaxed)), (1, 0));
    assert_eq!(budget.recent().sums(budget.clock.now()), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_new_round_keeps_what_was_never_tried() {
    let mut request = budget().request(4);
    for _ in 0..3 {
        assert!(request.attempt(First).is_ok());
    }
    // The fourth was refused by a gate.
    request.passed_over();
    assert!(request.new_round(1));
    assert_eq!(request.attempt(Again).map(drop), Err(Spent::Request), "the last is kept for it");
    assert!(request.attempt(First).is_ok());
    assert!(!request.new_round(0));
}

#[tokio::test(start_paused = true)]
async fn a_place_given_up_and_spent_is_gone_in_the_next_round() {
    let mut request = budget().request(5);
    (0..3).for_each(|_| request.passed_over());
    for kind in [First, Retry, First, Retry] {
        assert!(request.attempt(kind).is_ok(), "{kind:?}");
    }
    assert!(request.new_round(3));
    assert!(request.attempt(First).is_ok());
    assert_eq!(request.attempt(First).map(drop), Err(Spent::Request), "five candidates, five attempts");
}

#[tokio::test(start_paused = true)]
async fn the_ceiling_refuses_what_may_still_help_before_what_must_be() {
    let budget = budget();
    let mut crowd = budget.request(100);
    while crowd.attempt(Hedge).is_ok() {}
    assert_eq!(crowd.made(), 22, "twice one request and twenty");
    assert!(!budget.twin(false));
    assert!(budget.twin(true), "a probe is never refused");
    assert!(crowd.attempt(First).is_ok());
}

#[test]
fn a_purse_holds_a_twentieth_and_a_few() {
    let purses = purse::Purses::default();
    let purse = purses.get(&Arc::from("chat")).unwrap();
    let spend = || (0..100).filter(|_| purse.take_hedge()).count();
    assert_eq!(spend(), 10);
    assert!(!purse.may_hedge());
    (0..100).for_each(|_| purse.credit());
    assert_eq!(spend(), 5);
    (0..10_000).for_each(|_| purse.credit());
    assert_eq!(spend(), 10, "no more is saved");
    assert_eq!((0..100).filter(|_| purse.take_twin()).count(), 2);
    assert!(Arc::ptr_eq(&purse, &purses.get(&Arc::from("chat")).unwrap()));
}

#[test]
fn invented_aliases_cost_no_memory() {
    let purses = purse::Purses::default();
    let known = (0..5_000).filter(|n| purses.get(&Arc::from(format!("alias {n}"))).is_some()).count();
    assert_eq!(known, 1_024);
    assert!(purses.get(&Arc::from("alias 7")).is_some());
}
