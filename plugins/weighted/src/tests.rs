use super::*;
use seawall_plugin::policy::Circuit;
use seawall_plugin::random::Draws;

fn candidate(id: &str, weight: f64) -> Candidate {
    let (provider, model) = id.split_once('/').unwrap();
    Candidate {
        id: id.to_owned(),
        provider: provider.to_owned(),
        model: model.to_owned(),
        weight,
        circuit: Circuit::Closed,
        first_token_ewma_ms: -1.0,
        first_token_p95_ms: -1.0,
        predicted_ms: -1.0,
        success_rate: 1.0,
        samples: 0,
        in_flight: 0,
        input_cost_per_1m: None,
        output_cost_per_1m: None,
    }
}

fn request(random: u64, affinity: Option<&str>) -> RequestInfo {
    RequestInfo {
        id: "r".to_owned(),
        alias: "chat".to_owned(),
        tenant: "default".to_owned(),
        affinity: affinity.map(str::to_owned),
        streaming: false,
        input_tokens_estimate: 1,
        has_tools: false,
        has_images: false,
        metadata: Vec::new(),
        now_ms: 0,
        random,
        ordinal: 0,
    }
}

fn order(request: &RequestInfo, candidates: &[Candidate], config: &str) -> Vec<String> {
    Weighted::route(request, candidates, config).unwrap().order
}

#[test]
fn first_places_are_shared_in_proportion() {
    let candidates = [candidate("a/x", 1.0), candidate("b/x", 3.0), candidate("c/x", 0.0)];
    let cases =
        [("{}", 0.75), (r#"{"weights": {"b/x": 1}}"#, 0.5), (r#"{"weights": {"a": 9, "b": 1}}"#, 0.1)];
    for (config, share_of_b) in cases {
        let mut draws = Draws::new(7);
        let rounds = 20_000;
        let first_is_b = |_: &i32| {
            let order = order(&request(draws.next_u64(), None), &candidates, config);
            assert_eq!(order.len(), 2, "a target without weight is not in the order");
            order[0] == "b/x"
        };
        let seen =
            f64::from(u32::try_from((0..rounds).filter(first_is_b).count()).unwrap()) / f64::from(rounds);
        assert!((seen - share_of_b).abs() < 0.02, "{config}: {seen}");
    }
}

#[test]
fn equal_arguments_give_equal_orders_and_the_list_does_not_matter() {
    let mut candidates = [candidate("a/x", 1.0), candidate("b/x", 1.0), candidate("c/x", 1.0)];
    let before = order(&request(42, None), &candidates, "{}");
    candidates.reverse();
    assert_eq!(order(&request(42, None), &candidates, "{}"), before);
    let others: Vec<_> = before.iter().filter(|id| *id != "b/x").cloned().collect();
    let without_b: Vec<_> = candidates.into_iter().filter(|c| c.id != "b/x").collect();
    assert_eq!(order(&request(42, None), &without_b, "{}"), others);
}

#[test]
fn sticky_follows_the_key_and_not_the_dice() {
    let candidates = [candidate("a/x", 1.0), candidate("b/x", 1.0), candidate("c/x", 1.0)];
    let of = |random, key, config| order(&request(random, key), &candidates, config);
    let sticky = r#"{"sticky": true}"#;
    assert!((0..50).all(|random| of(random, Some("k"), sticky) == of(99, Some("k"), sticky)));
    assert!((0..50).any(|random| of(random, Some("k"), "{}") != of(99, Some("k"), "{}")));
    assert!((0..50).any(|random| of(random, None, sticky) != of(99, None, sticky)));
}

#[test]
fn problems_stand_at_their_place() {
    let problems = Weighted::check(r#"{"weights": {"a/x": -1, "b": "2"}, "stiky": true}"#);
    let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["/weights/a~1x", "/weights/b", "/stiky"]);
    assert_eq!(Weighted::check(""), []);
    assert!(Weighted::route(&request(1, None), &[], r#"{"sticky": 3}"#).is_err());
}
