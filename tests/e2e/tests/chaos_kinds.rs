//! Every kind of fault in the catalogue, on real bytes: armed over the admin port against each provider's wire format, with
//! and without streaming, with a spare behind it. Whatever breaks on the way, the client has the spare's answer; what is
//! whole on the wire and worthless is what it gets.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::collections::BTreeSet;

use seawall_e2e::{Stage, block_on, reading};
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::{Value, json};

const PROVIDERS: [(&str, Dialect); 4] = [
    ("openai", Dialect::OpenAi),
    ("anthropic", Dialect::Anthropic),
    ("gemini", Dialect::Gemini),
    ("groq", Dialect::Groq),
];

/// What the client reads, plain and streamed.
enum Seen {
    /// The right answer, wherever it comes from.
    Right,
    /// This text of the fault's own.
    Own(&'static str),
    /// The right text with something twice.
    Doubled,
}

use Seen::{Doubled, Own, Right};

/// Every kind with parameters that make it strike at once, and what is seen.
fn kinds() -> Vec<(&'static str, Value, [Seen; 2])> {
    let right = || [Right, Right];
    let own = |text| [Own(text), Own(text)];
    vec![
        ("dns-nxdomain", json!({}), right()),
        ("dns-slow", json!({ "distribution": "const", "ms": 60 }), right()),
        ("refused", json!({}), right()),
        ("connect-timeout", json!({}), right()),
        ("tls-bad-cert", json!({}), right()),
        ("hang", json!({}), right()),
        ("hang", json!({ "distribution": "const", "ms": 60 }), right()),
        ("reset", json!({}), right()),
        ("outage", json!({}), right()),
        ("status", json!({ "status": 502 }), right()),
        ("overloaded-529", json!({}), right()),
        ("wrong-content-type", json!({}), right()),
        ("latency-storm", json!({ "distribution": "const", "ms": 60 }), right()),
        ("rate-limit", json!({}), right()),
        ("rate-429", json!({ "retry_after": "garbage" }), right()),
        ("quota-exhausted", json!({}), right()),
        ("auth-revoked", json!({}), right()),
        ("forbidden", json!({}), right()),
        ("model-not-found", json!({}), right()),
        ("throttle-tier", json!({ "rpm": 1 }), right()),
        ("slow-first-token", json!({ "distribution": "const", "ms": 60 }), right()),
        ("drip", json!({ "tokens_per_s": 100 }), right()),
        ("stall-after", json!({ "after": 2 }), right()),
        ("heartbeat-only", json!({ "interval_ms": 50 }), right()),
        ("reset-after", json!({ "after": 2 }), right()),
        ("truncate-no-done", json!({ "after": 2 }), right()),
        ("error-event-in-200", json!({ "after": 2 }), right()),
        ("duplicate-chunk", json!({ "every": 2 }), [Right, Doubled]),
        ("split-utf8", json!({}), right()),
        ("malformed-sse", json!({ "after": 1 }), right()),
        ("crlf-mix", json!({}), right()),
        ("truncated-json", json!({}), right()),
        ("error-body-200", json!({}), right()),
        ("empty-completion", json!({}), right()),
        ("html-200", json!({}), right()),
        ("oversize", json!({ "mib": 3 }), right()),
        ("garbage-tokens", json!({ "words": 3 }), own("")),
        ("wrong-language", json!({}), own("Valitettavasti en ymm\u{e4}rr\u{e4}")),
        ("refusal", json!({ "text": "No." }), own("No.")),
        ("repeated-loop", json!({ "text": "na ", "times": 3 }), own("na na na")),
        ("tool-args-truncated", json!({}), right()),
        ("kill-provider", json!({}), right()),
        ("kill-pool", json!({}), right()),
        ("kill-credential", json!({}), right()),
    ]
}

struct House {
    _sim: Sim,
    stage: Stage,
}

impl House {
    /// For each provider an alias of its name with a spare behind it; each lives in a domain of its own.
    async fn open() -> Self {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let mut config = String::from(
            "[server]\nlisten = \"127.0.0.1:0\"\nmax_answer_bytes = \"1MiB\"\nmax_event_bytes = \"256KiB\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [defaults.timeouts]\nconnect = \"200ms\"\nfirst_token = \"500ms\"\nanswer = \"500ms\"\nstall = \"500ms\"\n",
        );
        for (name, dialect) in PROVIDERS {
            let base = sim.base_url(name, dialect);
            config.push_str(&format!(
                "[providers.{name}]\nadapter = \"{name}\"\nbase_url = \"{base}\"\ndomains = [\"house-{name}\"]\n\
                 [models.{name}]\ntargets = [\"{name}/count-5\", \"spare/count-5\"]\n"
            ));
        }
        let spare = sim.base_url("spare", Dialect::OpenAi);
        config.push_str(&format!(
            "[providers.spare]\nadapter = \"openai-compatible\"\nbase_url = \"{spare}\"\n"
        ));
        let stage = Stage::start(&config).await;
        Self { _sim: sim, stage }
    }

