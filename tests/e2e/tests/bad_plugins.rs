//! Adapters that loop, trap, hoard, flood and forge in a gateway that serves: each costs its own candidate and nothing
//! else, and operators see who it was.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use seawall_e2e::{Stage, block_on, components, eventually, reading};
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How an adapter misbehaves while it writes the request, by model name, and the diagnostic for it.
const MODES: [(&str, &str); 14] = [
    ("bad:spin", "P031"),
    ("bad:bomb", "P032"),
    ("bad:trap", "P030"),
    ("bad:stack", "P033"),
    ("bad:huge", "P034"),
    ("bad:sleep", "P035"),
    ("bad:exit", "P036"),
    ("bad:auth-header", "P041"),
    ("bad:cookie", "P041"),
    ("bad:host-header", "P041"),
    ("bad:crlf", "P041"),
    ("bad:host-path", "P042"),
    ("bad:dots", "P042"),
    ("bad:absolute", "P042"),
];

/// As above, while it reads the reply: the upstream has been asked by then. Plain or streamed.
const READING_MODES: [(&str, bool, &str); 4] = [
    ("bad:parse-trap", false, "P030"),
    ("bad:parse-not-json", false, "P045"),
    ("bad:decoder-trap", true, "P030"),
    ("bad:feed-spin", true, "P031"),
];

struct House {
    sim: Sim,
    stage: Stage,
    folder: tempfile::TempDir,
    questions: Cell<u32>,
}

/// A provider's and plugin's name for a mode.
fn name_of(mode: &str) -> String {
    mode.replace(':', "-")
}

impl House {
    /// A provider for each mode, served by its own copy of the component, with a healthy spare behind it in the alias
    /// of the same name.
    async fn open(modes: &[&str]) -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let component = components::misbehaving("");
        let mut config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[plugins]\ndir = {:?}\n\
             [providers.spare]\nadapter = \"anthropic\"\nbase_url = \"{}\"\n",
            folder.path(),
            sim.base_url("spare", Dialect::Anthropic)
        );
        for mode in modes {
            let name = name_of(mode);
            std::fs::write(folder.path().join(format!("{name}.wasm")), &component).expect("a file");
            config.push_str(&format!(
                "[providers.{name}]\nadapter = \"{name}\"\nbase_url = \"{}\"\n\
                 [models.{name}]\ntargets = [\"{name}/{mode}\", \"spare/count-5\"]\n",
                sim.base_url("bad", Dialect::OpenAi)
            ));
        }
        let stage = Stage::start(&config).await;
        Self { sim, stage, folder, questions: Cell::new(0) }
    }

    /// Asks something that nobody asked before: strikes count distinct requests.
    async fn ask(&self, model: &str, stream: bool) -> (reading::Reading, http::HeaderMap) {
        self.questions.set(self.questions.get() + 1);
        self.ask_this(model, stream, &format!("question {}", self.questions.get())).await
    }

    async fn ask_this(&self, model: &str, stream: bool, text: &str) -> (reading::Reading, http::HeaderMap) {
        let body =
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": text }] });
        let (status, headers, body) = self.stage.post_for_headers("/v1/chat/completions", &body).await;
        (reading::chat(status, stream, &body), headers)
    }

    async fn healthy(&self, model: &str, stream: bool) {
        let (seen, headers) = self.ask(model, stream).await;
        assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5"), "{model}: {seen:?}");
        assert_eq!(headers["x-seawall-target"], "spare/count-5", "{model}");
        assert_eq!(headers["x-seawall-degraded"], "fallback", "{model}");
        assert_eq!(seen.terminated, stream, "{model}: {seen:?}");
    }

    fn asked(&self, lane: &str) -> usize {
        self.sim.lane(lane).log().len()
    }

    /// Waits until a plugin's last problem has this code.
    async fn problem(&self, id: &str, code: &str) -> Value {
        eventually(&format!("{id} has problem {code}"), async || {
            self.stage.plugin(id).await["last_problem"]["code"] == code
        })
        .await;
        self.stage.plugin(id).await
    }
}

#[test]
fn a_bad_first_target_is_invisible_and_its_strikes_are_counted() {
    block_on(async {
        let house = House::open(&MODES.map(|(mode, _)| mode)).await;
        for (mode, code) in MODES {
            let name = name_of(mode);
            for stream in [false, true] {
                house.healthy(&name, stream).await;
            }
            let plugin = house.stage.plugin(&name).await;
            assert_eq!((&plugin["strikes"], &plugin["state"]), (&json!(2), &json!("active")), "{plugin}");
            assert_eq!(plugin["last_problem"]["code"], code, "{plugin}");

            // The third distinct request raises the alarm; there is nothing older to return to, so it serves on.
            house.healthy(&name, false).await;
            let plugin = house.problem(&name, "P051").await;
            let cause = plugin["last_problem"]["cause"].as_str().unwrap_or_default();
            assert!(cause.contains(code), "{mode}: {plugin}");
            assert_eq!((&plugin["strikes"], &plugin["state"]), (&json!(3), &json!("active")), "{plugin}");
            assert!(plugin["faults"].as_u64().is_some_and(|faults| faults >= 3), "{plugin}");
            house.healthy(&name, true).await;
        }
        assert_eq!(house.asked("bad"), 0, "nothing of a forged or broken request went out");
        assert_eq!(house.asked("spare"), 4 * MODES.len());
        let healthy = house.stage.plugin("anthropic").await;
        assert_eq!((&healthy["faults"], &healthy["strikes"]), (&json!(0), &json!(0)), "{healthy}");
    });
}

