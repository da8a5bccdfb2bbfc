//! Streams of `chat.completion.chunk` objects, with the liberties that servers take.

use serde_json::{Value, json};

use crate::adapter::{
    Decoder, Event, Failure, Finish, FinishReason, Reasoning, Start, StreamEvent, WireEvent,
};
use crate::chat::calls::Calls;
use crate::chat::finish::broken_off;
use crate::chat::{classify, finish_reason, flatten, read_usage};
use crate::error::ProviderError;

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
    calls: Calls,
    failed: bool,
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
        Self { classify, started: false, calls: Calls::default(), failed: false }
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
        let reason = match finish_reason(native) {
            FinishReason::Stop if stop_sequence.is_some() => FinishReason::StopSequence,
            reason => reason,
        };
        let finish = Finish {
            reason,
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
        // A refusal is all that the model says; a client that gets nothing would take it for an empty answer.
        let refusal = text("refusal");
        if !refusal.is_empty() {
            out.push(Event::Text(refusal).of(at));
        }
        if let Some(annotations) =
            delta.get("annotations").filter(|a| a.as_array().is_some_and(|a| !a.is_empty()))
        {
            out.push(Event::RawChoice(json!({ "annotations": annotations }).to_string()).of(at));
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        for call in calls {
            out.extend(self.calls.delta(at, call).map(|delta| Event::ToolCall(delta).of(at)));
        }
        if let Some(function) = delta.get("function_call").filter(|f| f.is_object()) {
            let call = json!({ "index": 0, "function": function });
            out.extend(self.calls.delta(at, &call).map(|delta| Event::ToolCall(delta).of(at)));
        }
    }
}

fn holds_error(chunk: &Value) -> bool {
    let error = chunk.get("error").is_some_and(|e| !e.is_null());
    let object = chunk.get("object").and_then(Value::as_str);
    error || object == Some("error")
}
