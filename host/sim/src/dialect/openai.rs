//! OpenAI's chat completions, embeddings and models. Groq's dialect is built from the pieces here.

mod ask;
mod error;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) use self::ask::read;
use self::error::error;
pub(super) use self::error::words;
use super::{EmbedAsk, Event, Role, Target, Turn, Wire, headers_from, model_of, no_such_path, sse};
use crate::answer::{Choice, Finish};
use crate::ask::{Ask, Framing};
use crate::embed;
use crate::seed::letters;
use crate::trouble::Trouble;

#[derive(Debug)]
pub(super) struct OpenAi;

impl Wire for OpenAi {
    fn ask(&self, _target: Target<'_>, _headers: &HeaderMap, body: &Value) -> Result<Ask, Trouble> {
        read(body)
    }

    fn counted(&self, _target: Target<'_>, _body: &Value) -> Result<Value, Trouble> {
        Err(no_such_path())
    }

    fn whole(&self, turn: Turn<'_>) -> Value {
        whole(turn, None)
    }

    fn events(&self, turn: Turn<'_>) -> Vec<Event> {
        let mut events = choice_events(turn, None);
        if turn.ask.include_usage {
            let mut last = chunk(turn, json!([]));
            insert(&mut last, "usage", usage(turn));
            events.push(sse(&last, Role::Finish));
        }
        events.push(done());
        events
    }

    fn error(&self, trouble: &Trouble) -> (u16, Value) {
        error(trouble)
    }

    fn error_event(&self, trouble: &Trouble, _framing: Framing, _first: bool) -> Bytes {
        sse(&error(trouble).1, Role::Frame).bytes
    }