    async fn ask(&self, model: &str, stream: bool) -> reading::Reading {
        let body =
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "go" }] });
        let (status, _, body) = self.stage.post_for_headers("/v1/chat/completions", &body).await;
        // Line ends of a provider that are right by the standard reach the client as they are.
        reading::chat(status, stream, &body.replace("\r\n", "\n").replace('\r', "\n"))
    }
}

#[test]
fn every_kind_strikes_and_what_can_be_healed_is_healed() {
    block_on(async {
        let house = House::open().await;
        for (kind, config, expected) in kinds() {
            for (provider, _) in PROVIDERS {
                let domain = format!("house-{provider}");
                let matching = match kind {
                    "kill-pool" => json!({ "domain": domain }),
                    _ => json!({ "provider": provider }),
                };
                let order = json!({ "kind": kind, "match": matching, "config": config });
                for (stream, expected) in [false, true].into_iter().zip(&expected) {
                    let id = house.stage.arm(&order).await;
                    // A lower tier lets the first one through.
                    let asks = if kind == "throttle-tier" { 2 } else { 1 };
                    let mut seen = house.ask(provider, stream).await;
                    for _ in 1..asks {
                        seen = house.ask(provider, stream).await;
                    }
                    let counts = house.stage.armed().await;
                    let injected = counts[0]["injected"].as_u64().unwrap_or_default();
                    let case = format!("{kind} {config} at {provider}, stream {stream}: {seen:?}");
                    let needs_stream = counts[0]["plugin"] == "fault-stream";
                    let needs_plain = kind == "truncated-json";
                    let strikes = !(needs_stream && !stream || needs_plain && stream);
                    assert_eq!(injected > 0, strikes, "{case}: {counts:?}");
                    assert_eq!(seen.status, 200, "{case}");
                    match expected {
                        Right => assert_eq!(seen.text, "1 2 3 4 5", "{case}"),
                        Own(text) => {
                            assert!(seen.text.starts_with(text) && seen.text != "1 2 3 4 5", "{case}")
                        }
                        Doubled => assert!(seen.text.len() > "1 2 3 4 5".len(), "{case}"),
                    }
                    assert_eq!(house.stage.disarm(id).await.0, 200, "{case}");
                    house.stage.forget_failures(provider).await;
                }
            }
        }
    });
}

/// The design's list. Two kinds have a plain name beside the technical one.
const PROMISED: &str = "dns-nxdomain dns-slow refused connect-timeout tls-bad-cert \
    hang reset status overloaded-529 wrong-content-type latency-storm outage \
    rate-429 rate-limit quota-exhausted auth-revoked forbidden model-not-found throttle-tier \
    slow-first-token drip stall-after heartbeat-only reset-after truncate-no-done error-event-in-200 duplicate-chunk \
    split-utf8 malformed-sse crlf-mix \
    truncated-json error-body-200 empty-completion html-200 oversize \
    garbage-tokens wrong-language refusal repeated-loop tool-args-truncated \
    kill-provider kill-pool kill-credential";

#[test]
fn the_catalogue_is_whole_and_says_what_everything_takes() {
    block_on(async {
        let house = House::open().await;
        let (status, listed) = house.stage.admin(reqwest::Method::GET, "/admin/chaos/catalogue", None).await;
        assert_eq!(status, 200, "{listed}");
        let entries = listed["kinds"].as_array().expect("a list");
        let names: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["name"].as_str()).collect();
        let promised: BTreeSet<&str> = PROMISED.split_whitespace().collect();
        assert_eq!(names, promised);
        let tested: BTreeSet<&str> = kinds().iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(tested, promised, "every kind is tried above");
        for entry in entries {
            let layer = entry["layer"].as_str().unwrap_or_default();
            let layers = ["connect", "headers", "limits", "stream", "body", "semantics", "pool"];
            assert!(layers.contains(&layer), "{entry}");
            assert!(entry["description"].as_str().is_some_and(|about| about.len() > 10), "{entry}");
            let members = entry["schema"]["properties"].as_object().expect("a schema");
            assert_eq!(entry["schema"]["additionalProperties"], false, "{entry}");
            assert!(members.values().all(|member| member["description"].is_string()), "{entry}");
            // What is promised as usual is accepted.
            let matching = json!({ "provider": "openai", "domain": "house-openai" });
            let order = json!({ "kind": entry["name"], "config": entry["defaults"], "match": matching });
            let (status, answer) = house.stage.order_fault(&order).await;
            assert_eq!(status, 201, "{entry}: {answer}");
        }
        assert_eq!(house.stage.disarm_all().await, entries.len() as u64);
    });
}
