//! Experiments from outside: the command line against a running gateway, the example scenarios on the demo's
//! configuration, a fault of one's own dropped into the folder, and requests that ask for faults themselves.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser as _;
use reqwest::Method;
use seawall::cli::{Cli, Verdict};
use seawall_core::experiment::Scenario;
use seawall_e2e::{Stage, background, block_on, components, eventually, reading};
use seawall_sim::{Dialect, Sim, SimOptions};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const EXPERIMENTS: &str = "/admin/chaos/experiments";

/// The demo, with what one test more of it needs.
struct House {
    sim: Sim,
    stage: Arc<Stage>,
    folder: tempfile::TempDir,
}

impl House {
    async fn open(more: &str) -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let demo = std::fs::read_to_string(examples().join("demo.toml")).expect("the demo's configuration");
        let base = sim.base_url("openai", Dialect::OpenAi);
        let origin = base.strip_suffix("/openai/v1").expect("lanes have a path").to_owned();
        let config = demo
            .replace("${SEAWALL_DEMO_LISTEN:-127.0.0.1:8080}", "127.0.0.1:0")
            .replace("${SEAWALL_DEMO_ADMIN:-127.0.0.1:8081}", "127.0.0.1:0")
            .replace("${SEAWALL_DEMO_SIM:-http://127.0.0.1:8090}", &origin);
        let stage = Arc::new(Stage::start(&format!("{config}\n{more}")).await);
        let folder = tempfile::tempdir().expect("a folder");
        let token = stage.running().admin_token.secret.expose_secret().to_owned();
        std::fs::write(folder.path().join("token"), token).expect("a file");
        Self { sim, stage, folder }
    }

    /// The same house with another gateway on what this one left.
    async fn restart(self) -> Self {
        let Self { sim, stage, folder } = self;
        let stage = Arc::into_inner(stage).expect("nobody else uses it").restart().await;
        let stage = Arc::new(stage);
        let token = stage.running().admin_token.secret.expose_secret().to_owned();
        std::fs::write(folder.path().join("token"), token).expect("a file");
        Self { sim, stage, folder }
    }

    /// What an operator types.
    async fn seawall(&self, words: &[&str]) -> Result<Verdict, String> {
        let admin = self.stage.admin_url();
        let token = self.folder.path().join("token");
        let door = ["--admin", &admin, "--token-file", token.to_str().expect("a path")];
        let all = ["seawall", "chaos"].into_iter().chain(words.iter().copied()).chain(door);
        Cli::try_parse_from(all).expect("a command line").run().await.map_err(|error| error.to_string())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.stage.admin(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn report(&self, id: u64) -> Value {
        self.get(&format!("{EXPERIMENTS}/{id}")).await
    }

    /// The report of the latest experiment, when it has ended.
    async fn ended(&self) -> Value {
        let id = self.get(EXPERIMENTS).await["experiments"][0]["id"].as_u64().expect("an experiment");
        eventually("it ended", async || self.report(id).await["verdict"] != "running").await;
        self.report(id).await
    }

    fn ask_all_the_time(&self, clients: usize) -> Traffic {
        let traffic = Traffic::default();
        for client in 0..clients {
            let (stage, traffic) = (Arc::clone(&self.stage), traffic.clone());
            background(async move {
                let mut turn = client;
                while !traffic.over.load(Ordering::Relaxed) {
                    turn += 1;
                    let good = is_answered(&stage, turn % 2 == 0).await;
                    let count = if good { &traffic.answered } else { &traffic.failed };
                    count.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(40)).await;
                }
            });
        }
        traffic
    }
}

async fn is_answered(stage: &Stage, stream: bool) -> bool {
    let body =
        json!({ "model": "chat", "stream": stream, "messages": [{ "role": "user", "content": "Hello?" }] });
    let (status, _, body) = stage.post_for_headers("/v1/chat/completions", &body).await;
    let seen = reading::chat(status, stream, &body);
    status == 200 && seen.error.is_none() && !seen.text.is_empty()
}

