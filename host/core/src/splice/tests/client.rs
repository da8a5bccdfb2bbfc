//! Clients that insist on their protocol, event by event.

use serde_json::Value;

use super::counting::bytes_of;
use crate::reply::Reply;
use crate::request::Protocol;

/// What a client has in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Saw {
    /// Everything, as it came.
    pub(super) wire: String,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Arguments of tool calls, in order.
    pub(super) calls: Vec<String>,
    pub(super) end: End,
    /// Members `seawall`, in order.
    pub(super) labels: Vec<Value>,
    pub(super) usage: Value,
    /// As each event names them, repetitions left out.
    pub(super) models: Vec<String>,
    pub(super) comments: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum End {
    #[default]
    Open,
    /// A finish reason, and the terminator.
    Whole(String),
    /// A typed error.
    Interrupted,
    /// No stream at all.
    Refused(u16),
}

pub(super) async fn see(protocol: Protocol, reply: Reply) -> Saw {
    if let Reply::Failed { error, .. } = reply {
        return Saw { end: End::Refused(error.status), ..Saw::default() };
    }
    let wire = String::from_utf8(bytes_of(reply).await.to_vec()).unwrap();
    let mut client = Client::default();
    assert!(wire.ends_with("\n\n"), "half an event: {wire}");
    for event in wire.split_terminator("\n\n") {
        if event.starts_with(':') {
            client.saw.comments += 1;
            continue;
        }
        assert_eq!(client.saw.end, End::Open, "something follows the end: {wire}");
        let (name, data) = match event.split_once('\n') {
            Some((name, data)) => (name.strip_prefix("event: "), data),
            None => (None, event),
        };
        let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("no data: {event:?} in {wire}"));
        if data == "[DONE]" {
            assert_eq!(protocol, Protocol::Chat);
            client.saw.end = End::Whole(client.finish.take().expect("a terminator without a finish"));
            continue;
        }
        let data: Value = serde_json::from_str(data).unwrap();
        if !data["error"].is_null() {
            assert_eq!(client.finish, None, "an error behind a finish: {wire}");
            assert_eq!(data["error"]["code"], "stream_interrupted", "{wire}");
            client.saw.end = End::Interrupted;
            continue;
        }
        client.saw.labels.extend(data.get("seawall").cloned());
        match protocol {
            Protocol::Messages => {
                assert_eq!(name, data["type"].as_str(), "{wire}");
                client.messages(&data);
            }
            _ => {
                assert_eq!(name, None, "a named event in a chat stream");
                client.chat(&data);
            }
        }
    }
    assert_ne!(client.saw.end, End::Open, "no end: {wire}");
    Saw { wire, ..client.saw }
}

#[derive(Default)]
struct Client {
    saw: Saw,
    id: Option<String>,
    created: Option<Value>,
    finish: Option<String>,
    open: Option<(u64, String)>,
    blocks: u64,
}

impl Client {
    fn model(&mut self, model: &Value) {
        let model = model.as_str().expect("a model").to_owned();
        if self.saw.models.last() != Some(&model) {
            self.saw.models.push(model);
        }
    }

    fn chat(&mut self, chunk: &Value) {
        let id = chunk["id"].as_str().unwrap().to_owned();
        let first = self.id.is_none();
        assert_eq!(*self.id.get_or_insert_with(|| id.clone()), id, "one id");
        assert_eq!(*self.created.get_or_insert_with(|| chunk["created"].clone()), chunk["created"]);
        self.model(&chunk["model"]);
        if let Some(usage) = chunk.get("usage").filter(|usage| !usage.is_null()) {
            assert_eq!(self.saw.usage, Value::Null, "usage twice");
            assert_eq!(chunk["choices"], serde_json::json!([]));
            self.saw.usage = usage.clone();
            return;
        }
        assert_eq!(self.finish, None, "a chunk behind the finish");
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        assert_eq!(delta.get("role").is_some(), first, "one role chunk, the first: {chunk}");
        self.saw.text.push_str(delta["content"].as_str().unwrap_or_default());
        self.saw.reasoning.push_str(delta["reasoning_content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            self.saw.calls.resize(self.saw.calls.len().max(index + 1), String::new());
            self.saw.calls[index].push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
        self.finish = choice["finish_reason"].as_str().map(str::to_owned);
    }

    fn messages(&mut self, event: &Value) {
        let index = || event["index"].as_u64().unwrap();
        let kind = event["type"].as_str().unwrap();
        assert!(self.id.is_some() || kind == "message_start", "{event} first");
        match kind {
            "message_start" => {
                assert_eq!(self.id, None, "message_start twice");
                self.id = Some(event["message"]["id"].as_str().unwrap().to_owned());
                self.model(&event["message"]["model"]);
            }
            "ping" => {}
            "content_block_start" => {
                assert_eq!(self.open, None, "a block inside another");
                assert_eq!(index(), self.blocks, "blocks in order");
                let block = event["content_block"]["type"].as_str().unwrap().to_owned();
                if block == "tool_use" {
                    self.saw.calls.push(String::new());
                }
                self.open = Some((index(), block));
            }
            "content_block_delta" => {
                let (open, block) = self.open.clone().expect("a delta without a block");
                assert_eq!(index(), open);
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "text_delta" => {
                        assert_eq!(block, "text");
                        self.saw.text.push_str(delta["text"].as_str().unwrap());
                    }
                    "thinking_delta" => self.saw.reasoning.push_str(delta["thinking"].as_str().unwrap()),
                    "signature_delta" => self.saw.reasoning.push('!'),
                    "input_json_delta" => {
                        let piece = delta["partial_json"].as_str().unwrap();
                        self.saw.calls.last_mut().unwrap().push_str(piece);
                    }
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                assert_eq!(self.open.take().map(|(open, _)| open), Some(index()));
                self.blocks += 1;
            }
            "message_delta" => {
                assert_eq!(self.open, None, "an open block at the end");
                assert_eq!(self.finish, None, "two ends");
                self.finish = event["delta"]["stop_reason"].as_str().map(str::to_owned);
                self.saw.usage = event["usage"].clone();
            }
            "message_stop" => {
                self.saw.end = End::Whole(self.finish.clone().expect("a stop without a reason"));
            }
            other => panic!("{other}"),
        }
    }
}