    fn heartbeat(&self, _framing: Framing) -> &'static str {
        ": keep-alive\n\n"
    }

    fn headers(&self, salt: u64) -> HeaderMap {
        headers_from(&[
            ("x-request-id", &format!("req_{}", letters(salt, 32))),
            ("openai-processing-ms", "12"),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-limit-tokens", "2000000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-remaining-tokens", "1999900"),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-reset-tokens", "3ms"),
        ])
    }

    fn embed_ask(&self, _target: Target<'_>, _batch: bool, body: &Value) -> Result<EmbedAsk, Trouble> {
        let texts = match &body["input"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(many) if many.iter().all(Value::is_number) => {
                vec![Value::Array(many.clone()).to_string()]
            }
            Value::Array(many) => {
                many.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        if texts.is_empty() || texts.len() > embed::MOST_TEXTS {
            return Err(Trouble::bad("'$.input' is invalid.", "input"));
        }
        Ok(EmbedAsk {
            model: model_of(body)?,
            texts,
            dimensions: embed::dimensions(&body["dimensions"])?,
            base64: body["encoding_format"] == "base64",
            batch: true,
        })
    }

    fn embedded(&self, ask: &EmbedAsk, vectors: Vec<Vec<f32>>) -> Value {
        let item = |(index, vector): (usize, &Vec<f32>)| {
            let embedding = if ask.base64 { json!(embed::base64(vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        };
        let data: Vec<Value> = vectors.iter().enumerate().map(item).collect();
        let tokens = embed::tokens(&ask.texts);
        json!({"object": "list", "data": data, "model": ask.model,
               "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    }

    fn models(&self, one: Option<&str>, names: &[&str]) -> Value {
        let describe = |id: &str| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "seawall-sim"});
        match one {
            Some(id) => describe(id),
            None => {
                json!({"object": "list", "data": names.iter().map(|id| describe(id)).collect::<Vec<_>>()})
            }
        }
    }
}

/// The whole completion; `reasoning` is the member that shows reasoning, where the dialect has one.
pub(super) fn whole(turn: Turn<'_>, reasoning: Option<&str>) -> Value {
    let choice = |(index, choice): (usize, &Choice)| json!({"index": index, "message": message(choice, reasoning), "logprobs": null, "finish_reason": finish(choice)});
    let choices: Vec<Value> = turn.answer.choices.iter().enumerate().map(choice).collect();
    json!({
        "id": format!("chatcmpl-{}", letters(turn.salt, 29)),
        "object": "chat.completion",
        "created": turn.created,
        "model": turn.ask.model,
        "choices": choices,
        "usage": usage(turn),
        "service_tier": "default",
        "system_fingerprint": "fp_5ea3a11",
    })
}

fn message(choice: &Choice, reasoning: Option<&str>) -> Value {
    let content = if choice.calls.is_empty() { json!(choice.text.concat()) } else { Value::Null };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
    if let Some(member) = reasoning.filter(|_| !choice.reasoning.is_empty()) {
        insert(&mut message, member, json!(choice.reasoning.concat()));
    }
    if !choice.calls.is_empty() {
        let call = |call: &crate::answer::Call| {
            json!({"id": format!("call_{}", call.id), "type": "function",
                   "function": {"name": call.name, "arguments": call.arguments.to_string()}})
        };
        insert(&mut message, "tool_calls", choice.calls.iter().map(call).collect());
    }
    message
}

fn finish(choice: &Choice) -> &'static str {
    match choice.finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

pub(super) fn usage(turn: Turn<'_>) -> Value {
    let usage = turn.answer.usage;
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0,
                                      "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

/// One chunk; where usage was asked for, every chunk has the member and only the last has the numbers.
pub(super) fn chunk(turn: Turn<'_>, choices: Value) -> Value {
    let mut chunk = json!({
        "id": format!("chatcmpl-{}", letters(turn.salt, 29)),
        "object": "chat.completion.chunk",
        "created": turn.created,
        "model": turn.ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_5ea3a11",
        "choices": choices,
    });
    if turn.ask.include_usage {
        insert(&mut chunk, "usage", Value::Null);
    }
    chunk
}

/// Everything from the role chunks to the finish chunks; alternatives are interleaved piece by piece.
pub(super) fn choice_events(turn: Turn<'_>, reasoning: Option<&str>) -> Vec<Event> {
    let delta = |index: usize, delta: Value, finish: Value| {
        chunk(turn, json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]))
    };
    let choices = &turn.answer.choices;
    let start = json!({"role": "assistant", "content": "", "refusal": null});
    let mut events: Vec<Event> =
        (0..choices.len()).map(|index| sse(&delta(index, start.clone(), Value::Null), Role::Frame)).collect();
    let deltas: Vec<Vec<Value>> = choices.iter().map(|choice| deltas(choice, reasoning)).collect();
    let longest = deltas.iter().map(Vec::len).max().unwrap_or_default();
    for place in 0..longest {
        for (index, deltas) in deltas.iter().enumerate() {
            if let Some(piece) = deltas.get(place) {
                events.push(sse(&delta(index, piece.clone(), Value::Null), Role::Content));
            }
        }
    }
    for (index, choice) in choices.iter().enumerate() {
        events.push(sse(&delta(index, json!({}), json!(finish(choice))), Role::Finish));
    }
    events
}

fn deltas(choice: &Choice, reasoning: Option<&str>) -> Vec<Value> {
    let thought = |piece: &String| Some((reasoning?.to_owned(), json!(piece)));
    let thoughts =
        choice.reasoning.iter().filter_map(thought).map(|pair| Value::Object(Map::from_iter([pair])));
    let texts = choice.text.iter().map(|piece| json!({"content": piece}));
    let calls = choice.calls.iter().enumerate().flat_map(|(index, call)| {
        let start = json!({"tool_calls": [{"index": index, "id": format!("call_{}", call.id), "type": "function",
                                           "function": {"name": call.name, "arguments": ""}}]});
        let piece = move |piece: String| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
        std::iter::once(start).chain(call.pieces().into_iter().map(piece))
    });
    thoughts.chain(texts).chain(calls).collect()
}

pub(super) fn done() -> Event {
    Event { bytes: Bytes::from_static(b"data: [DONE]\n\n"), role: Role::Terminator }
}

pub(super) fn insert(value: &mut Value, key: &str, member: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), member);
    }
}
