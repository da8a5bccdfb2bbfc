//! Recorded streams cut in two at every byte: what the framer hands on, and what adapters and protocol readers make of
//! it, must not depend on where the network cut.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use seawall_core::body::RequestBody;
use seawall_core::event::{Event, StreamEvent, WireEvent};
use seawall_core::frame::{FrameError, Framed, Framer};
use seawall_core::ports::{Adapter, AdapterTarget, Framing, PluginSet, PluginSource as _, ReplyFormat};
use seawall_core::protocol::{Peek, Reader};
use seawall_core::request::Protocol;
use seawall_e2e::corpus::{self, Exchange};
use seawall_e2e::{Stage, block_on};
use serde_json::json;
use tokio::time::Instant;

const APIS: [&str; 3] = ["openai-chat", "anthropic-messages", "gemini"];
const MAX_EVENT_BYTES: usize = 16 << 20;

/// A configured provider, and the protocol in which it is asked.
type Way = (&'static str, Protocol);

/// Every way in which a gateway reads such a recording.
fn ways(exchange: &Exchange) -> &'static [Way] {
    match (exchange.api.as_str(), exchange.provider.as_str()) {
        ("anthropic-messages", _) => &[("anthropic", Protocol::Chat), ("anthropic", Protocol::Messages)],
        ("gemini", _) => &[("gemini", Protocol::Chat)],
        (_, "openai") => &[("openai", Protocol::Chat), ("translated", Protocol::Chat)],
        (_, "groq") => &[("groq", Protocol::Chat), ("translated", Protocol::Chat)],
        _ => &[("openai-compatible", Protocol::Chat), ("translated", Protocol::Chat)],
    }
}

/// A gateway that is never asked: its plugins are what counts.
async fn stage() -> Stage {
    let mut config = String::from("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    for name in ["openai", "anthropic", "gemini", "groq", "openai-compatible"] {
        config.push_str(&format!(
            "[providers.{name}]\nadapter = \"{name}\"\nbase_url = \"http://127.0.0.1:9/v1\"\n"
        ));
    }
    config.push_str(
        "[providers.translated]\nadapter = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
         config = { replies = \"translated\" }\n",
    );
    Stage::start(&config).await
}

/// One recording as one provider's adapter would have it read.
struct Subject {
    name: String,
    adapter: Arc<dyn Adapter>,
    target: AdapterTarget,
    protocol: Protocol,
    format: ReplyFormat,
}

impl Subject {
    async fn new(plugins: &PluginSet, exchange: &Exchange, (provider, protocol): Way) -> Self {
        let name = format!("{} ({provider}, {protocol})", exchange.id);
        let adapter = Arc::clone(&plugins.adapters[provider]);
        let own = matches!(
            (exchange.api.as_str(), protocol),
            ("openai-chat", Protocol::Chat) | ("anthropic-messages", Protocol::Messages)
        );
        let recorded = exchange.request.clone().filter(|_| own);
        let mut body = recorded.unwrap_or_else(
            || json!({ "max_tokens": 100, "messages": [{ "role": "user", "content": "hello" }] }),
        );
        let model = body["model"].as_str().unwrap_or("m").to_owned();
        body["stream"] = json!(true);
        let body = RequestBody::new(protocol, Bytes::from(body.to_string()), HeaderMap::new(), 1);
        let body = Arc::new(body.expect("a request"));
        let target = AdapterTarget {
            model: model.into(),
            max_output_tokens: None,
            streaming: true,
            request: body.fingerprint(),
        };
        let plan = adapter.build(&body, &target).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        Self { name, adapter, target, protocol, format: plan.reply }
    }

    fn framing(&self) -> Framing {
        match self.format {
            ReplyFormat::Same | ReplyFormat::Watched => Framing::Sse,
            ReplyFormat::Custom(framing) => framing,
        }
    }

    /// What the adapter's decoder says of these batches; nothing where the host alone reads.
    async fn decoded(&self, batches: &[&[WireEvent]]) -> Vec<StreamEvent> {
        if self.format == ReplyFormat::Same {
            return Vec::new();
        }
        let fault = |fault| -> Vec<StreamEvent> { panic!("{}: {fault:?}", self.name) };
        let decoder = self.adapter.decoder(self.protocol, &self.target).await;
        let mut decoder = decoder.unwrap_or_else(|fault| panic!("{}: {fault:?}", self.name));
        let mut events = Vec::new();
        for batch in batches.iter().filter(|batch| !batch.is_empty()) {
            events.extend(decoder.feed(batch.to_vec()).await.unwrap_or_else(fault));
        }
        events.extend(decoder.finish().await.unwrap_or_else(fault));
        merged(events)
    }

    /// What the protocol's reader says; nothing where the adapter alone reads.
    fn read(&self, events: &[WireEvent]) -> (Vec<Peek>, Vec<StreamEvent>) {
        if matches!(self.format, ReplyFormat::Custom(_)) {
            return Default::default();
        }
        let mut reader = Reader::new(self.protocol);
        let mut read = Vec::new();
        let peeks = events.iter().map(|event| reader.decode(event, &mut read)).collect();
        (peeks, merged(read))
    }
}

/// Neighbouring pieces of one text, one reasoning or one tool call become one: how they are cut is nobody's promise.
fn merged(events: Vec<StreamEvent>) -> Vec<StreamEvent> {
    let mut out: Vec<StreamEvent> = Vec::new();
    for event in events {
        let same_choice = out.last_mut().filter(|last| last.choice == event.choice);
        let joined = match (same_choice.map(|last| &mut last.what), &event.what) {
            (Some(Event::Text(text)), Event::Text(more)) => {
                text.push_str(more);
                true
            }
            (
                Some(Event::Reasoning { text, opaque: None }),
                Event::Reasoning { text: more, opaque: None },
            ) => {
                text.push_str(more);
                true
            }
            (Some(Event::ToolCall(call)), Event::ToolCall(more))
                if more.index == call.index
                    && (&more.id, &more.name, &more.opaque) == (&None, &None, &None) =>
            {
                call.arguments.push_str(&more.arguments);
                true
            }
            _ => false,
        };
        if !joined {
            out.push(event);
        }
    }
    out
}

/// Everything that framing a body gives, pushed in these pieces; and how many events the first piece completed.
fn framed(
    framing: Framing,
    kind: Option<&str>,
    pieces: &[Bytes],
) -> (Vec<Framed>, usize, Result<(), FrameError>) {
    let mut framer = Framer::new(framing, kind, MAX_EVENT_BYTES);
    let (mut out, mut first, mut result) = (Vec::new(), None, Ok(()));
    for piece in pieces {
        result = framer.push(piece.clone(), &mut out);
        first.get_or_insert(events(&out).count());
    }
    framer.finish(&mut out);
    (out, first.unwrap_or_default(), result)
}

fn events(framed: &[Framed]) -> impl Iterator<Item = &WireEvent> {
    framed.iter().filter_map(|frame| match frame {
        Framed::Event { event, .. } => Some(event),
        Framed::Comment(_) => None,
    })
}

/// A body cut at every byte: its events, and by the number of events before a cut what the first such cut gave.
struct Cuts {
    whole: Vec<WireEvent>,
    partitions: BTreeMap<usize, Vec<WireEvent>>,
    count: usize,
}

fn cut_everywhere(name: &str, framing: Framing, kind: Option<&str>, body: &Bytes) -> Cuts {
    let (whole, _, result) = framed(framing, kind, std::slice::from_ref(body));
    assert_eq!(result, Ok(()), "{name}");
    let bytes: Vec<Bytes> = (0..body.len()).map(|at| body.slice(at..=at)).collect();
    assert_eq!(framed(framing, kind, &bytes).0, whole, "{name}: in single bytes");
    let mut partitions = BTreeMap::new();
    for at in 0..=body.len() {
        let (cut, before, result) = framed(framing, kind, &[body.slice(..at), body.slice(at..)]);
        assert!(cut == whole && result.is_ok(), "{name}: cut at byte {at} of {}", body.len());
        partitions.entry(before).or_insert_with(|| events(&cut).cloned().collect());
    }
    Cuts { whole: events(&whole).cloned().collect(), partitions, count: body.len() + 1 }
}

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    recordings: usize,
    splits: usize,
    events: usize,
    decodings: usize,
    readings: usize,
}

