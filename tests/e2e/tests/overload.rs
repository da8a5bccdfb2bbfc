//! A gateway without room says so at once, whole, and in the client's own protocol, also to clients whose body is long
//! and on its way; and it has room again when the one in its way is gone.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::time::Duration;

use seawall_e2e::{Stage, block_on, eventually};
use seawall_sim::{Dialect, Fault, Sim, SimOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

/// From asking to the whole refusal.
const AT_MOST: Duration = Duration::from_millis(5);
/// The machine may be busy with other tests: one of these has to be in time.
const TRIES: usize = 20;

#[test]
fn who_finds_no_room_hears_so_within_5_ms() {
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let stage = Stage::start(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmax_requests = 1\nmax_queued = 0\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.up]\nadapter = \"openai\"\nbase_url = \"{}\"\n[models.chat]\ntargets = [\"up/count-5\"]\n",
            sim.base_url("up", Dialect::OpenAi),
        ))
        .await;
        let lane = sim.lane("up");
        lane.set_faults([Fault::hang()]);
        let ask = |words: usize| {
            let message = json!([{ "role": "user", "content": "word ".repeat(words) }]);
            json!({ "model": "chat", "max_tokens": 100, "messages": message })
        };
        let small = ask(1);
        let refusals = async {
            eventually("the one place is taken", async || !lane.log().is_empty()).await;
            for path in ["/v1/chat/completions", "/v1/messages"] {
                for words in [1, 40_000] {
                    let body = ask(words);
                    let mut quickest = Duration::MAX;
                    for _ in 0..TRIES {
                        let began = Instant::now();
                        let (status, headers, text) = stage.post_for_headers(path, &body).await;
                        quickest = quickest.min(began.elapsed());
                        assert_eq!(
                            (status, &headers["x-should-retry"]),
                            (503, &"true".parse().expect("text"))
                        );
                        let hint: u64 =
                            headers["retry-after"].to_str().expect("text").parse().expect("a number");
                        assert!((1..=3).contains(&hint));
                        let error: Value = serde_json::from_str(&text).expect("JSON");
                        assert_eq!(error["error"]["code"], "gateway_overloaded", "{text}");
                        assert_eq!(error["type"] == "error", path == "/v1/messages", "{text}");
                    }
                    println!("{path}, {words} words: {quickest:?}");
                    assert!(quickest <= AT_MOST, "{path}, {words} words: {quickest:?}");
                }
            }
            assert_eq!(lane.log().len(), 1, "nothing of it reached the provider");
        };
        tokio::select! {
            _ = stage.post("/v1/chat/completions", &small) => panic!("the provider hangs"),
            () = refusals => {}
        }
        lane.clear();
        eventually("there is room again", async || stage.post("/v1/chat/completions", &small).await.0 == 200)
            .await;
    });
}
