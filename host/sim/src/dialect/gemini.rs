//! Gemini's generateContent, its stream in both framings, and its embeddings.

mod ask;
mod error;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use self::ask::{either, read, text_of};
use self::error::error;
use super::{EmbedAsk, Event, Role, Target, Turn, Wire, headers_from};
use crate::answer::{Choice, Finish};
use crate::ask::{Ask, Framing};
use crate::embed;
use crate::seed::letters;
use crate::trouble::Trouble;

#[derive(Debug)]
pub(super) struct Gemini;

impl Wire for Gemini {
    fn ask(&self, target: Target<'_>, _headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        let mut ask = read(target.model.unwrap_or_default(), body)?;
        ask.stream = target.stream;
        Ok(ask)
    }

    fn counted(&self, target: Target<'_>, body: &Value) -> Result<Value, Trouble> {
        let nested = either(body, "generateContentRequest", "generate_content_request");
        let ask = read(target.model.unwrap_or_default(), if nested.is_object() { nested } else { body })?;
        Ok(json!({"totalTokens": ask.prompt_tokens}))
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        let candidate = |(index, choice): (usize, &Choice)| candidate(index, parts(choice), Some(choice));
        chunk(turn, turn.answer.choices.iter().enumerate().map(candidate).collect())
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let choices = &turn.answer.choices;
        let mut values: Vec<(Value, Role)> = Vec::new();
        let parts: Vec<Vec<Value>> = choices.iter().map(streamed_parts).collect();
        for place in 0..parts.iter().map(Vec::len).max().unwrap_or_default() {
            for (index, parts) in parts.iter().enumerate() {
                if let Some(part) = parts.get(place) {
                    values
                        .push((chunk(turn, vec![candidate(index, vec![part.clone()], None)]), Role::Content));
                }
            }
        }
        for (index, choice) in choices.iter().enumerate() {
            let last = candidate(index, vec![json!({"text": ""})], Some(choice));
            values.push((chunk(turn, vec![last]), Role::Finish));
        }
        frame(values, turn.ask.stream.unwrap_or(Framing::Sse))
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        error(trouble)
    }

    /// The real API breaks its own framing here: the error is a bare object, without `data:`.
    fn error_event(&self, trouble: &Trouble, framing: Framing, first: bool) -> Bytes {
        let error = error(trouble).1;
        match (framing, first) {
            (Framing::Sse, _) => format!("{error}\n\n").into(),
            (Framing::Array, true) => format!("[{error}\n]\n").into(),
            (Framing::Array, false) => format!(",\r\n{error}\n]\n").into(),
        }
    }

    fn malformed(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Sse => Bytes::from_static(b"data: {\"candidates\": [\r\n\r\n"),
            Framing::Array => Bytes::from_static(b",\r\n{\"candidates\": oops}"),
        }
    }

    fn heartbeat(&self, framing: Framing) -> &'static str {
        match framing {
            Framing::Sse => ": keep-alive\r\n\r\n",
            Framing::Array => "\n",
        }
    }

    fn headers(&self, _salt: u64) -> HeaderMap {
        headers_from(&[("x-gemini-service-tier", "standard"), ("vary", "Origin, X-Origin, Referer")])
    }

    fn retry_header(&self, _trouble: &Trouble) -> Option<String> {
        None
    }

    fn content_type(&self, stream: Option<Framing>) -> &'static str {
        match stream {
            Some(Framing::Sse) => "text/event-stream",
            Some(Framing::Array) | None => "application/json; charset=UTF-8",
        }
    }

    fn embed_ask(&self, target: Target<'_>, batch: bool, body: &Value) -> Result<EmbedAsk, Trouble> {
        let single = std::slice::from_ref(body);
        let requests =
            if batch { body["requests"].as_array().map_or(&[][..], Vec::as_slice) } else { single };
        if requests.is_empty() || requests.len() > embed::MOST_TEXTS {
            return Err(Trouble::bad(
                "at least one and at most 2048 requests can be in one batch",
                "requests",
            ));
        }
        let text = |request: &Value| text_of(&request["content"]);
        let first = requests.first().unwrap_or(&Value::Null);
        Ok(EmbedAsk {
            model: target.model.unwrap_or_default().to_owned(),
            texts: requests.iter().map(text).collect(),
            dimensions: embed::dimensions(either(first, "outputDimensionality", "output_dimensionality"))?,
            base64: false,
            batch,
        })
    }

    fn embedded(&self, ask: &EmbedAsk, vectors: Vec<Vec<f32>>) -> Value {
        if ask.batch {
            let item = |values| json!({"values": values});
            return json!({"embeddings": vectors.into_iter().map(item).collect::<Vec<_>>()});
        }
        json!({"embedding": {"values": vectors.into_iter().next()}})
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        let describe = |id: &str| {
            json!({"name": format!("models/{id}"), "version": "001", "displayName": id, "inputTokenLimit": 1_048_576,
                   "outputTokenLimit": 65_536,
                   "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"]})
        };
        match one {
            Some(id) => describe(id),
            None => json!({"models": names.iter().map(|id| describe(id)).collect::<Vec<_>>()}),
        }
    }
}