async fn check(exchange: &Exchange, plugins: &PluginSet, tally: &mut Tally) {
    let body = Bytes::from(exchange.response.pieces.concat());
    let kind = exchange.response.headers.iter().find(|(name, _)| name == "content-type");
    let kind = kind.map(|(_, value)| value.as_str());
    let mut cuts: Vec<(Framing, Cuts)> = Vec::new();
    tally.recordings += 1;
    for way in ways(exchange) {
        let subject = Subject::new(plugins, exchange, *way).await;
        let framing = subject.framing();
        if !cuts.iter().any(|(known, _)| *known == framing) {
            let cut = cut_everywhere(&subject.name, framing, kind, &body);
            tally.splits += cut.count;
            tally.events += cut.whole.len();
            cuts.push((framing, cut));
        }
        let Some((_, cut)) = cuts.iter().find(|(known, _)| *known == framing) else { continue };
        let expected = (subject.decoded(&[&cut.whole]).await, subject.read(&cut.whole));
        let told = expected.0.iter().chain(&expected.1.1).any(|event| {
            event.what.is_content() || matches!(event.what, Event::Finish(_) | Event::Failed(_))
        });
        assert!(told || expected.1.0.iter().any(|peek| peek.error), "{}: nothing was read", subject.name);
        let single: Vec<&[WireEvent]> = cut.whole.chunks(1).collect();
        assert_eq!(subject.decoded(&single).await, expected.0, "{}: event by event", subject.name);
        for (before, events) in &cut.partitions {
            let (one, other) = events.split_at(*before);
            assert_eq!(subject.decoded(&[one, other]).await, expected.0, "{}: {before}", subject.name);
            assert_eq!(subject.read(events), expected.1, "{}: {before}", subject.name);
            tally.decodings += usize::from(subject.format != ReplyFormat::Same);
            tally.readings += usize::from(!matches!(subject.format, ReplyFormat::Custom(_)));
        }
    }
}

#[test]
fn a_recorded_stream_reads_the_same_wherever_it_is_cut() {
    block_on(async {
        let Some(mut exchanges) = corpus::exchanges(&APIS) else { return };
        exchanges.retain(|exchange| exchange.stream && exchange.response.status == 200);
        let stage = stage().await;
        let plugins = stage.running().plugins.current();
        let (began, mut tally) = (Instant::now(), Tally::default());
        for exchange in &exchanges {
            check(exchange, &plugins, &mut tally).await;
        }
        println!("{tally:?} in {:.1?}", began.elapsed());
        assert!(tally.recordings >= 60 && tally.splits > 200_000, "{tally:?}");
        assert!(tally.decodings > 1_000 && tally.readings > 500, "{tally:?}");
        for name in ["openai", "anthropic", "gemini", "groq", "openai-compatible"] {
            assert_eq!(stage.plugin(name).await["faults"], 0, "{name}");
        }
    });
}
