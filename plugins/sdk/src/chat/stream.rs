//! Streams of `chat.completion.chunk` objects, with the liberties that servers take.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::adapter::{
    Decoder, Event, Failure, Finish, FinishReason, Reasoning, Start, StreamEvent, ToolDelta, WireEvent,
};
use crate::chat::{classify, read_usage};
use crate::error::ProviderError;

/// Most tool calls followed in one stream; later ones are dropped, so that a hostile upstream cannot fill memory.
const MAX_CALLS: usize = 256;

/// How a failure inside the stream is read; an adapter with classes of its own passes its `classify`.
pub type Classify = fn(&Failure) -> ProviderError;

/// Reads a stream of chunks.
///
/// An event that cannot be parsed is skipped: the stream goes on, and if it ends without a finish reason the host
/// takes it as cut.
#[derive(Debug)]
pub struct ChunkDecoder {
    classify: Classify,
    started: bool,
    /// By choice and the server's index.
    calls: BTreeMap<(u32, u32), Call>,
    failed: bool,
}

/// What is known of one tool call.
#[derive(Debug)]
struct Call {
    /// The index given to the host.
    index: u32,
    id: Option<String>,
    named: bool,
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self::with_classify(classify)
    }
}

impl Decoder for ChunkDecoder {
    fn feed(&mut self, events: Vec<WireEvent>) -> Vec<StreamEvent> {
        let mut out = Vec::new();
        for event in events {
            self.event(&event, &mut out);
        }
        out
    }
}

impl ChunkDecoder {
    /// A decoder that reads failures in its own way.
    pub fn with_classify(classify: Classify) -> Self {
        Self { classify, started: false, calls: BTreeMap::new(), failed: false }
    }

    fn event(&mut self, event: &WireEvent, out: &mut Vec<StreamEvent>) {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            out.push(Event::Done.of(0));
            return;
        }
        let named_error = event.event.as_deref() == Some("error");
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else {
            if named_error {
                self.fail(data, out);
            }
            return;
        };
        if named_error || holds_error(&chunk) {
            self.fail(data, out);
            return;
        }
        self.start(&chunk, out);
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            self.choice(choice, out);
        }
        let usage = ["/usage", "/x_groq/usage", "/choices/0/usage"];
        if let Some(usage) = usage.iter().find_map(|pointer| chunk.pointer(pointer).and_then(read_usage)) {
            out.push(Event::Usage(usage).of(0));
        }
    }

    fn fail(&mut self, data: &[u8], out: &mut Vec<StreamEvent>) {
        if !self.failed {
            self.failed = true;
            let failure = Failure { status: None, headers: Vec::new(), data: data.to_vec(), in_stream: true };
            out.push(Event::Failed((self.classify)(&failure)).of(0));
        }
    }

    fn start(&mut self, chunk: &Value, out: &mut Vec<StreamEvent>) {
        // An annotation chunk without choices and with an empty id comes before the answer on some servers.
        let text =
            |name| chunk.get(name).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned);
        let (id, model) = (text("id"), text("model"));
        if !self.started && (id.is_some() || model.is_some()) {
            self.started = true;
            out.push(Event::Start(Start { id, model }).of(0));
        }
    }

    fn choice(&mut self, choice: &Value, out: &mut Vec<StreamEvent>) {
        if choice.get("error").is_some_and(|e| !e.is_null()) {
            self.fail(choice.to_string().as_bytes(), out);
            return;
        }
        let at = choice.get("index").and_then(Value::as_u64).and_then(|i| u32::try_from(i).ok()).unwrap_or(0);
        // A few servers send a whole message where others send a delta.
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            self.delta(at, delta, out);
        }
        if let Some(logprobs) = choice.get("logprobs").filter(|l| !l.is_null()) {
            out.push(Event::RawChoice(json!({ "logprobs": logprobs }).to_string()).of(at));
        }
        let Some(native) = choice.get("finish_reason").and_then(Value::as_str).filter(|s| !s.is_empty())
        else {
            return;
        };
        if let Some(failure) = broken_off(native) {
            self.fail(failure, out);
            return;
        }
        let stop_sequence = choice.get("stop_reason").and_then(Value::as_str).filter(|_| native == "stop");
        let finish = Finish {
            reason: finish_reason(native),
            native: Some(native.to_owned()),
            stop_sequence: stop_sequence.map(str::to_owned),
        };
        out.push(Event::Finish(finish).of(at));
    }

    fn delta(&mut self, at: u32, delta: &Value, out: &mut Vec<StreamEvent>) {
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut reasoning = text("reasoning_content");
        if reasoning.is_empty() {
            reasoning = text("reasoning");
        }
        let content = match delta.get("content") {
            Some(Value::Array(blocks)) => {
                let (content, thinking) = flatten(blocks);
                reasoning.push_str(&thinking);
                content
            }
            Some(Value::String(content)) => content.clone(),
            _ => String::new(),
        };
        if !reasoning.is_empty() {
            out.push(Event::Reasoning(Reasoning { text: reasoning, opaque: None }).of(at));
        }
        if !content.is_empty() {
            out.push(Event::Text(content).of(at));
        }
        for name in ["refusal", "annotations"] {
            let worth = |v: &&Value| !v.is_null() && v.as_str() != Some("");
            if let Some(value) = delta.get(name).filter(worth) {
                out.push(Event::RawChoice(json!({ "delta": { name: value } }).to_string()).of(at));
            }
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        for call in calls {
            self.call(at, call, out);
        }
        if let Some(function) = delta.get("function_call").filter(|f| f.is_object()) {
            self.call(at, &json!({ "index": 0, "function": function }), out);
        }
    }

    fn call(&mut self, at: u32, call: &Value, out: &mut Vec<StreamEvent>) {
        let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).filter(|s| !s.is_empty());
        let (id, name) = (text("/id").filter(|id| *id != "null"), text("/function/name"));
        let Some(slot) = self.slot(at, call.get("index").and_then(Value::as_u64), id) else { return };
        let Some(known) = self.calls.get_mut(&slot) else { return };
        let arguments = match call.pointer("/function/arguments") {
            Some(Value::String(piece)) => piece.clone(),
            Some(Value::Null) | None => String::new(),
            Some(object) => object.to_string(),
        };
        let first_name = name.filter(|_| !known.named).map(str::to_owned);
        let first_id = id.filter(|_| known.id.is_none()).map(str::to_owned);
        known.named |= first_name.is_some();
        known.id = known.id.take().or_else(|| first_id.clone());
        if first_id.is_none() && first_name.is_none() && arguments.is_empty() {
            return;
        }
        let delta = ToolDelta { index: known.index, id: first_id, name: first_name, arguments, opaque: None };
        out.push(Event::ToolCall(delta).of(at));
    }

    /// Finds or makes the call that a delta belongs to. Some servers send no index, some send 0 for every call; a new
    /// id is then what tells calls apart.
    fn slot(&mut self, at: u32, index: Option<u64>, id: Option<&str>) -> Option<(u32, u32)> {
        let last = self.calls.keys().filter(|(choice, _)| *choice == at).map(|(_, key)| *key).max();
        let given = index.and_then(|i| u32::try_from(i).ok());
        let key = match (given, id) {
            (Some(key), _) => key,
            (None, Some(id)) => {
                let same =
                    self.calls.iter().find(|((c, _), call)| *c == at && call.id.as_deref() == Some(id));
                same.map_or_else(|| last.map_or(0, |last| last.saturating_add(1)), |((_, key), _)| *key)
            }
            (None, None) => last.unwrap_or(0),
        };
        let clash = |call: &Call| call.id.is_some() && id.is_some() && call.id.as_deref() != id;
        let clashes = self.calls.get(&(at, key)).is_some_and(clash);
        if (clashes || !self.calls.contains_key(&(at, key))) && self.calls.len() >= MAX_CALLS {
            return None;
        }
        let fresh = self.calls.values().map(|call| call.index.saturating_add(1)).max().unwrap_or(0);
        if clashes {
            self.calls.insert((at, key), Call { index: fresh, id: None, named: false });
        } else {
            let wanted = if self.calls.values().any(|call| call.index == key) { fresh } else { key };
            self.calls.entry((at, key)).or_insert(Call { index: wanted, id: None, named: false });
        }
        Some((at, key))
    }
}