#[test]
fn a_bad_target_alone_is_a_typed_error() {
    block_on(async {
        let house = House::open(&MODES.map(|(mode, _)| mode)).await;
        for (mode, _) in MODES {
            let target = format!("{}/{mode}", name_of(mode));
            for stream in [false, true] {
                let (seen, headers) = house.ask(&target, stream).await;
                let error = seen.error.as_ref().unwrap_or(&Value::Null);
                assert_eq!((seen.status, &error["code"]), (502, &json!("plugin_fault")), "{mode}: {seen:?}");
                assert_eq!(headers["x-should-retry"], "false", "{mode}: the cascade was the retry");
            }
            let body = json!({ "model": target, "max_tokens": 9, "messages": [{ "role": "user", "content": "go" }] });
            let (status, body) = house.stage.post("/v1/messages", &body).await;
            let seen = reading::messages(status, false, &body);
            let error = seen.error.as_ref().unwrap_or(&Value::Null);
            assert_eq!((status, &error["type"]), (502, &json!("api_error")), "{mode}: {body}");
        }
        assert_eq!((house.asked("bad"), house.asked("spare")), (0, 0));
    });
}

#[test]
fn a_plugin_that_fails_while_reading_costs_its_candidate() {
    block_on(async {
        let house = House::open(&READING_MODES.map(|(mode, _, _)| mode)).await;
        for (mode, stream, code) in READING_MODES {
            let name = name_of(mode);
            house.healthy(&name, stream).await;
            let plugin = house.stage.plugin(&name).await;
            assert_eq!(
                (&plugin["strikes"], &plugin["last_problem"]["code"]),
                (&json!(1), &json!(code)),
                "{plugin}"
            );
            let (seen, _) = house.ask(&format!("{name}/{mode}"), stream).await;
            let error = seen.error.as_ref().unwrap_or(&Value::Null);
            assert_eq!((seen.status, &error["code"]), (502, &json!("plugin_fault")), "{mode}: {seen:?}");
        }
        assert!(house.asked("bad") >= 2 * READING_MODES.len(), "{} calls", house.asked("bad"));
    });
}

#[test]
fn a_model_that_the_plugin_cannot_speak_of_is_passed_over() {
    block_on(async {
        let house = House::open(&["model:trap"]).await;
        for stream in [false, true] {
            house.healthy("model-trap", stream).await;
            let (seen, _) = house.ask("model-trap/model:trap", stream).await;
            let error = seen.error.as_ref().unwrap_or(&Value::Null);
            assert_eq!((seen.status, &error["code"]), (502, &json!("plugin_fault")), "{seen:?}");
        }
        // The question about a model has nothing of the request in it, so it is one strike however often it is asked.
        let plugin = house.stage.plugin("model-trap").await;
        assert_eq!((&plugin["strikes"], &plugin["faults"]), (&json!(1), &json!(4)), "{plugin}");
        assert_eq!(house.asked("bad"), 0);
    });
}

#[test]
fn one_client_cannot_disable_a_plugin() {
    block_on(async {
        let house = House::open(&["bad:trap"]).await;
        for _ in 0..30 {
            let (seen, _) = house.ask_this("bad-trap", false, "the same again").await;
            assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5"), "{seen:?}");
        }
        let plugin = house.stage.plugin("bad-trap").await;
        assert_eq!(
            (&plugin["strikes"], &plugin["last_problem"]["code"]),
            (&json!(1), &json!("P030")),
            "{plugin}"
        );
        let (seen, headers) = house.ask("bad-trap/count-5", true).await;
        assert_eq!((seen.status, seen.error), (200, None), "its other models serve");
        assert_eq!(headers["x-seawall-target"], "bad-trap/count-5");
    });
}

#[test]
fn a_version_that_fails_in_service_rolls_back() {
    block_on(async {
        // Both load, for the trial reads no answer.
        for (worse, stream) in [("parse-trap", false), ("feed-trap", true)] {
            let house = House::open(&["bad:none"]).await;
            let target = "bad-none/count-5";
            let (seen, _) = house.ask(target, stream).await;
            assert_eq!((seen.status, seen.error), (200, None));

            let file = house.folder.path().join("bad-none.wasm");
            std::fs::write(file, components::misbehaving(worse)).expect("a file");
            let generation = async || house.stage.plugin("bad-none").await["generation"].as_u64();
            eventually("the worse version serves", async || generation().await == Some(2)).await;
            eventually("the older version serves again", async || {
                let (seen, _) = house.ask(target, stream).await;
                assert!([200, 502].contains(&seen.status), "{seen:?}");
                generation().await == Some(1)
            })
            .await;
            let plugin = house.problem("bad-none", "P050").await;
            assert_eq!(
                (&plugin["generation"], &plugin["state"]),
                (&json!(1), &json!("rolled_back")),
                "{plugin}"
            );
            let (seen, _) = house.ask(target, stream).await;
            assert_eq!((seen.status, seen.error), (200, None));
            println!("{worse}: {} requests, then the older version served", house.questions.get() - 2);
        }
    });
}

#[test]
fn others_are_served_while_plugins_loop() {
    block_on(async {
        let house = House::open(&["bad:spin"]).await;
        let loops = join_all((0..16).map(|_| house.healthy("bad-spin", false)));
        let neighbours = async {
            let mut longest = Duration::ZERO;
            for turn in 0..20 {
                let began = Instant::now();
                let (seen, _) = house.ask("spare/count-5", turn % 2 == 0).await;
                assert_eq!((seen.status, seen.text.as_str()), (200, "1 2 3 4 5"), "{seen:?}");
                longest = longest.max(began.elapsed());
            }
            longest
        };
        let (_, longest) = tokio::join!(loops, neighbours);
        println!("the slowest neighbour of sixteen loops took {longest:.1?}");
        // Sixteen calls and their repetitions at 20 ms of processor time each are not a second.
        assert!(longest < Duration::from_secs(5), "{longest:?}");
    });
}
