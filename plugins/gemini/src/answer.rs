//! Replies as events. A whole reply and a piece of a stream have one shape, so one reader reads both.

use seawall_plugin::prelude::*;
use seawall_translate::{Json, opaque};

use crate::finish::{self, End};
use crate::{OWNER, error};

/// Most candidates followed: the API gives eight at most.
const MAX_CANDIDATES: usize = 32;

/// Reads a plain reply. A list is what the streaming method gives where nobody asked for events.
pub(crate) fn parse(reply: &Reply) -> Result<Answer, ProviderError> {
    let body = Json::parse(&reply.body)
        .map_err(|e| ProviderError::malformed(format!("the reply is not JSON: {e}")))?;
    let mut reader = ChunkReader::default();
    let mut events = Vec::new();
    for chunk in body.as_list().unwrap_or(std::slice::from_ref(&body)) {
        reader.chunk(chunk, &mut events);
    }
    reader.close(&mut events);
    Ok(Answer::Events(events))
}

/// Turns replies or pieces of them into events.
#[derive(Debug, Default)]
pub(crate) struct ChunkReader {
    started: bool,
    failed: bool,
    id: Option<String>,
    /// Calls so far, by candidate.
    candidates: Vec<(u32, u32)>,
    /// Counts that have not been told yet.
    usage: Option<Usage>,
}

impl ChunkReader {
    /// A reply or a piece of one. After a failure nothing is read any more.
    pub(crate) fn chunk(&mut self, chunk: &Json<'_>, out: &mut Vec<StreamEvent>) {
        if self.failed {
            return;
        }
        if chunk.get("error").is_some() {
            return self.fail(error::read(chunk, 0, &[]), out);
        }
        self.start(chunk, out);
        if let Some(usage) = chunk.get("usageMetadata").and_then(usage) {
            self.usage = Some(usage);
        }
        if let Some(word) = chunk.get("promptFeedback").and_then(finish::block_word) {
            let message = chunk.at(&["promptFeedback", "blockReasonMessage"]).and_then(Json::as_text);
            let message = message.unwrap_or("the prompt was refused by the provider's policy");
            let failure = ProviderError::new(ErrorClass::ContentFilter, message).with_code(Some(word));
            return self.fail(failure, out);
        }
        let candidates = chunk.list("candidates");
        for candidate in candidates {
            self.candidate(candidate, out);
        }
        if candidates.is_empty() || candidates.iter().any(|candidate| finish::word(candidate).is_some()) {
            self.close(out);
        }
        for candidate in candidates {
            self.end(candidate, out);
        }
    }

    /// Tells what has been counted.
    pub(crate) fn close(&mut self, out: &mut Vec<StreamEvent>) {
        if let Some(usage) = self.usage.take() {
            out.push(Event::Usage(usage).of(0));
        }
    }

    fn start(&mut self, chunk: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let (id, model) = (chunk.text("responseId"), chunk.text("modelVersion"));
        if self.started || (id.is_none() && model.is_none()) {
            return;
        }
        self.started = true;
        self.id = id.map(str::to_owned);
        out.push(Event::Start(Start { id: self.id.clone(), model: model.map(str::to_owned) }).of(0));
    }

    fn candidate(&mut self, candidate: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let at = index(candidate);
        let Some(content) = candidate.get("content") else { return };
        for part in content.list("parts") {
            self.part(at, part, out);
        }
    }

    /// Code that the provider ran, its results and the like have no place in a chat answer. Nor has the signature of
    /// plain text, which the API does not insist on.
    fn part(&mut self, at: u32, part: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let signature = part.text("thoughtSignature").filter(|signature| !signature.is_empty());
        if let Some(call) = part.get("functionCall") {
            return self.call(at, call, signature, out);
        }
        let Some(text) = part.text("text").filter(|text| !text.is_empty()) else { return };
        let what = if part.flag("thought") == Some(true) {
            let opaque = signature.map(|signature| opaque::mark(OWNER, signature));
            Event::Reasoning(Reasoning { text: text.to_owned(), opaque })
        } else {
            Event::Text(text.to_owned())
        };
        out.push(what.of(at));
    }

    fn call(&mut self, at: u32, call: &Json<'_>, signature: Option<&str>, out: &mut Vec<StreamEvent>) {
        let Some(number) = self.next_call(at) else { return };
        let arguments = call.get("args").map_or_else(|| "{}".to_owned(), Json::to_text);
        let delta = ToolDelta {
            index: number,
            id: Some(call.text("id").map_or_else(|| self.made_up_id(at, number), str::to_owned)),
            name: Some(call.text("name").unwrap_or_default().to_owned()),
            arguments,
            opaque: signature.map(str::to_owned),
        };
        out.push(Event::ToolCall(delta).of(at));
    }

    fn next_call(&mut self, at: u32) -> Option<u32> {
        if let Some((_, calls)) = self.candidates.iter_mut().find(|(index, _)| *index == at) {
            let number = *calls;
            *calls = number.saturating_add(1);
            return Some(number);
        }
        (self.candidates.len() < MAX_CANDIDATES).then(|| self.candidates.push((at, 1)))?;
        Some(0)
    }

    /// Clients tell calls apart by their ids all through a conversation, so the answer's id is part of a call's.
    fn made_up_id(&self, at: u32, number: u32) -> String {
        let answer = self.id.as_deref().unwrap_or("0");
        let answer: String = answer.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("call_{answer}_{at}_{number}")
    }

    fn end(&mut self, candidate: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let Some(native) = finish::word(candidate) else { return };
        if self.failed {
            return;
        }
        let at = index(candidate);
        let has_calls = self.candidates.iter().any(|(index, _)| *index == at);
        match finish::meaning(&native, has_calls) {
            End::Finished(reason) => {
                out.push(Event::Finish(Finish { reason, native: Some(native), stop_sequence: None }).of(at));
            }
            End::CallInvalid => {
                let message =
                    candidate.text("finishMessage").unwrap_or("the model wrote a call that cannot be used");
                self.fail(
                    ProviderError::new(ErrorClass::ToolCallInvalid, message).with_code(Some(native)),
                    out,
                );
            }
        }
    }

    pub(crate) fn fail(&mut self, failure: ProviderError, out: &mut Vec<StreamEvent>) {
        self.close(out);
        self.failed = true;
        out.push(Event::Failed(failure).of(0));
    }
}

fn index(candidate: &Json<'_>) -> u32 {
    candidate.count("index").and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
}

/// The API counts thoughts beside the candidates, the contract counts them in.
fn usage(counts: &Json<'_>) -> Option<Usage> {
    let prompt = counts.count("promptTokenCount");
    let candidates = counts.count("candidatesTokenCount");
    let thoughts = counts.count("thoughtsTokenCount");
    if prompt.is_none() && candidates.is_none() {
        return None;
    }
    Some(Usage {
        input_tokens: prompt.unwrap_or(0),
        output_tokens: candidates.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)),
        cache_read_tokens: counts.count("cachedContentTokenCount"),
        cache_write_tokens: None,
        reasoning_tokens: thoughts,
        native: Some(counts.to_text()),
    })
}
