//! Simulated providers that count, 1 2 3 ... N, and break where they are told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::body::RequestBody;
use crate::class::{Class, Failure};
use crate::event::{StreamEvent, WireEvent};
use crate::ports::{
    Adapter, AdapterError, AdapterTarget, Answer, Auth, BodyPlan, Call, Decoder, Framing, PlainReply,
    PluginFault, PluginRef, PluginSet, RawFailure, ReplyFormat, Shape, TransportFailure, Upstream, WirePlan,
    WireReply, WireRequest,
};
use crate::protocol::Reader;
use crate::reply::Reply;
use crate::request::{Protocol, Request};
use crate::settings::Alias;
use crate::target::Capabilities;
use crate::testing::{self, Step, World, steps};

/// How a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Chat, relayed or translated by the host.
    Chat,
    /// Messages, relayed.
    Messages,
    /// Decoded by its adapter.
    Custom,
}

/// What it does with the beginning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefill {
    Accepts,
    /// Although its adapter says that it accepts.
    Refuses,
    /// Its adapter says that it cannot.
    Undeclared,
    /// Words every answer differently.
    Diverges,
    /// As that, but its adapter says that it goes on.
    DivergesUndeclared,
    /// Says the last words again.
    Repeats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A clean close.
    Cut,
    Break,
    Stall,
    ErrorEvent,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::Cut, Self::Break, Self::Stall, Self::ErrorEvent];
}

/// One provider.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) wire: Wire,
    pub(super) prefill: Prefill,
    pub(super) to: u32,
    /// After so many events.
    pub(super) faults: Option<(usize, Fault)>,
    /// Inside an event: after so many bytes.
    pub(super) faults_inside: Option<(usize, Fault)>,
    /// Only its first so many calls fail.
    pub(super) faulty_calls: usize,
    /// Between two events.
    pub(super) pace: Duration,
    /// Calls a tool with these arguments behind its text, in pieces.
    pub(super) call: Option<&'static [&'static str]>,
    /// Thinks first.
    pub(super) thinks: bool,
}

pub(super) fn counts(wire: Wire, prefill: Prefill) -> Counts {
    Counts {
        wire,
        prefill,
        to: 12,
        faults: None,
        faults_inside: None,
        faulty_calls: usize::MAX,
        pace: Duration::ZERO,
        call: None,
        thinks: false,
    }
}

impl Counts {
    pub(super) fn with_fault(mut self, after: usize, fault: Fault) -> Self {
        self.faults = Some((after, fault));
        self
    }

    fn says(&self, prefix: Option<&str>) -> String {
        let whole = count(self.to);
        match (self.prefill, prefix) {
            (Prefill::Diverges | Prefill::DivergesUndeclared, _) => format!("Well: {whole}"),
            (_, None) => whole,
            (Prefill::Repeats, Some(prefix)) => {
                let from = prefix.len().saturating_sub(14);
                let from = if from == 0 { prefix.len() } else { from };
                whole.split_at(from).1.to_owned()
            }
            (_, Some(prefix)) => whole.strip_prefix(prefix).unwrap_or("?").to_owned(),
        }
    }

    /// Its whole stream, event by event.
    pub(super) fn events(&self, prefix: Option<&str>) -> Vec<String> {
        let text = self.says(prefix);
        let pieces: Vec<&str> = text.split_inclusive(' ').collect();
        match self.wire {
            Wire::Chat | Wire::Custom => self.chat_events(&pieces),
            Wire::Messages => self.messages_events(&pieces),
        }
    }

