//! A whole answer's events as a chat completion.

use seawall_plugin::adapter::{Answer, Event, Finish, FinishReason, StreamEvent, ToolDelta, Usage};
use seawall_plugin::chat::finish_word;
use seawall_plugin::error::ProviderError;

use crate::json::{Json, Name};
use crate::opaque;

/// Folds the events of a whole answer into a chat completion.
///
/// # Errors
/// A failure among the events; `malformed` when no choice came to an end.
pub fn fold(events: Vec<StreamEvent>) -> Result<Answer, ProviderError> {
    let mut completion = Completion::default();
    for StreamEvent { choice, what } in events {
        match what {
            Event::Start(start) => {
                completion.id = start.id.or(completion.id);
                completion.model = start.model.or(completion.model);
            }
            Event::Usage(usage) => completion.usage = Some(usage),
            Event::Failed(failure) => return Err(failure),
            Event::Done => {}
            of_choice => completion.add(choice, of_choice),
        }
    }
    if completion.choices.iter().all(|choice| choice.finish.is_none()) {
        return Err(ProviderError::malformed("the answer does not say why it ended"));
    }
    let usage = completion.usage.clone();
    let length = completion.length();
    Ok(Answer { body: completion.into_json().to_bytes_of_about(length), usage })
}

#[derive(Default)]
struct Completion {
    id: Option<String>,
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Default)]
struct Choice {
    index: u32,
    text: String,
    reasoning: String,
    /// Provider state of the reasoning, pieces joined.
    reasoning_state: String,
    calls: Vec<Call>,
    /// Members of the choice, and of the message, that have no event of their own.
    extra: Vec<(Name, Json)>,
    message_extra: Vec<(Name, Json)>,
    finish: Option<Finish>,
}

#[derive(Default)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    opaque: Option<String>,
}

impl Completion {
    fn add(&mut self, index: u32, event: Event) {
        if let Some(choice) = self.choices.iter_mut().find(|choice| choice.index == index) {
            return choice.add(event);
        }
        let mut choice = Choice { index, ..Choice::default() };
        choice.add(event);
        self.choices.push(choice);
    }

    /// About how long it becomes: its words, and what stands around them.
    fn length(&self) -> usize {
        const AROUND: usize = 1024;
        let words = |choice: &Choice| choice.text.len() + choice.reasoning.len() + AROUND;
        self.choices.iter().map(words).sum()
    }

    fn into_json(self) -> Json {
        Json::object()
            .with("id", self.id.unwrap_or_default())
            .with("object", "chat.completion")
            // A component has no clock.
            .with("created", 0_u64)
            .with("model", self.model.unwrap_or_default())
            .with("choices", self.choices.into_iter().map(Choice::into_json).collect::<Json>())
            .with_some("usage", self.usage.as_ref().map(usage))
    }
}

impl Choice {
    fn add(&mut self, event: Event) {
        match event {
            // A whole answer's text mostly comes in one piece, which need not be copied.
            Event::Text(text) if self.text.is_empty() => self.text = text,
            Event::Text(text) => self.text.push_str(&text),
            Event::Reasoning(reasoning) => {
                self.reasoning.push_str(&reasoning.text);
                self.reasoning_state.push_str(reasoning.opaque.as_deref().unwrap_or_default());
            }
            Event::ToolCall(delta) => self.call(delta),
            Event::Finish(finish) => self.finish = Some(finish),
            Event::RawChoice(raw) => {
                let Ok(Json::Object(members)) = Json::parse(raw.as_bytes()) else { return };
                for (name, value) in members {
                    match value {
                        Json::Object(delta) if name == "delta" => self.message_extra.extend(delta),
                        value => self.extra.push((name, value)),
                    }
                }
            }
            Event::Start(_) | Event::Usage(_) | Event::Failed(_) | Event::Done => {}
        }
    }

    fn call(&mut self, delta: ToolDelta) {
        match self.calls.iter_mut().find(|call| call.index == delta.index) {
            Some(call) => call.add(delta),
            None => {
                let mut call = Call { index: delta.index, ..Call::default() };
                call.add(delta);
                self.calls.push(call);
            }
        }
    }

    fn into_json(self) -> Json {
        let finish = self.finish.as_ref();
        let silent = self.text.is_empty() && !self.calls.is_empty();
        let content = if silent { Json::Null } else { Json::from(self.text) };
        let calls =
            (!self.calls.is_empty()).then(|| self.calls.into_iter().map(Call::into_json).collect::<Json>());
        let mut message = Json::object()
            .with("role", "assistant")
            .with("content", content)
            .with("refusal", Json::Null)
            .with_some("reasoning_content", non_empty(&self.reasoning))
            .with_some("reasoning_opaque", non_empty(&self.reasoning_state))
            .with_some("tool_calls", calls);
        for (name, value) in self.message_extra {
            message.set(name, value);
        }
        let mut choice = Json::object()
            .with("index", self.index)
            .with("message", message)
            .with("logprobs", Json::Null)
            .with("finish_reason", finish_word(finish.map_or(FinishReason::Other, |finish| finish.reason)))
            .with_some("native_finish_reason", finish.and_then(|finish| finish.native.as_deref()))
            .with_some("stop_reason", finish.and_then(|finish| finish.stop_sequence.as_deref()));
        for (name, value) in self.extra {
            choice.set(name, value);
        }
        choice
    }
}

impl Call {
    fn add(&mut self, delta: ToolDelta) {
        if let Some(id) = delta.id {
            self.id = id;
        }
        if let Some(name) = delta.name {
            self.name = name;
        }
        self.arguments.push_str(&delta.arguments);
        self.opaque = delta.opaque.or(self.opaque.take());
    }

    fn into_json(self) -> Json {
        let function = Json::object().with("name", self.name).with("arguments", self.arguments);
        Json::object()
            .with("id", self.id)
            .with("type", "function")
            .with("function", function)
            .with_some("extra_content", self.opaque.as_deref().map(opaque::for_call))
    }
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn usage(usage: &Usage) -> Json {
    let read = usage.cache_read_tokens.map(|tokens| {
        Json::object().with("cached_tokens", tokens).with_some("cache_write_tokens", usage.cache_write_tokens)
    });
    let reasoning = usage.reasoning_tokens.map(|tokens| Json::object().with("reasoning_tokens", tokens));
    Json::object()
        .with("prompt_tokens", usage.input_tokens)
        .with("completion_tokens", usage.output_tokens)
        .with("total_tokens", usage.input_tokens.saturating_add(usage.output_tokens))
        .with_some("prompt_tokens_details", read)
        .with_some("completion_tokens_details", reasoning)
}
