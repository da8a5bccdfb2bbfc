//! Recorded traffic of real providers, played back to the gateway and read at its front.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::collections::HashMap;

use seawall_e2e::corpus::{self, Exchange};
use seawall_e2e::reading::{self, Reading};
use seawall_e2e::replay::{Player, Recording, Slicing};
use seawall_e2e::{Stage, block_on};
use serde_json::{Value, json};

const APIS: [&str; 5] =
    ["openai-chat", "anthropic-messages", "gemini", "openai-embeddings", "gemini-embeddings"];

/// Who asks: the protocol at the gateway's front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Chat,
    Messages,
    Embeddings,
}

/// The configured provider whose adapter speaks an exchange's wire format.
fn provider(exchange: &Exchange) -> &'static str {
    match (exchange.api.as_str(), exchange.provider.as_str()) {
        ("anthropic-messages", _) => "anthropic",
        ("gemini" | "gemini-embeddings", _) => "gemini",
        (_, "openai") => "openai",
        (_, "groq") => "groq",
        _ => "openai-compatible",
    }
}

fn fronts(exchange: &Exchange) -> &'static [Front] {
    match exchange.api.as_str() {
        "openai-embeddings" | "gemini-embeddings" => &[Front::Embeddings],
        "anthropic-messages" => &[Front::Chat, Front::Messages],
        "gemini" => &[Front::Chat, Front::Messages],
        _ => &[Front::Chat],
    }
}

/// A gateway whose providers are all the player.
async fn stage(recordings: HashMap<String, Recording>, slicing: Slicing) -> Stage {
    // The replayed models have made-up names; what they can do is the operator's word.
    let mut names: Vec<_> = recordings.keys().cloned().collect();
    names.sort();
    let player = Player::start(recordings, slicing).await.expect("a free port");
    let mut config = String::from("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    for name in &names {
        config.push_str(&format!(
            "[providers.groq.models.{name:?}]\nvision = true\njson_schema = true\ntools = true\n"
        ));
    }
    for provider in ["openai", "anthropic", "gemini", "groq", "openai-compatible"] {
        config.push_str(&format!(
            "[providers.{provider}]\nadapter = \"{provider}\"\nbase_url = \"http://{}/v1\"\n",
            player.address
        ));
    }
    Stage::start(&config).await
}

fn recordings(exchanges: &[Exchange]) -> HashMap<String, Recording> {
    exchanges.iter().map(|exchange| (exchange.id.clone(), exchange.response.clone())).collect()
}

/// The request as a client would send it: the recorded body where it is in the front's protocol, else a fixed one.
fn request(exchange: &Exchange, front: Front, model: &str) -> Value {
    let own = match (front, exchange.api.as_str()) {
        (Front::Chat, "openai-chat")
        | (Front::Messages, "anthropic-messages")
        | (Front::Embeddings, "openai-embeddings") => exchange.request.clone(),
        _ => None,
    };
    let mut body = own.unwrap_or_else(|| match front {
        Front::Embeddings => json!({ "input": "a sentence" }),
        Front::Chat => json!({ "messages": [{ "role": "user", "content": "hello" }] }),
        Front::Messages => {
            json!({ "max_tokens": 100, "messages": [{ "role": "user", "content": "hello" }] })
        }
    });
    body["model"] = json!(model);
    if front != Front::Embeddings {
        body["stream"] = json!(exchange.stream);
        if front == Front::Chat && exchange.stream {
            body["stream_options"] = json!({ "include_usage": true });
        }
    }
    body
}

async fn ask(stage: &Stage, exchange: &Exchange, front: Front, model: &str) -> (u16, String) {
    let path = match front {
        Front::Chat => "/v1/chat/completions",
        Front::Messages => "/v1/messages",
        Front::Embeddings => "/v1/embeddings",
    };
    let target = format!("{}/{model}", provider(exchange));
    stage.post(path, &request(exchange, front, &target)).await
}

fn read(front: Front, status: u16, stream: bool, body: &str) -> Reading {
    match front {
        Front::Chat => reading::chat(status, stream, body),
        Front::Messages => reading::messages(status, stream, body),
        Front::Embeddings => reading::chat(status, false, body),
    }
}

/// What is wrong with an answer; nothing if it says what the provider's own client read from the raw bytes.
fn wrong(exchange: &Exchange, front: Front, status: u16, body: &str) -> Option<String> {
    let expected = exchange.expected.as_ref()?;
    if let Some(error) = expected.get("error") {
        return wrong_error(error, &read(front, status, exchange.stream, body));
    }
    if status != 200 {
        return Some(format!("status {status}: {}", body.chars().take(300).collect::<String>()));
    }
    if front == Front::Embeddings {
        return wrong_embedding(expected, body);
    }
    let got = read(front, status, exchange.stream, body);
    if let Some(error) = got.error {
        return Some(format!("error {error}"));
    }
    let differs = |what: &str, got: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        Some(format!("{what}: got {got:.200?}, wanted {wanted:.200?}"))
    };
    let text = expected["text"].as_str().unwrap_or_default();
    if got.text != text {
        return differs("text", &got.text, &text);
    }
    let calls: Vec<(String, Value)> = expected["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| (call["name"].as_str().unwrap_or_default().to_owned(), call["args"].clone()))
        .collect();
    if got.tool_calls != calls {
        return differs("tool calls", &got.tool_calls, &calls);
    }
    let finish = expected["finish"].as_str().map(reading::finish_word);
    // Some providers say "stop" although they call tools; both words are honest.
    let also_honest =
        finish.as_deref() == Some("stop") && !calls.is_empty() && got.finish.as_deref() == Some("tool_calls");
    if got.finish != finish && !also_honest {
        return differs("finish", &got.finish, &finish);
    }
    None
}

