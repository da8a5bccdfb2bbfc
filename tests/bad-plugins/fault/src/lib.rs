//! A fault injector with one kind per action of the contract.

wit_bindgen::generate!({ path: "../../../wit", world: "fault-injector", generate_all });

use exports::seawall::plugin::fault::*;

struct Component;

impl exports::seawall::plugin::fault::Guest for Component {
    type Transform = Doubling;

    fn describe() -> Catalogue {
        let kind = |name: &str| Kind {
            name: name.into(),
            layer: "headers".into(),
            description: format!("does {name}"),
            config_schema: "{}".into(),
        };
        Catalogue {
            manifest: Manifest {
                name: "faults".into(),
                version: "0.1.0".into(),
                description: "one of each".into(),
                config_schema: None,
            },
            kinds: ["pass", "respond", "fail", "answer", "refuse", "reset", "hang", "double"]
                .map(kind)
                .into(),
        }
    }

    fn check(kind: String, config: String) -> Vec<ConfigProblem> {
        if config == "{}" {
            Vec::new()
        } else {
            vec![ConfigProblem { path: String::new(), message: format!("{kind} takes nothing"), fix: None }]
        }
    }

    fn decide(kind: String, a: Attempt, config: String) -> Result<Verdict, String> {
        if config.contains("trap") {
            panic!("this fault traps on purpose");
        }
        let action = match kind.as_str() {
            "pass" => Action::Pass,
            "respond" => Action::Respond(FakeResponse {
                status: if config.contains("status") { 7 } else { 503 },
                headers: vec![Header { name: "x-fault".into(), value: a.provider }],
                body: b"down".to_vec(),
            }),
            "fail" => Action::Fail(ClassFailure {
                class: ErrorClass::RateLimited,
                retry_after: Some("7".into()),
                status: config.contains("dress").then_some(200),
            }),
            "answer" => {
                Action::Answer(FakeAnswer { text: a.passed_tokens.to_string(), finish: FinishReason::Length })
            }
            "refuse" => Action::RefuseConnection,
            "reset" => Action::Reset,
            "hang" => Action::Hang,
            "double" => Action::Rewrite(vec![Header { name: "x-doubled".into(), value: "yes".into() }]),
            other => return Err(format!("no kind {other}")),
        };
        Ok(Verdict { delay_ms: 25, action })
    }
}

struct Doubling {
    trap: bool,
}

impl GuestTransform for Doubling {
    fn new(_kind: String, _a: Attempt, config: String) -> Self {
        Self { trap: config.contains("later") }
    }

    fn piece(&self, frames: Vec<Frame>) -> Vec<Step> {
        assert!(!self.trap, "this transform traps on purpose");
        frames.into_iter().flat_map(|f| [Step::WaitMs(1), Step::Send(f.clone()), Step::Send(f)]).collect()
    }

    fn finish(&self) -> Vec<Step> {
        vec![Step::Raw(b"tail".to_vec()), Step::Fill(9), Step::End]
    }
}

export!(Component);
