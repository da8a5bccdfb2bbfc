//! The upstream calls of a request that has ended, for the waterfall.

use seawall_core::event::Usage;
use seawall_core::record::{Attempted, Record};
use serde::Serialize;

use super::object::Object;
use super::{ms, short};

/// One call. Times in ms; `began_ms` counts from the request's start, the others from the call's.
#[derive(Serialize)]
struct Call<'a> {
    target: String,
    plugin: &'a str,
    generation: u64,
    purpose: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    probe: bool,
    began_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_ms: Option<u64>,
    took_ms: u64,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
}

#[derive(Serialize)]
struct Tokens {
    input: u64,
    output: u64,
}

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Self {
        Self { input: usage.input_tokens, output: usage.output_tokens }
    }
}

/// Members that only the stream's event has.
pub(super) fn put(record: &Record, object: &mut Object) {
    object.put("protocol", &record.protocol.as_str());
    object.put("stream", &record.stream);
    object.put("committed_ms", &record.committed.map(ms));
    if let Some(usage) = &record.usage {
        object.value("tokens", &Tokens::from(usage));
    }
    if let Some(cost) = record.cost_usd() {
        object.value("cost_usd", &cost);
    }
    object.value("routed_by", &record.routing.by.label());
    object.value("splices", &record.splices.len());
    object.value("calls", &record.attempts.iter().map(call).collect::<Vec<_>>());
}

fn call(attempt: &Attempted) -> Call<'_> {
    let broke = attempt.failure();
    Call {
        target: attempt.target.to_string(),
        plugin: &attempt.adapter.id,
        generation: attempt.adapter.generation,
        purpose: attempt.purpose.label(),
        probe: attempt.probe,
        began_ms: ms(attempt.began),
        first_content_ms: attempt.first_content.map(ms),
        took_ms: ms(attempt.took),
        end: attempt.end.label(),
        class: broke.map(|broke| broke.class.label()),
        status: broke.and_then(|broke| broke.status),
        code: broke.and_then(|broke| broke.code.as_deref()).map(short),
        tokens: attempt.tokens.as_ref().map(Tokens::from),
        cost_usd: attempt.cost_usd(),
        fault: attempt.injected().map(|injected| injected.kind.as_str()),
    }
}