const SIGNATURE: &str = "CiQBcsjafHNpbXVsYXRlZCB0aG91Z2h0IHNpZ25hdHVyZQ==";

fn thought(text: &str) -> Value {
    json!({"text": text, "thought": true})
}

fn call_part(call: &crate::answer::Call) -> Value {
    json!({"functionCall": {"name": call.name, "args": call.arguments}, "thoughtSignature": SIGNATURE})
}

fn parts(choice: &Choice) -> Vec<Value> {
    let thoughts = (!choice.reasoning.is_empty()).then(|| thought(&choice.reasoning.concat()));
    let text = (!choice.text.is_empty()).then(|| json!({"text": choice.text.concat()}));
    thoughts.into_iter().chain(text).chain(choice.calls.iter().map(call_part)).collect()
}

/// Calls are never streamed in pieces here.
fn streamed_parts(choice: &Choice) -> Vec<Value> {
    let thoughts = choice.reasoning.iter().map(|piece| thought(piece));
    let texts = choice.text.iter().map(|piece| json!({"text": piece}));
    thoughts.chain(texts).chain(choice.calls.iter().map(call_part)).collect()
}

/// One candidate; with a finish reason if `finished`.
fn candidate(index: usize, parts: Vec<Value>, finished: Option<&Choice>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
    let reason = finished.map(|choice| match choice.finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filtered => "SAFETY",
    });
    if let (Some(reason), Some(candidate)) = (reason, candidate.as_object_mut()) {
        candidate.insert("finishReason".to_owned(), json!(reason));
        if reason == "SAFETY" {
            candidate.remove("content");
        }
    }
    candidate
}

fn chunk(turn: Turn<'_>, candidates: Vec<Value>) -> Value {
    let usage = turn.answer.usage;
    let mut counts = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion.saturating_sub(usage.reasoning),
        "totalTokenCount": usage.prompt + usage.completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    });
    if let Some(counts) = counts.as_object_mut().filter(|_| usage.reasoning > 0) {
        counts.insert("thoughtsTokenCount".to_owned(), json!(usage.reasoning));
    }
    json!({"candidates": candidates, "usageMetadata": counts, "modelVersion": turn.ask.model,
           "responseId": letters(turn.salt, 22)})
}

fn frame(values: Vec<(Value, Role)>, framing: Framing) -> Vec<Event> {
    match framing {
        // The real API ends its lines like this.
        Framing::Sse => values
            .iter()
            .map(|(value, role)| Event { bytes: format!("data: {value}\r\n\r\n").into(), role: *role })
            .collect(),
        Framing::Array => {
            let element = |(place, (value, role)): (usize, &(Value, Role))| {
                let start = if place == 0 { "[" } else { ",\r\n" };
                Event { bytes: format!("{start}{value}").into(), role: *role }
            };
            let end = Event { bytes: Bytes::from_static(b"\n]\n"), role: Role::Terminator };
            values.iter().enumerate().map(element).chain([end]).collect()
        }
    }
}
