use super::*;
use seawall_plugin::serde_json::{Value, from_str};

fn attempt(random: u64) -> Attempt {
    Attempt {
        request_id: "r".to_owned(),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        alias: "chat".to_owned(),
        tenant: "default".to_owned(),
        streaming: true,
        attempt: 1,
        ordinal: random,
        random,
        now_ms: 0,
        armed_for_ms: 0,
    }
}

/// Sorted delays of 20,000 attempts.
fn delays(config: &str) -> Vec<u32> {
    let delay = |random| {
        let verdict = LatencyStorm::decide(KIND, &attempt(random), config).unwrap();
        assert_eq!(verdict.action, Action::Pass);
        verdict.delay_ms
    };
    let mut delays: Vec<_> = (0..20_000).map(delay).collect();
    delays.sort_unstable();
    delays
}

#[test]
fn delays_follow_the_distribution() {
    // Expected quantiles: 10, 50 and 90 percent.
    let cases = [
        (r#"{"distribution": "const", "ms": 700}"#, [700.0, 700.0, 700.0]),
        (r#"{"distribution": "uniform", "min_ms": 100, "max_ms": 1100}"#, [200.0, 600.0, 1000.0]),
        (r#"{"distribution": "normal", "mean_ms": 1000, "deviation_ms": 100}"#, [871.8, 1000.0, 1128.2]),
        (r#"{"median_ms": 1000, "sigma": 0.5}"#, [526.9, 1000.0, 1898.0]),
        (r#"{"distribution": "pareto", "min_ms": 100, "alpha": 2}"#, [105.4, 141.4, 316.2]),
        (r#"{"median_ms": 1000, "sigma": 0.5, "cap_ms": 1200}"#, [526.9, 1000.0, 1200.0]),
        (r#"{"distribution": "const", "ms": 700, "percent": 30}"#, [0.0, 0.0, 700.0]),
    ];
    for (config, quantiles) in cases {
        let seen = delays(config);
        for (at, expected) in [2_000, 10_000, 18_000].into_iter().zip(quantiles) {
            let delay = f64::from(seen[at]);
            assert!((delay - expected).abs() <= expected * 0.03, "{config} at {at}: {delay}, not {expected}");
        }
    }
}

#[test]
fn a_normal_delay_is_never_negative_and_all_can_be_replayed() {
    let config = r#"{"distribution": "normal", "mean_ms": 0, "deviation_ms": 1000}"#;
    assert_eq!(delays(config)[0], 0);
    assert_eq!(delays(config), delays(config));
}

#[test]
fn problems_stand_at_their_place() {
    let paths = |config| LatencyStorm::check(KIND, config).into_iter().map(|p| p.path).collect::<Vec<_>>();
    assert_eq!(paths("{}"), Vec::<String>::new());
    assert_eq!(paths(r#"{"distribution": "zipf"}"#), ["/distribution"]);
    assert_eq!(paths(r#"{"distribution": "const", "ms": -1}"#), ["/ms"]);
    assert_eq!(paths(r#"{"distribution": "const", "sigma": 1}"#), ["/sigma"]);
    assert_eq!(paths(r#"{"distribution": "uniform", "min_ms": 9, "max_ms": 1}"#), ["/max_ms"]);
    assert_eq!(LatencyStorm::check("meteor", "{}").len(), 1);
}

#[test]
fn the_schema_parses() {
    let kinds = LatencyStorm::describe().kinds;
    assert!(from_str::<Value>(&kinds[0].config_schema).is_ok());
}