/// Finish reasons that say that the answer was not finished, as the error they stand for.
fn broken_off(native: &str) -> Option<&'static [u8]> {
    match native {
        "error" => Some(br#"{"error":{"message":"the provider ended the answer with an error"}}"#),
        "insufficient_system_resource" => {
            Some(br#"{"error":{"message":"the provider ran out of capacity","code":"no_capacity"}}"#)
        }
        "network_error" => {
            Some(br#"{"error":{"message":"the provider lost its model","code":"bad_gateway"}}"#)
        }
        _ => None,
    }
}

fn holds_error(chunk: &Value) -> bool {
    let error = chunk.get("error").is_some_and(|e| !e.is_null());
    let object = chunk.get("object").and_then(Value::as_str);
    error || object == Some("error")
}

/// Splits typed content blocks into text and thinking.
pub fn flatten(blocks: &[Value]) -> (String, String) {
    let (mut text, mut thinking) = (String::new(), String::new());
    for block in blocks {
        match block {
            Value::String(piece) => text.push_str(piece),
            Value::Object(members) => {
                let piece = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
                match members.get("thinking") {
                    Some(Value::Array(inner)) => thinking.push_str(&flatten(inner).0),
                    Some(Value::String(inner)) => thinking.push_str(inner),
                    _ => text.push_str(piece("text")),
                }
            }
            _ => {}
        }
    }
    (text, thinking)
}

/// The meaning of a finish reason.
pub fn finish_reason(native: &str) -> FinishReason {
    match native.to_ascii_lowercase().as_str() {
        "stop" | "eos" | "eos_token" | "end_turn" | "complete" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" | "tool_call" => FinishReason::ToolCalls,
        "content_filter" | "refusal" | "safety" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}

/// OpenAI's word for it.
pub fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Paused | FinishReason::Other => {
            "stop"
        }
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
