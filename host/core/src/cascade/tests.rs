//! The cascade through its public door, in virtual time.

mod failover;
mod health;
mod hedges;
mod limits;
mod order;
mod prompts;
mod records;
mod resting;
mod rounds;
mod storm;
mod streams;
mod twins;

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;

use crate::reply::Reply;
use crate::request::Protocol;
use crate::testing::{self, Script, Step, World, alias, request};

/// What a client saw.
#[derive(Debug, PartialEq)]
enum Saw {
    /// Text of a plain answer.
    Answer(String),
    /// Text of a stream that ended as it should.
    Stream(String),
    /// Text of a stream that ended in a typed error.
    Interrupted(String),
    /// Status and code of an error.
    Error(u16, String),
}

async fn ask(world: &World, providers: &[&str], protocol: Protocol, stream: bool) -> Saw {
    see(world.answer(&request(protocol, stream), &alias(providers)).await).await
}

async fn see(reply: Reply) -> Saw {
    match reply {
        Reply::Plain { body, .. } => {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let chat = body["choices"][0]["message"]["content"].as_str();
            Saw::Answer(chat.or(body["content"][0]["text"].as_str()).unwrap_or_default().to_owned())
        }
        Reply::Failed { error, .. } => Saw::Error(error.status, error.code),
        Reply::Stream { body, .. } => {
            let bytes: Vec<u8> = body.collect::<Vec<_>>().await.concat();
            see_stream(&String::from_utf8(bytes).unwrap())
        }
    }
}

fn see_stream(wire: &str) -> Saw {
    let (mut text, mut finished, mut ended, mut failed) = (String::new(), false, false, false);
    for data in wire.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(!ended && !failed, "something follows the end: {wire}");
        if data == "[DONE]" {
            ended = true;
            continue;
        }
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        failed |= !event["error"].is_null();
        ended |= event["type"] == "message_stop";
        finished |=
            event["choices"][0]["finish_reason"].is_string() || event["delta"]["stop_reason"].is_string();
        for piece in [&event["choices"][0]["delta"]["content"], &event["delta"]["text"]] {
            text.push_str(piece.as_str().unwrap_or_default());
        }
    }
    assert_ne!(failed, ended, "exactly one end: {wire}");
    if failed {
        assert!(!finished, "a failure after a finish: {wire}");
        return Saw::Interrupted(text);
    }
    assert!(finished, "an end without a finish: {wire}");
    Saw::Stream(text)
}

fn hello(name: &str) -> Saw {
    Saw::Answer(format!("hello from {name}"))
}

fn whole_stream(words: &[&str]) -> Script {
    let words = words.iter().map(|word| testing::text(word));
    Script::Stream(
        [testing::role()].into_iter().chain(words).chain([testing::finish(), testing::done()]).collect(),
    )
}

/// A stream whose first word comes after this time.
fn stream_after(wait: Duration, word: &str) -> Script {
    Script::Stream(vec![
        testing::role(),
        Step::Wait(wait),
        testing::text(word),
        testing::finish(),
        testing::done(),
    ])
}

/// Enough streamed calls to a target for it to be known to take this long.
async fn know(world: &World, provider: &str, takes: Duration) {
    world.script(provider, [stream_after(takes, "known")]);
    for _ in 0..40 {
        assert_eq!(ask(world, &[provider], Protocol::Chat, true).await, Saw::Stream("known".into()));
        sleep(Duration::from_millis(50)).await;
    }
    world.forget();
}
