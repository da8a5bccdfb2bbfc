//! A routing policy that reverses the order, or misbehaves when its configuration says so.

wit_bindgen::generate!({ path: "../../../wit", world: "routing-policy", generate_all });

use exports::seawall::plugin::policy::*;

struct Component;

impl exports::seawall::plugin::policy::Guest for Component {
    fn describe() -> Manifest {
        Manifest {
            name: "reverse".into(),
            version: "0.1.0".into(),
            description: "last first".into(),
            config_schema: Some("{\"type\":\"object\"}".into()),
        }
    }

    fn check(config: String) -> Vec<ConfigProblem> {
        if config.contains("typo") {
            vec![ConfigProblem { path: "/typo".into(), message: "unknown member".into(), fix: None }]
        } else {
            Vec::new()
        }
    }

    fn route(req: RequestInfo, candidates: Vec<Candidate>, config: String) -> Result<Plan, String> {
        if config.contains("spin") {
            loop {
                std::hint::black_box(&req);
            }
        }
        if config.contains("trap") {
            panic!("this policy traps on purpose");
        }
        if config.contains("refuse") {
            return Err("no opinion".into());
        }
        Ok(Plan {
            exclude: candidates.iter().filter(|c| c.circuit == Circuit::Open).map(|c| c.id.clone()).collect(),
            order: candidates.into_iter().rev().map(|c| c.id).collect(),
            hedge_after_ms: None,
            reason: format!("{} reversed at {}", req.alias, req.now_ms),
        })
    }
}

export!(Component);
