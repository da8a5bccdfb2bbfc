//! The simulator from outside: real sockets, raw HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail loudly; the lints exempt test functions only, not their helpers"
)]

mod answers;
mod client;
mod control;
mod faults;

use seawall_sim::{Sim, SimOptions};
use serde_json::{Value, json};

pub(crate) fn sim() -> Sim {
    Sim::start(SimOptions::default()).unwrap()
}

/// Path and body of the same question in every dialect.
pub(crate) fn question(dialect: &str, lane: &str, model: &str, text: &str, stream: bool) -> (String, Value) {
    let messages = json!([{"role": "user", "content": text}]);
    match dialect {
        "openai" => (
            format!("/{lane}/v1/chat/completions"),
            json!({"model": model, "messages": messages, "stream": stream}),
        ),
        "groq" => (
            format!("/{lane}/openai/v1/chat/completions"),
            json!({"model": model, "messages": messages, "stream": stream}),
        ),
        "anthropic" => (
            format!("/{lane}/v1/messages"),
            json!({"model": model, "messages": messages, "stream": stream, "max_tokens": 1000}),
        ),
        _ => {
            let action = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            (
                format!("/{lane}/v1beta/models/{model}:{action}"),
                json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            )
        }
    }
}

/// Where a plain answer has its text, and where a stream's event has it.
pub(crate) fn text_at(dialect: &str) -> (&'static str, &'static str) {
    match dialect {
        "openai" | "groq" => ("/choices/0/message/content", "/choices/0/delta/content"),
        "anthropic" => ("/content/0/text", "/delta/text"),
        _ => ("/candidates/0/content/parts/0/text", "/candidates/0/content/parts/0/text"),
    }
}

pub(crate) const DIALECTS: [&str; 4] = ["openai", "groq", "anthropic", "gemini"];
