//! The audit trail from outside: what a kill costs, and what a disk that stalls or is full costs nobody.

use std::path::Path;

use reqwest::Method;
use seawall_e2e::kills::{self, LONGEST_START, Process};
use seawall_e2e::{Stage, block_on, eventually, http_client};
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kills");
const CI_KILLS: u32 = 50;

#[test]
fn a_killed_gateway_loses_no_more_than_its_last_second() {
    let report = block_on(kills::run(Path::new(PROGRAM), CI_KILLS, 7));
    println!("{report:#?}");
    // How fast a start is depends on the machine that tests; `cargo xtask soak` holds it against its bar.
    let slow = |complaint: &String| complaint.contains("serving took");
    let wrong: Vec<_> = report.complaints.iter().filter(|complaint| !slow(complaint)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(report.answered > CI_KILLS as usize * 10, "there was load: {}", report.answered);
    assert!(report.longest_start < LONGEST_START * 10);
}

fn question() -> Value {
    json!({ "model": "chat", "messages": [{ "role": "user", "content": "go" }] })
}

async fn figures(stage: &Stage) -> Value {
    stage.admin(Method::GET, "/admin/audit/status", None).await.1
}

#[test]
fn a_database_that_stalls_fails_no_request_and_is_caught_up_with() {
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let audit = folder.path().join("audit");
        let stage = Stage::start(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[audit]\ndir = {audit:?}\nqueue = 64\n\
             [providers.openai]\nadapter = \"openai\"\nbase_url = \"{}\"\n[models.chat]\ntargets = [\"openai/demo\"]\n",
            sim.base_url("openai", Dialect::OpenAi)
        ))
        .await;
        let ask = async || stage.post("/v1/chat/completions", &question()).await.0;
        assert_eq!(ask().await, 200);
        eventually("the first is on record", async || figures(&stage).await["stored"] == 1).await;

        let lock = rusqlite::Connection::open(audit.join("audit.db")).expect("the database");
        lock.execute_batch("BEGIN EXCLUSIVE").expect("its lock");
        let mut asked = 1;
        eventually("it is said", async || {
            asked += 1;
            assert_eq!(ask().await, 200, "nobody waits for the trail");
            figures(&stage).await["state"] == "trouble"
        })
        .await;
        for _ in 0..200 {
            asked += 1;
            assert_eq!(ask().await, 200);
        }
        let during = figures(&stage).await;
        assert!(during["spilled"].as_u64() > Some(0), "{during}");
        let (_, status) = stage.admin(Method::GET, "/admin/status", None).await;
        assert!(status["audit"]["trouble"].as_str().is_some_and(|why| why.contains("lock")), "{status}");

        drop(lock);
        eventually("everything is on record", async || {
            let figures = figures(&stage).await;
            figures["state"] == "ok" && figures["stored"] == asked
        })
        .await;
        let trail = stage.running().audit.clone().expect("a trail");
        drop(stage.stop().await);
        let end = trail.figures();
        assert_eq!((end.produced, end.stored, end.spilled, end.dropped), (asked, asked, 0, 0));
    });
}

#[test]
fn a_full_disk_fails_no_request_is_counted_and_heals() {
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let config = kills::configuration(folder.path(), &sim, "");
        let log = folder.path().join("log");
        // Compiles the plugin, which needs room.
        Process::start(Path::new(PROGRAM), &config, &log).await.stop().await;
        let process = Process::start_with_room(Path::new(PROGRAM), &config, &log, 300_000).await;
        let client = http_client();
        let token = std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stage-state/admin-token"),
        )
        .expect("the token");
        let figures = async || -> Value {
            let url = format!("{}/admin/audit/status", process.admin_url);
            let reply = client.get(url).bearer_auth(token.trim()).send().await.expect("an answer");
            serde_json::from_str(&reply.text().await.expect("a body")).expect("figures")
        };
        let ask = async || {
            let url = format!("{}/v1/chat/completions", process.url);
            let reply = client.post(url).body(question().to_string()).send().await.expect("an answer");
            assert_eq!(reply.status(), 200, "nobody waits for the trail");
            drop(reply.bytes().await);
        };
        eventually("nothing has room any more", async || {
            for _ in 0..20 {
                ask().await;
            }
            let figures = figures().await;
            figures["state"] == "trouble" && figures["dropped"].as_u64() > Some(0)
        })
        .await;
        kills::make_room(&process);
        ask().await;
        eventually("it heals", async || {
            let figures = figures().await;
            figures["state"] == "ok" && figures["spilled"] == 0 && figures["under_way"] == 0
        })
        .await;
        let end = figures().await;
        let number = |member: &str| end[member].as_u64().expect("a number");
        assert_eq!(number("produced"), number("stored") + number("dropped"), "{end}");
        process.stop().await;
        let reader = seawall::audit::Reader::new(&folder.path().join("audit"));
        assert_eq!(reader.check().expect("it can be read"), Ok(()));
        let said = std::fs::read_to_string(&log).expect("the log");
        assert!(said.contains("the audit trail cannot be written") && said.contains("is written again"));
    });
}
