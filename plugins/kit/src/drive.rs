//! Drives an adapter natively, the way the host drives its component.

use seawall_plugin::adapter::{
    Answer, BodyPlan, Failure, ProviderAdapter, Reply, StreamEvent, Target, WireEvent,
};
use seawall_plugin::body::LocalBody;
use serde_json::Value;

use crate::corpus::{Exchange, Expected};
use crate::framing::frames;
use crate::reading::Reading;

/// A target of that model under that configuration.
pub fn target(model: &str, streaming: bool, config: &str) -> Target {
    Target { model: model.to_owned(), max_output_tokens: None, streaming, config: config.to_owned() }
}

/// The body that goes out for a client's body: the adapter's merge patch applied (RFC 7396), or its full body.
pub fn sent<A: ProviderAdapter>(protocol: &str, body: Value, target: &Target) -> Value {
    let local = LocalBody::new(protocol, &body);
    match A::build_request(&local, target).map(|request| request.body) {
        Ok(BodyPlan::MergePatch(patch)) => {
            let patch = serde_json::from_str(&patch).unwrap_or_else(|e| panic!("the patch is not JSON: {e}"));
            merged(body, patch)
        }
        Ok(BodyPlan::Full(full)) => {
            serde_json::from_slice(&full).unwrap_or_else(|e| panic!("the body is not JSON: {e}"))
        }
        Err(error) => panic!("no request: {error:?}"),
    }
}

fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut members = if let Value::Object(members) = target { members } else { serde_json::Map::new() };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            let before = members.remove(&name).unwrap_or_default();
            members.insert(name, merged(before, value));
        }
    }
    Value::Object(members)
}

/// The failure that a recorded reply is.
pub fn failure_of(exchange: &Exchange) -> Failure {
    Failure {
        status: Some(exchange.status),
        headers: exchange.headers.clone(),
        data: exchange.body.clone(),
        in_stream: false,
    }
}

/// Decodes one stream whose events come one by one.
pub fn decode<A: ProviderAdapter>(target: &Target, events: &[WireEvent]) -> Vec<StreamEvent> {
    let mut decoder = A::decoder("chat", target);
    let mut out: Vec<_> = events.iter().flat_map(|event| decoder.feed(vec![event.clone()])).collect();
    out.extend(decoder.finish());
    out
}

/// Decodes one stream that arrives in two reads.
pub fn decode_split<A: ProviderAdapter>(
    target: &Target,
    events: &[WireEvent],
    at: usize,
) -> Vec<StreamEvent> {
    let (first, second) = events.split_at(at);
    let mut decoder = A::decoder("chat", target);
    let mut out = decoder.feed(first.to_vec());
    out.extend(decoder.feed(second.to_vec()));
    out.extend(decoder.finish());
    out
}

/// Reads one recorded exchange through the adapter and compares with the provider's own client; the error names what
/// differs.
///
/// # Errors
/// What differs.
pub fn check_exchange<A: ProviderAdapter>(exchange: &Exchange, config: &str) -> Result<(), String> {
    let model = exchange.request.as_ref().and_then(|r| r.get("model")).and_then(Value::as_str).unwrap_or("m");
    let target = target(model, exchange.stream, config);
    match &exchange.expected {
        Expected::Unread => Ok(()),
        Expected::Error(error) => {
            let seen = read::<A>(exchange, &target);
            let Some(failed) = seen.failed else { return Err(format!("expected {error}, read {seen:?}")) };
            let provider_says = error.get("message").and_then(Value::as_str).unwrap_or_default();
            let said = !failed.message.is_empty() || provider_says.is_empty();
            said.then_some(()).ok_or_else(|| format!("{error} lost its message"))
        }
        Expected::Answer(expected) => {
            let seen = read::<A>(exchange, &target);
            compare(expected, &seen)
        }
    }
}

fn read<A: ProviderAdapter>(exchange: &Exchange, target: &Target) -> Reading {
    if exchange.status >= 400 {
        let failed = A::classify(target, &failure_of(exchange));
        return Reading { failed: Some(failed), ..Reading::default() };
    }
    if exchange.stream {
        return Reading::from_events(&decode::<A>(target, &frames(&exchange.body)));
    }
    let reply =
        Reply { status: exchange.status, headers: exchange.headers.clone(), body: exchange.body.clone() };
    match A::parse_response("chat", target, &reply) {
        Ok(Answer::Body(body)) => Reading::from_completion(&body),
        Ok(Answer::Events(events)) => Reading::from_events(&events),
        Err(error) => Reading { failed: Some(error), ..Reading::default() },
    }
}

fn compare(expected: &Reading, seen: &Reading) -> Result<(), String> {
    if let Some(failed) = &seen.failed {
        return Err(format!("an answer was read as {failed:?}"));
    }
    let differs = |what: &str, e: &dyn std::fmt::Debug, s: &dyn std::fmt::Debug| {
        Err(format!("{what}: expected {e:?}, read {s:?}"))
    };
    if expected.text != seen.text {
        return differs("text", &expected.text, &seen.text);
    }
    if expected.reasoning != seen.reasoning {
        return differs("reasoning", &expected.reasoning, &seen.reasoning);
    }
    if expected.tool_calls != seen.tool_calls {
        return differs("tool calls", &expected.tool_calls, &seen.tool_calls);
    }
    if expected.finish != seen.finish {
        return differs("finish", &expected.finish, &seen.finish);
    }
    match (expected.usage, seen.usage) {
        (Some(wanted), got) if got != Some(wanted) => differs("usage", &Some(wanted), &got),
        _ => Ok(()),
    }
}

/// A stream gives the same events however its events are spread over two reads.
///
/// # Errors
/// The first place where it does not.
pub fn check_splits<A: ProviderAdapter>(exchange: &Exchange, config: &str) -> Result<(), String> {
    let target = target("m", true, config);
    let events = frames(&exchange.body);
    let whole = decode::<A>(&target, &events);
    let differs = |at: &usize| decode_split::<A>(&target, &events, *at) != whole;
    match (0..=events.len()).find(differs) {
        Some(at) => Err(format!("differs when cut before event {at}")),
        None => Ok(()),
    }
}