fn wrong_error(expected: &Value, got: &Reading) -> Option<String> {
    let fits: &[u16] = match (expected["cls"].as_str(), expected["status"].as_u64()) {
        // Our credential is not the client's: it never sees a 401.
        (Some("AuthenticationError"), _) => &[502],
        (Some("NotFoundError"), _) | (None, Some(404)) => &[404],
        (Some("RateLimitError"), _) | (None, Some(429)) => &[429],
        // A quota, an unknown model or a tool call that failed may hide inside a 400.
        (Some("BadRequestError"), _) | (None, Some(400)) => &[400, 404, 429, 502],
        (Some("InternalServerError"), _) => &[500, 502, 503],
        _ => &[200, 502],
    };
    if got.error.is_none() {
        return Some(format!("an error became an answer: {got:?}"));
    }
    (!fits.contains(&got.status)).then(|| format!("status {} for {expected}", got.status))
}

fn wrong_embedding(expected: &Value, body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let data = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let first = &data.first().map(|entry| entry["embedding"].clone()).unwrap_or_default();
    let same_start = match (&expected["first"], first) {
        (Value::String(wanted), Value::String(got)) => got.starts_with(wanted),
        (Value::Array(wanted), Value::Array(got)) => got.starts_with(wanted),
        _ => false,
    };
    let same_count = Some(data.len() as u64) == expected["n"].as_u64();
    let same_usage =
        expected["usage"]["in"].is_null() || body["usage"]["prompt_tokens"] == expected["usage"]["in"];
    let right = same_start && same_count && same_usage;
    (!right).then(|| format!("embedding: {}", body.to_string().chars().take(200).collect::<String>()))
}

/// Plays every exchange once and scores the readings.
async fn score(slicing: Slicing, only_streams: bool) {
    let Some(mut exchanges) = corpus::exchanges(&APIS) else { return };
    exchanges.retain(|exchange| exchange.stream || !only_streams);
    let stage = stage(recordings(&exchanges), slicing).await;
    let (mut scored, mut unscored, mut misses) = (0, 0, Vec::new());
    for exchange in &exchanges {
        for front in fronts(exchange) {
            let (status, body) = ask(&stage, exchange, *front, &exchange.id).await;
            if exchange.expected.is_none() {
                unscored += 1;
                continue;
            }
            scored += 1;
            if let Some(why) = wrong(exchange, *front, status, &body) {
                misses.push(format!("{} ({}, {front:?}): {why}", exchange.id, exchange.api));
            }
            stage.forget_failures(provider(exchange)).await;
        }
    }
    let right = scored - misses.len();
    let share = 100.0 * right as f64 / scored as f64;
    println!(
        "recorded traffic, {slicing:?}: {right} of {scored} right ({share:.1} %), {unscored} without a reading"
    );
    for miss in &misses {
        println!("  miss {miss}");
    }
    assert!(scored > 50, "the corpus holds more than {scored} scored readings");
    assert!(share >= 97.0, "{share:.1} % right, 97 % are wanted; misses above");
}

#[test]
fn recorded_answers_read_as_the_providers_own_clients_read_them() {
    block_on(score(Slicing::Whole, false));
}

#[test]
fn recorded_streams_read_the_same_in_one_byte_chunks() {
    block_on(score(Slicing::OneByte, true));
}

#[test]
fn a_recorded_stream_cut_after_any_event_never_ends_cleanly() {
    block_on(async {
        let Some(mut exchanges) = corpus::exchanges(&APIS) else { return };
        exchanges.retain(|exchange| exchange.stream);
        let stage = stage(recordings(&exchanges), Slicing::Whole).await;
        let (mut cuts, mut clean) = (0, Vec::new());
        for exchange in &exchanges {
            for front in fronts(exchange) {
                for events in 0..exchange.response.pieces.len() {
                    let model = format!("{}~{events}", exchange.id);
                    let (status, body) = ask(&stage, exchange, *front, &model).await;
                    let got = read(*front, status, true, &body);
                    cuts += 1;
                    // An end is honest once the provider has said why the answer ends.
                    let honest = finish_was_sent(exchange, events);
                    if got.error.is_none() && !honest {
                        clean.push(format!("{} ({front:?}) after {events} events: {got:?}", exchange.id));
                    }
                }
                stage.forget_failures(provider(exchange)).await;
            }
        }
        println!("{cuts} cuts, {} clean ends", clean.len());
        assert!(cuts > 500, "only {cuts} cuts");
        assert!(clean.is_empty(), "clean ends of cut streams:\n  {}", clean.join("\n  "));
    });
}

/// Whether the first `events` events of a stream already say how the answer ends.
fn finish_was_sent(exchange: &Exchange, events: usize) -> bool {
    let sent = exchange.response.pieces.iter().take(events).map(|piece| String::from_utf8_lossy(piece));
    let told = |piece: &str| {
        reading::events(piece).iter().any(|(_, data)| {
            let event: Value = serde_json::from_str(data).unwrap_or_default();
            let chat =
                event["choices"].as_array().into_iter().flatten().any(|c| c["finish_reason"].is_string());
            let gemini =
                event["candidates"].as_array().into_iter().flatten().any(|c| !c["finishReason"].is_null());
            chat || gemini || event["delta"]["stop_reason"].is_string()
        })
    };
    sent.into_iter().any(|piece| told(&piece))
}
