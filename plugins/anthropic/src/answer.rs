//! Messages as events, whether they came whole or in pieces.

use seawall_plugin::prelude::*;
use seawall_translate::Json;

use crate::request::format::JSON_ANSWER;
use crate::{error, state, usage};

/// Most content blocks open at once: a healthy stream has one.
const MAX_OPEN_BLOCKS: usize = 64;

/// Reads a plain reply.
pub(crate) fn parse(kind: &str, reply: &Reply) -> Result<Answer, ProviderError> {
    let mut message = Json::parse(&reply.body)
        .map_err(|e| ProviderError::malformed(format!("the reply is not JSON: {e}")))?;
    if message.text("type") == Some("error") || message.get("error").is_some() {
        return Err(error::read(&message, reply.status, &reply.headers));
    }
    if message.get("content").and_then(Json::as_list).is_none() {
        return Err(ProviderError::malformed("the reply has no content"));
    }
    let mut events = Vec::new();
    MessageReader::new(kind).whole(&mut message, &mut events);
    Ok(Answer::Events(events))
}

/// Turns the parts of one message into events.
#[derive(Debug)]
pub(crate) struct MessageReader {
    /// The reserved tool's input is the answer's text. Not in the API's own protocol, where nothing is translated.
    translates: bool,
    blocks: Vec<(u64, Block)>,
    calls: u32,
    json_answers: u32,
    usage: Json<'static>,
}

/// A content block that is being written.
#[derive(Debug)]
enum Block {
    Text,
    /// `length` of its words in bytes.
    Thought {
        length: usize,
        signature: String,
    },
    Call {
        index: u32,
        input: Input,
    },
    JsonAnswer {
        input: Input,
    },
    /// What a chat answer has no place for: the provider's own tools and their results.
    Other,
}

/// Arguments of a call: complete at the start, or in pieces afterwards.
#[derive(Debug)]
struct Input {
    at_start: Option<String>,
    has_pieces: bool,
}

impl MessageReader {
    pub(crate) fn new(kind: &str) -> Self {
        Self { translates: kind == "chat", blocks: Vec::new(), calls: 0, json_answers: 0, usage: Json::Null }
    }

    /// A message that came whole.
    pub(crate) fn whole(&mut self, message: &mut Json<'_>, out: &mut Vec<StreamEvent>) {
        Self::head(message, out);
        if let Some(Json::List(blocks)) = message.get_mut("content") {
            for (at, block) in (0..).zip(blocks) {
                // Nearly all of an answer is text, which need not be copied.
                if block.text("type") == Some("text") {
                    let text = block.take_text("text").filter(|text| !text.is_empty());
                    out.extend(text.map(|text| Event::Text(text).of(0)));
                    continue;
                }
                self.open(at, block, out);
                self.close(at, out);
            }
        }
        tell(message.get("usage"), out);
        self.finish(message, out);
    }

    /// The message's head: its id, its model, its first counts.
    pub(crate) fn start(&mut self, message: &Json<'_>, out: &mut Vec<StreamEvent>) {
        Self::head(message, out);
        self.count(message.get("usage"), out);
    }

    fn head(message: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let (id, model) = (message.text("id"), message.text("model"));
        out.push(Event::Start(Start { id: id.map(str::to_owned), model: model.map(str::to_owned) }).of(0));
    }

    /// A block begins, with whatever it already holds.
    pub(crate) fn open(&mut self, at: u64, block: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let kind = match block.text("type") {
            Some("text") => {
                say(block.text("text"), out);
                Block::Text
            }
            Some("thinking") => {
                let text = block.text("thinking").unwrap_or_default();
                think(text, None, out);
                let signature = block.text("signature").unwrap_or_default().to_owned();
                Block::Thought { length: text.len(), signature }
            }
            Some("redacted_thinking") => {
                think("", Some(state::redacted(block.text("data").unwrap_or_default())), out);
                Block::Other
            }
            Some("tool_use") => self.open_call(block, out),
            _ => Block::Other,
        };
        self.blocks.retain(|(open, _)| *open != at);
        if self.blocks.len() < MAX_OPEN_BLOCKS {
            self.blocks.push((at, kind));
        }
    }

    fn open_call(&mut self, block: &Json<'_>, out: &mut Vec<StreamEvent>) -> Block {
        let at_start = block.get("input").filter(|input| !input.is_empty()).map(Json::to_text);
        let input = Input { at_start, has_pieces: false };
        let name = block.text("name").unwrap_or_default();
        if self.translates && name == JSON_ANSWER {
            self.json_answers = self.json_answers.saturating_add(1);
            return Block::JsonAnswer { input };
        }
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let id = block.text("id").map(str::to_owned);
        let name = Some(name.to_owned());
        out.push(
            Event::ToolCall(ToolDelta { index, id, name, arguments: String::new(), opaque: None }).of(0),
        );
        Block::Call { index, input }
    }