/// Clients who ask until this is dropped.
#[derive(Clone, Default)]
struct Traffic {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Traffic {
    fn end(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// All six, each on a gateway of its own, at six times their pace.
#[test]
fn every_example_scenario_holds_on_the_demo() {
    const SCENARIOS: [&str; 6] = [
        "provider-outage",
        "creeping-latency",
        "rate-limit-storm",
        "flapping",
        "mid-stream-cuts",
        "region-loss",
    ];
    const CLIENTS: usize = 3;
    let files: Vec<_> = std::fs::read_dir(examples().join("scenarios")).expect("a folder").collect();
    assert_eq!(files.len(), SCENARIOS.len(), "every example is tried");
    block_on(async {
        let tried = SCENARIOS.map(|name| async move {
            let house = House::open("").await;
            let file = examples().join("scenarios").join(format!("{name}.toml"));
            let text = std::fs::read_to_string(&file).expect("a scenario");
            let written: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(written.name, name);
            let traffic = house.ask_all_the_time(CLIENTS);
            let page = house.folder.path().join("report.html");
            let file = file.to_str().expect("a path");
            let run = ["run", file, "--speed", "6", "--html", page.to_str().expect("a path")];
            let verdict = house.seawall(&run).await;
            let report = house.ended().await;
            assert_eq!(verdict, Ok(Verdict::Good), "{name}: {report}");
            assert_eq!(report["verdict"], "held", "{name}: {report}");
            assert!(report["calls"]["injected"].as_u64() > Some(0), "{name} injected nothing: {report}");
            assert!(report["requests"]["touched"].as_u64() > Some(0), "{name}: {report}");
            let page = std::fs::read_to_string(page).expect("a page");
            assert!(page.contains("<svg") && page.contains("Hypothesis held"), "{name}");
            let (answered, failed) = traffic.end();
            assert!(answered > 50 && failed * 100 <= answered, "{name}: {failed} failed beside {answered}");
        });
        futures_util::future::join_all(tried).await;
    });
}

#[test]
fn the_board_is_one_command_away_while_a_client_streams() {
    block_on(async {
        let house = House::open("").await;
        let traffic = house.ask_all_the_time(4);
        let presses: [&[&str]; 4] = [
            &["arm", "503-outage", "--provider", "openai", "--for", "2s"],
            &["arm", "latency-storm", "--provider", "openai", "--for", "2s", "--set", "median_ms=300"],
            &["arm", "rate-limit", "--provider", "anthropic", "--for", "2s", "--set", "seconds=1"],
            &["arm", "killed-pool", "--domain", "openai", "--for", "2s"],
        ];
        for press in presses {
            assert_eq!(house.seawall(press).await, Ok(Verdict::Good), "{press:?}");
        }
        assert_eq!(
            house.seawall(&["arm", "throttled-tier", "--for", "2s", "--set", "rpm=60"]).await,
            Ok(Verdict::Good)
        );
        let armed = house.stage.armed().await;
        assert_eq!(armed.len(), 5, "{armed:?}");
        assert!(armed.iter().all(|fault| fault["experiment"].is_string()), "{armed:?}");
        assert_eq!(house.seawall(&["list"]).await, Ok(Verdict::Good));
        // Each ends by itself, whoever looks.
        eventually("all have ended", async || house.stage.armed().await.is_empty()).await;
        sleep(Duration::from_millis(300)).await;

        assert_eq!(house.seawall(&["stop"]).await, Ok(Verdict::Good));
        eventually("all reports are there", async || {
            let all = house.get(EXPERIMENTS).await;
            all["experiments"].as_array().expect("a list").iter().all(|one| one["verdict"] != "running")
        })
        .await;
        let (answered, failed) = traffic.end();
        assert!(answered > 30 && failed == 0, "{failed} failed beside {answered}");
        // Whoever comes after it may find that provider's breaker open already.
        let first = house.report(1).await;
        assert!(first["calls"]["injected"].as_u64() > Some(0), "{first}");
        assert!(first["times"]["open_ms"].is_u64() && first["times"]["detect_ms"].is_u64(), "{first}");
        for id in 1..=5 {
            let report = house.report(id).await;
            let told: Vec<&str> = report["timeline"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|m| m["what"].as_str())
                .collect();
            assert!(told.contains(&"armed") && told.contains(&"ended"), "{report}");
            assert_eq!(report["requests"]["harmed"], 0, "{report}");
            assert!(house.seawall(&["report", &id.to_string(), "--json"]).await.is_ok());
        }
    });
}

#[test]
fn reports_outlive_the_gateway() {
    block_on(async {
        let house = House::open("").await;
        let arm = ["arm", "503-outage", "--provider", "openai", "--for", "1s"];
        assert_eq!(house.seawall(&arm).await, Ok(Verdict::Good));
        assert!(is_answered(&house.stage, false).await);
        let report = house.ended().await;
        assert!(report["calls"]["injected"].as_u64() > Some(0), "{report}");
        let kept = house.stage.state().join("reports");
        let files = || std::fs::read_dir(&kept).map_or(0, Iterator::count);
        eventually("it is kept", async || files() == 1).await;
        std::fs::write(kept.join("0000000000000-7.json"), "{ damaged").expect("a file");

        let house = house.restart().await;
        assert_eq!(house.report(1).await, report);
        assert_eq!(house.get(EXPERIMENTS).await["experiments"].as_array().map(Vec::len), Some(1));
        assert!(house.stage.armed().await.is_empty(), "nothing goes on by itself");
        assert_eq!(house.seawall(&arm).await, Ok(Verdict::Good));
        let next = house.ended().await;
        assert_eq!(next["id"], 2, "an id is given out once");
        eventually("it is kept, too, and what was damaged is left alone", async || files() == 3).await;
    });
}

#[test]
fn the_whole_system_can_be_limited_and_released_at_once() {
    block_on(async {
        let house = House::open("").await;
        let limit = ["arm", "rate-limit", "--all", "--for", "5m", "--set", "seconds=30"];
        assert_eq!(house.seawall(&limit).await, Ok(Verdict::Good));
        let body = json!({ "model": "chat", "messages": [{ "role": "user", "content": "Hello?" }] });
        let (status, headers, _) = house.stage.post_for_headers("/v1/chat/completions", &body).await;
        assert_eq!(status, 429, "everybody is limited");
        let hint: u64 = headers["retry-after"].to_str().expect("text").parse().expect("a number");
        assert!((20..=30).contains(&hint), "{hint}");

        let began = Instant::now();
        assert_eq!(house.seawall(&["stop"]).await, Ok(Verdict::Good));
        assert!(house.stage.armed().await.is_empty());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(house.ended().await["verdict"], "stopped");
    });
}

#[test]
fn a_fault_of_ones_own_needs_no_restart() {
    block_on(async {
        let plugins = tempfile::tempdir().expect("a folder");
        let house = House::open(&format!("[plugins]\ndir = {:?}\ninstances = 100\n", plugins.path())).await;
        let order =
            json!({ "kind": "drip-bursts", "match": { "provider": "openai" }, "config": { "mean_ms": 20 } });
        assert_eq!(house.stage.order_fault(&order).await.0, 404, "nobody offers it yet");
        // Written aside and renamed, as copying tools should do.
        let aside = plugins.path().join("aside");
        std::fs::write(&aside, components::example("fault-bursts")).expect("a file");
        std::fs::rename(&aside, plugins.path().join("fault-bursts.wasm")).expect("a file");
        let entry = async || {
            let all = house.get("/admin/chaos/catalogue").await;
            let kinds = all["kinds"].as_array().cloned().expect("a list");
            kinds.into_iter().find(|kind| kind["name"] == "drip-bursts")
        };
        eventually("it stands in the catalogue", async || entry().await.is_some()).await;
        let entry = entry().await.expect("it stands there");
        assert_eq!((&entry["plugin"], &entry["layer"]), (&json!("fault-bursts"), &json!("stream")));
        assert_eq!(entry["defaults"], json!({ "mean_ms": 200.0, "burst": 3 }));
        let arm = ["arm", "drip-bursts", "--provider", "openai", "--set", "mean_ms=20"];
        assert_eq!(house.seawall(&arm).await, Ok(Verdict::Good));
        assert!(is_answered(&house.stage, true).await);
        let armed = house.stage.armed().await;
        assert_eq!(
            (&armed[0]["injected"], &armed[0]["plugin"]),
            (&json!(1), &json!("fault-bursts")),
            "{armed:?}"
        );
    });
}

#[test]
fn the_same_seed_decides_the_same_and_a_dry_run_does_nothing() {
    block_on(async {
        const REQUESTS: usize = 60;
        let mut decisions = Vec::new();
        for seed in [9, 9, 9, 10] {
            let house = House::open("").await;
            let order = json!({
                "kind": "rate-limit", "config": { "retry_after": "garbage" }, "seed": seed, "dry_run": true,
                "match": { "provider": "openai", "percent": 40 },
            });
            house.stage.arm(&order).await;
            for _ in 0..REQUESTS {
                assert!(is_answered(&house.stage, false).await);
            }
            let fault = house.stage.armed().await.remove(0);
            assert_eq!((&fault["considered"], &fault["injected"]), (&json!(REQUESTS), &json!(0)), "{fault}");
            assert_eq!(house.sim.lane("openai").log().len(), REQUESTS, "nothing was held back");
            let would = fault["would_inject"].as_u64().expect("a number");
            assert!((10..40).contains(&would), "{fault}");
            decisions.push((would, fault["decisions"].clone()));
        }
        assert!(decisions[0] == decisions[1] && decisions[1] == decisions[2], "{decisions:?}");
        assert_ne!(decisions[2].1, decisions[3].1, "another seed decides otherwise");
    });
}

#[test]
fn requests_may_ask_for_faults_with_an_operators_token_only() {
    block_on(async {
        let secrets = tempfile::tempdir().expect("a folder");
        let file = secrets.path().join("chaos-token");
        std::fs::write(&file, "break-it").expect("a file");
        let house = House::open(&format!("[chaos]\nrequest_token = {{ file = {file:?} }}\n")).await;
        let order = json!({ "kind": "refusal", "config": { "text": "Broken on purpose." }, "match": { "opt_in": "trial", "provider": "openai" } });
        house.stage.arm(&order).await;
        let client = reqwest::Client::new();
        let ask = async |headers: &[(&str, &str)]| {
            let url = format!("{}/v1/chat/completions", house.stage.url());
            let body = json!({ "model": "chat", "messages": [{ "role": "user", "content": "Hello?" }] });
            let mut call = client.post(url).header("content-type", "application/json").body(body.to_string());
            for (name, value) in headers {
                call = call.header(*name, *value);
            }
            let reply = call.send().await.expect("an answer");
            (reply.status().as_u16(), reply.text().await.expect("a body"))
        };
        let (name, token) = ("x-seawall-chaos", "x-seawall-chaos-token");
        let (status, text) = ask(&[]).await;
        assert!(status == 200 && !text.contains("Broken on purpose"), "nobody asked for it: {text}");
        for wrong in [[(name, "trial"), ("x-other", "1")], [(name, "trial"), (token, "guess")]] {
            let (status, text) = ask(&wrong).await;
            assert_eq!(status, 403, "{text}");
            assert!(text.contains("chaos_not_allowed") && !text.contains("break-it"), "{text}");
        }
        let (status, text) = ask(&[(name, "trial"), (token, "break-it")]).await;
        assert!(status == 200 && text.contains("Broken on purpose."), "{text}");
        let (status, text) = ask(&[(name, "other"), (token, "break-it")]).await;
        assert!(
            status == 200 && !text.contains("Broken on purpose"),
            "another name asks for nothing: {text}"
        );
        let log = house.sim.lane("openai").log();
        assert!(!log.is_empty() && log.iter().all(|entry| !format!("{:?}", entry.headers).contains("chaos")));
    });
}

#[test]
fn commands_say_what_is_wrong() {
    block_on(async {
        let house = House::open("").await;
        let error = house.seawall(&["arm", "meteor"]).await.expect_err("there is none");
        assert!(error.contains("no kind of fault `meteor`") && error.contains("fix:"), "{error}");
        let error =
            house.seawall(&["arm", "outage", "--provider", "opnai"]).await.expect_err("there is none");
        assert!(error.contains("no provider `opnai`"), "{error}");
        let error = house.seawall(&["disarm", "99"]).await.expect_err("there is none");
        assert!(error.contains("no armed fault"), "{error}");
        let error = house.seawall(&["report"]).await.expect_err("there is none");
        assert!(error.contains("no experiment has run"), "{error}");
        let file = house.folder.path().join("bad.toml");
        std::fs::write(
            &file,
            "name = \"bad\"\nfor = \"10s\"\nsteps = [{ kind = \"reset\", fro = \"1s\" }]\n",
        )
        .expect("a file");
        let error = house.seawall(&["run", file.to_str().expect("a path")]).await.expect_err("it is wrong");
        assert!(error.contains("bad.toml") && error.contains("fro"), "{error}");

        let nobody = ["seawall", "chaos", "list", "--admin", "127.0.0.1:9", "--token-file"];
        let token = house.folder.path().join("token");
        let all = nobody.into_iter().chain([token.to_str().expect("a path")]);
        let error =
            Cli::try_parse_from(all).expect("a command line").run().await.expect_err("nobody is there");
        assert!(error.to_string().contains("no gateway answers at 127.0.0.1:9"), "{error}");
    });
}