    fn chat_events(&self, pieces: &[&str]) -> Vec<String> {
        let event = |value: &Value| format!("data: {value}\n\n");
        let chunk = |delta: Value, finish: Value| {
            event(&json!({ "id": "up", "object": "chat.completion.chunk", "created": 7, "model": "real",
                "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }))
        };
        let mut events = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
        if self.thinks {
            events
                .extend(["let me", " count"].map(|t| chunk(json!({ "reasoning_content": t }), Value::Null)));
        }
        events.extend(pieces.iter().map(|piece| chunk(json!({ "content": piece }), Value::Null)));
        if let Some(arguments) = self.call {
            let call = |call: Value| chunk(json!({ "tool_calls": [call] }), Value::Null);
            events.push(call(json!({ "index": 0, "id": "call", "type": "function", "function": { "name": "f", "arguments": "" } })));
            events.extend(
                arguments.iter().map(|piece| call(json!({ "index": 0, "function": { "arguments": piece } }))),
            );
        }
        let finish = if self.call.is_some() { "tool_calls" } else { "stop" };
        events.push(chunk(json!({}), json!(finish)));
        events.push(event(&json!({ "id": "up", "object": "chat.completion.chunk", "created": 7, "model": "real", "choices": [],
            "usage": { "prompt_tokens": 20, "completion_tokens": pieces.len(), "total_tokens": 20 + pieces.len() } })));
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn messages_events(&self, pieces: &[&str]) -> Vec<String> {
        let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
        let delta = |index: u32, delta: Value| {
            event(json!({ "type": "content_block_delta", "index": index, "delta": delta }))
        };
        let start = |index: u32, block: Value| {
            event(json!({ "type": "content_block_start", "index": index, "content_block": block }))
        };
        let stop = |index: u32| event(json!({ "type": "content_block_stop", "index": index }));
        let mut index = 0;
        let mut events = vec![
            event(
                json!({ "type": "message_start", "message": { "id": "msg_up", "type": "message", "role": "assistant",
                "model": "real", "content": [], "stop_reason": null, "stop_sequence": null,
                "usage": { "input_tokens": 20, "output_tokens": 1 } } }),
            ),
            event(json!({ "type": "ping" })),
        ];
        if self.thinks {
            events.push(start(index, json!({ "type": "thinking", "thinking": "", "signature": "" })));
            events.push(delta(index, json!({ "type": "thinking_delta", "thinking": "let me count" })));
            events.push(delta(index, json!({ "type": "signature_delta", "signature": "c2lnbmVk" })));
            events.push(stop(index));
            index += 1;
        }
        events.push(start(index, json!({ "type": "text", "text": "" })));
        events
            .extend(pieces.iter().map(|piece| delta(index, json!({ "type": "text_delta", "text": piece }))));
        events.push(stop(index));
        index += 1;
        if let Some(arguments) = self.call {
            events
                .push(start(index, json!({ "type": "tool_use", "id": "toolu_1", "name": "f", "input": {} })));
            let json =
                |piece: &&str| delta(index, json!({ "type": "input_json_delta", "partial_json": piece }));
            events.extend(arguments.iter().map(json));
            events.push(stop(index));
        }
        let reason = if self.call.is_some() { "tool_use" } else { "end_turn" };
        events.push(event(
            json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
            "usage": { "output_tokens": pieces.len() } }),
        ));
        events.push(event(json!({ "type": "message_stop" })));
        events
    }

    fn reply(&self, prefix: Option<&str>, call: usize) -> WireReply {
        if prefix.is_some() && self.prefill == Prefill::Refuses {
            let body = json!({ "error": { "message": "no prefill", "type": "invalid_request_error" } });
            let body = steps(vec![Step::Send(body.to_string())]);
            return WireReply { status: 400, headers: HeaderMap::new(), body };
        }
        let mut sent = Vec::new();
        let mut events = self.events(prefix);
        let mut faults = self.faults;
        if let Some((bytes, fault)) = self.faults_inside {
            let whole = events.concat();
            events = vec![whole.split_at(bytes).0.to_owned(), "never sent".to_owned()];
            faults = Some((1, fault));
        }
        let fault = faults.filter(|(after, _)| call < self.faulty_calls && *after < events.len());
        for event in events.into_iter().take(fault.map_or(usize::MAX, |(after, _)| after)) {
            if !self.pace.is_zero() {
                sent.push(Step::Wait(self.pace));
            }
            sent.push(Step::Send(event));
        }
        sent.extend(fault.and_then(|(_, fault)| match fault {
            Fault::Cut => None,
            Fault::Break => Some(Step::Break),
            Fault::Stall => Some(Step::Stall),
            Fault::ErrorEvent => {
                Some(Step::Send("data: {\"error\":{\"code\":\"overloaded\"}}\n\n".to_owned()))
            }
        }));
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
        WireReply { status: 200, headers, body: steps(sent) }
    }
}

pub(super) fn count(to: u32) -> String {
    (1..=to).map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

/// A world of providers `a`, `b`, ... that count.
pub(super) struct Counting {
    pub(super) world: World,
    pub(super) upstream: Arc<Providers>,
    names: Vec<String>,
}

impl Counting {
    pub(super) fn new(providers: Vec<Counts>) -> Self {
        let names: Vec<String> = ('a'..).take(providers.len()).map(String::from).collect();
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::new(&refs);
        let adapters = names.iter().zip(&providers).map(|(name, counts)| {
            let adapter: Arc<dyn Adapter> = Arc::new(CountingAdapter {
                plugin: PluginRef::made_up(name.as_str()),
                base_url: Arc::from("http://upstream.test"),
                wire: counts.wire,
                continues: !matches!(counts.prefill, Prefill::Undeclared | Prefill::DivergesUndeclared),
            });
            (Arc::from(name.as_str()), adapter)
        });
        world.use_plugins(PluginSet { adapters: adapters.collect(), ..PluginSet::default() });
        let providers = names.iter().cloned().zip(providers).collect();
        let upstream = Arc::new(Providers { providers, asked: Mutex::default() });
        Arc::get_mut(&mut world.engine).unwrap().upstream = Arc::<Providers>::clone(&upstream);
        Self { world, upstream, names }
    }

    pub(super) fn alias(&self) -> Alias {
        testing::alias(&self.names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(super) async fn ask(&self, protocol: Protocol) -> Reply {
        self.ask_for(&request(protocol), &self.alias()).await
    }

    pub(super) async fn ask_for(&self, request: &Request, alias: &Alias) -> Reply {
        self.world.answer(request, alias).await
    }

    /// Who was called, in order, and whether with a beginning to continue.
    pub(super) fn calls(&self) -> Vec<String> {
        let asked = self.upstream.asked.lock().unwrap();
        let name = |(name, body): &(String, Value)| match prefix_of(body) {
            Some(_) => format!("{name}+"),
            None => name.clone(),
        };
        asked.iter().map(name).collect()
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.upstream.asked.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

/// A streamed request whose client wants usage.
pub(super) fn request(protocol: Protocol) -> Request {
    request_with(protocol, &json!({}))
}

/// The same with more members.
pub(super) fn request_with(protocol: Protocol, more: &Value) -> Request {
    let mut body = json!({
        "model": "chat", "stream": true, "max_tokens": 100,
        "messages": [{ "role": "user", "content": "count" }],
    });
    if protocol == Protocol::Chat {
        body["stream_options"] = json!({ "include_usage": true });
    }
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    testing::request_of(protocol, &body)
}

fn prefix_of(body: &Value) -> Option<&str> {
    let last = body["messages"].as_array()?.last()?;
    (last["role"] == "assistant").then(|| last["content"].as_str())?
}

#[derive(Debug)]
pub(super) struct Providers {
    providers: HashMap<String, Counts>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Upstream for Providers {
    fn send(&self, request: WireRequest) -> Call<'_, Result<WireReply, TransportFailure>> {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let name = request.provider.to_string();
        let calls = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((name.clone(), body.clone()));
            asked.iter().filter(|(asked, _)| *asked == name).count()
        };
        let reply = self.providers[&name].reply(prefix_of(&body), calls - 1);
        Call::of(async move { Ok(reply) })
    }
}

#[derive(Debug)]
struct CountingAdapter {
    plugin: PluginRef,
    base_url: Arc<str>,
    wire: Wire,
    continues: bool,
}

impl Adapter for CountingAdapter {
    fn plugin(&self) -> &PluginRef {
        &self.plugin
    }
    fn base_url(&self) -> &Arc<str> {
        &self.base_url
    }
    fn auth(&self) -> &Auth {
        &Auth::Bearer
    }
    fn accepts(&self, protocol: Protocol) -> bool {
        match self.wire {
            Wire::Chat | Wire::Custom => protocol == Protocol::Chat,
            Wire::Messages => protocol == Protocol::Messages,
        }
    }
    fn telemetry_name(&self) -> &str {
        "test"
    }
    fn model<'a>(&'a self, _model: &'a str) -> Call<'a, Result<Arc<Capabilities>, PluginFault>> {
        let continues_assistant_prefix = self.continues;
        Call::of(async move {
            Ok(Arc::new(Capabilities { continues_assistant_prefix, ..Capabilities::default() }))
        })
    }
    fn build<'a>(
        &'a self,
        _body: &'a Arc<RequestBody>,
        target: &'a AdapterTarget,
    ) -> Call<'a, Result<WirePlan, AdapterError>> {
        let patch = json!({ "model": &*target.model }).to_string();
        let reply = match self.wire {
            Wire::Chat | Wire::Messages => ReplyFormat::Same,
            Wire::Custom => ReplyFormat::Custom(Framing::Sse),
        };
        Call::of(async move {
            Ok(WirePlan {
                method: Method::POST,
                path_and_query: "/".to_owned(),
                headers: HeaderMap::new(),
                body: BodyPlan::MergePatch(patch),
                reply,
            })
        })
    }
    fn parse<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
        reply: PlainReply,
    ) -> Call<'a, Result<Answer, AdapterError>> {
        Call::of(async move { Ok(Answer::Body(reply.body)) })
    }
    fn classify<'a>(
        &'a self,
        _target: &'a AdapterTarget,
        failure: RawFailure,
    ) -> Call<'a, Result<Failure, PluginFault>> {
        let class = if failure.status == Some(400) { Class::BadRequest } else { Class::Overloaded };
        Call::of(async move { Ok(Failure::new(class, "no")) })
    }
    fn decoder<'a>(
        &'a self,
        _kind: Protocol,
        _target: &'a AdapterTarget,
    ) -> Call<'a, Result<Box<dyn Decoder>, PluginFault>> {
        Call::of(async { Ok(Box::new(ChatDecoder(Reader::new(Protocol::Chat))) as Box<dyn Decoder>) })
    }
    fn render(&self, _shape: Shape) -> Call<'_, Result<Option<PlainReply>, PluginFault>> {
        Call::of(async { Ok(None) })
    }
}

struct ChatDecoder(Reader);

impl Decoder for ChatDecoder {
    fn feed(&mut self, events: Vec<WireEvent>) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>> {
        let mut out = Vec::new();
        for event in events {
            if self.0.decode(&event, &mut out).error {
                let failed = crate::event::Event::Failed(Failure::new(Class::Overloaded, "no"));
                out.push(StreamEvent { choice: 0, what: failed });
                break;
            }
        }
        Call::of(async move { Ok(out) })
    }
    fn finish(&mut self) -> Call<'_, Result<Vec<StreamEvent>, PluginFault>> {
        Call::of(async { Ok(Vec::new()) })
    }
}

/// The bytes of a stream.
pub(super) async fn bytes_of(reply: Reply) -> Bytes {
    use futures_util::StreamExt as _;
    match reply {
        Reply::Stream { body, .. } => Bytes::from(body.collect::<Vec<_>>().await.concat()),
        other => panic!("no stream: {other:?}"),
    }
}