    /// A piece of a block.
    pub(crate) fn piece(&mut self, at: u64, delta: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let Some((_, block)) = self.blocks.iter_mut().find(|(open, _)| *open == at) else { return };
        match (block, delta.text("type")) {
            (Block::Text, Some("text_delta")) => say(delta.text("text"), out),
            (Block::Thought { length, .. }, Some("thinking_delta")) => {
                let text = delta.text("thinking").unwrap_or_default();
                *length = length.saturating_add(text.len());
                think(text, None, out);
            }
            (Block::Thought { signature, .. }, Some("signature_delta")) => {
                signature.push_str(delta.text("signature").unwrap_or_default());
            }
            (Block::Call { index, input }, Some("input_json_delta")) => {
                if let Some(piece) = input.piece(delta) {
                    argue(*index, piece, out);
                }
            }
            (Block::JsonAnswer { input }, Some("input_json_delta")) => say(input.piece(delta), out),
            _ => {}
        }
    }

    /// A block is complete.
    pub(crate) fn close(&mut self, at: u64, out: &mut Vec<StreamEvent>) {
        let Some(position) = self.blocks.iter().position(|(open, _)| *open == at) else { return };
        match self.blocks.swap_remove(position).1 {
            Block::Thought { length, signature } if !signature.is_empty() => {
                think("", Some(state::signed(length, &signature)), out);
            }
            Block::Call { index, input } => {
                if let Some(rest) = input.rest() {
                    argue(index, &rest, out);
                }
            }
            Block::JsonAnswer { input } => say(input.rest().as_deref(), out),
            Block::Text | Block::Thought { .. } | Block::Other => {}
        }
    }

    /// The message's tail: why it ended, its last counts.
    pub(crate) fn end(&mut self, tail: &Json<'_>, counts: Option<&Json<'_>>, out: &mut Vec<StreamEvent>) {
        self.count(counts, out);
        self.finish(tail, out);
    }

    fn finish(&self, tail: &Json<'_>, out: &mut Vec<StreamEvent>) {
        let Some(native) = tail.text("stop_reason") else { return };
        if let Some(words) = tail.at(&["stop_details", "explanation"]).and_then(Json::as_text) {
            let refusal = Json::object().with("delta", Json::object().with("refusal", words));
            out.push(Event::RawChoice(refusal.to_text()).of(0));
        }
        let reason = match native {
            "tool_use" if self.json_answers > 0 && self.calls == 0 => FinishReason::Stop,
            native => finish_reason(native),
        };
        let stop_sequence = tail.text("stop_sequence").map(str::to_owned);
        out.push(Event::Finish(Finish { reason, native: Some(native.to_owned()), stop_sequence }).of(0));
    }

    fn count(&mut self, counts: Option<&Json<'_>>, out: &mut Vec<StreamEvent>) {
        let Some(counts) = counts else { return };
        usage::merge(&mut self.usage, counts);
        tell(Some(&self.usage), out);
    }
}

impl Input {
    fn piece<'a>(&mut self, delta: &'a Json<'_>) -> Option<&'a str> {
        let piece = delta.text("partial_json").filter(|piece| !piece.is_empty())?;
        self.has_pieces = true;
        Some(piece)
    }

    /// What is still to be told at the end: clients parse arguments, and nothing is not an object.
    fn rest(self) -> Option<String> {
        (!self.has_pieces).then(|| self.at_start.unwrap_or_else(|| "{}".to_owned()))
    }
}

fn tell(counts: Option<&Json<'_>>, out: &mut Vec<StreamEvent>) {
    out.extend(counts.and_then(usage::read).map(|usage| Event::Usage(usage).of(0)));
}

fn say(text: Option<&str>, out: &mut Vec<StreamEvent>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(Event::Text(text.to_owned()).of(0));
    }
}

fn think(text: &str, opaque: Option<String>, out: &mut Vec<StreamEvent>) {
    if !text.is_empty() || opaque.is_some() {
        out.push(Event::Reasoning(Reasoning { text: text.to_owned(), opaque }).of(0));
    }
}

fn argue(index: u32, piece: &str, out: &mut Vec<StreamEvent>) {
    let arguments = piece.to_owned();
    out.push(Event::ToolCall(ToolDelta { index, id: None, name: None, arguments, opaque: None }).of(0));
}

fn finish_reason(native: &str) -> FinishReason {
    match native {
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}
