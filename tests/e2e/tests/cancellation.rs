//! A client that closes its connection ends its upstream call, whatever it was waiting for. When, is the simulator's
//! word: it sees its own connection close.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::time::Duration;

use reqwest::Method;
use seawall_e2e::{Stage, block_on, eventually};
use seawall_sim::{Dialect, Fault, Outcome, Sim, SimOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// From the client's end to the provider's.
const AT_MOST: Duration = Duration::from_millis(100);
/// The machine may be busy with other tests: one of these has to be in time.
const TRIES: usize = 5;

#[test]
fn a_client_that_leaves_ends_its_upstream_call_within_100_ms() {
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let stage = Stage::start(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.up]\nadapter = \"openai\"\nbase_url = \"{}\"\n[models.chat]\ntargets = [\"up/count-50\"]\n",
            sim.base_url("up", Dialect::OpenAi),
        ))
        .await;
        let lane = sim.lane("up");
        let cases = [
            ("no headers, plain", Fault::hang(), false, ""),
            ("no headers, stream", Fault::hang(), true, ""),
            ("within a stream", Fault::stall_after(3), true, "content"),
        ];
        for path in ["/v1/chat/completions", "/v1/messages"] {
            for (name, fault, stream, first) in &cases {
                lane.set_faults([fault.clone()]);
                let mut quickest = Duration::MAX;
                for _ in 0..TRIES {
                    lane.clear_log();
                    let mut client = ask(&stage, path, *stream).await;
                    eventually("the provider is asked", async || !lane.log().is_empty()).await;
                    read_until(&mut client, first).await;
                    assert_eq!(lane.log()[0].outcome, Outcome::Open, "{path}, {name}");
                    let left = Instant::now();
                    drop(client);
                    while lane.log()[0].outcome == Outcome::Open && left.elapsed() < Duration::from_secs(10) {
                        sleep(Duration::from_millis(1)).await;
                    }
                    assert_eq!(lane.log()[0].outcome, Outcome::ClientLeft, "{path}, {name}");
                    quickest = quickest.min(left.elapsed());
                }
                println!("{path}, {name}: {quickest:?}");
                assert!(quickest <= AT_MOST, "{path}, {name}: {quickest:?}");
                assert_eq!(lane.log().len(), 1, "and nobody is asked in its stead");
            }
        }
        eventually("every place is free again", async || {
            let (_, status) = stage.admin(Method::GET, "/admin/status", None).await;
            status["ingress"]["in_flight"] == 0
        })
        .await;
    });
}

async fn ask(stage: &Stage, path: &str, stream: bool) -> TcpStream {
    let message = json!([{ "role": "user", "content": "go" }]);
    let body =
        json!({ "model": "chat", "stream": stream, "max_tokens": 100, "messages": message }).to_string();
    let address = stage.running().data_addr;
    let mut client = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}");
    client.write_all(request.as_bytes()).await.expect("sent");
    client
}

async fn read_until(client: &mut TcpStream, wanted: &str) {
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains(wanted) {
        let read = timeout(Duration::from_secs(10), client.read(&mut piece)).await.expect("bytes in time");
        let length = read.expect("bytes");
        assert!(length > 0, "the connection ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}
