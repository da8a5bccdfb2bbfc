//! The adapter port: what goes in and comes out.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use seawall_core::class::{Class, Failure, Scope, Side};
use seawall_core::event::{Event, FinishReason, StreamEvent, WireEvent};
use seawall_core::ports::{
    AdapterError, Answer, Auth, BodyPlan, Framing, PlainReply, RawFailure, ReplyFormat, Shape,
};
use seawall_core::request::Protocol;
use seawall_wasm::Binding;

use crate::support::*;

fn wire(data: &str) -> WireEvent {
    WireEvent { data: Bytes::copy_from_slice(data.as_bytes()), ..WireEvent::default() }
}

fn whats(events: Vec<StreamEvent>) -> Vec<Event> {
    events.into_iter().map(|event| event.what).collect()
}

#[tokio::test]
async fn build_gives_a_checked_plan() {
    let house = House::good();
    let adapter = house.adapter("p");
    assert_eq!((&**adapter.base_url(), adapter.auth()), ("https://bad.example/v1", &Auth::Bearer));
    assert_eq!((adapter.telemetry_name(), adapter.plugin().generation), ("bad", 1));
    assert!(adapter.accepts(Protocol::Chat) && !adapter.accepts(Protocol::Messages));

    let plan = build(&adapter, "m").await.unwrap();
    assert_eq!((plan.method.as_str(), plan.path_and_query.as_str()), ("POST", "/chat/completions"));
    assert_eq!(plan.headers["x-protocol"], "chat");
    assert_eq!(plan.headers["x-size"], HELLO.len().to_string().as_str());
    assert_eq!(plan.body, BodyPlan::MergePatch(r#"{"model":"m"}"#.into()));
    assert_eq!(plan.reply, ReplyFormat::Custom(Framing::Sse));
    let full = build(&adapter, "bad:full").await.unwrap();
    assert_eq!(full.body, BodyPlan::Full(Bytes::from_static(HELLO.as_bytes())));
    assert_eq!(build(&adapter, "bad:same").await.unwrap().reply, ReplyFormat::Same);
}

#[tokio::test]
async fn the_operators_base_url_counts_first() {
    let operators = Binding { base_url: Some("http://127.0.0.1:9/v2/".into()), ..binding("p", "good") };
    let house = House::new(&[("good", &adapter("", "1"))], vec![operators]);
    assert_eq!(&**house.adapter("p").base_url(), "http://127.0.0.1:9/v2");
}

#[tokio::test]
async fn capabilities_are_asked_for_once_a_model() {
    let house = House::good();
    let adapter = house.adapter("p");
    let first = adapter.model("m").await.unwrap();
    assert_eq!(
        (first.context_window, first.output_price_per_1m, first.vision),
        (Some(1000), Some(2.0), false)
    );
    let calls = house.status("good").version.unwrap().calls;
    assert!(std::sync::Arc::ptr_eq(&first, &adapter.model("m").await.unwrap()));
    assert_eq!(house.status("good").version.unwrap().calls, calls);
    assert_eq!(adapter.model("model:trap").await.unwrap_err().code, "P030");
}

#[tokio::test]
async fn parse_translates_or_says_why_not() {
    let house = House::good();
    let adapter = house.adapter("p");
    let reply = |body: &'static str| PlainReply {
        status: 200,
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    };
    let answer = adapter.parse(Protocol::Chat, &target("m"), reply("{}")).await.unwrap();
    assert_eq!(answer, Answer::Body(Bytes::from_static(b"{}")));

    let told = adapter.parse(Protocol::Chat, &target("bad:parse-events"), reply("{}")).await.unwrap();
    let said = StreamEvent { choice: 0, what: Event::Text("told".to_owned()) };
    assert_eq!(told, Answer::Events(vec![said]));
    let bad = adapter.parse(Protocol::Chat, &target("bad:parse-events"), reply("[]")).await.unwrap_err();
    assert!(matches!(bad, AdapterError::Plugin(fault) if fault.code == "P046"), "what is told is checked");

    let empty = adapter.parse(Protocol::Chat, &target("m"), reply("")).await;
    let expect = Failure {
        code: Some("native".into()),
        scope: Scope::Model,
        ..Failure::new(Class::EmptyAnswer, "nothing came").on(Side::Upstream)
    };
    assert_eq!(empty, Err(AdapterError::Provider(expect)));

    for (model, code) in [("bad:parse-not-json", "P045"), ("bad:parse-trap", "P030")] {
        match adapter.parse(Protocol::Chat, &target(model), reply("{}")).await {
            Err(AdapterError::Plugin(fault)) => assert_eq!(fault.code, code, "{model}"),
            other => panic!("{model}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn classify_gives_class_scope_and_hint() {
    let house = House::good();
    let adapter = house.adapter("p");
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("7"));
    let raw = |status| RawFailure {
        status,
        headers: headers.clone(),
        data: Bytes::from_static(b"slow down"),
        in_stream: false,
    };
    let failure = adapter.classify(&target("m"), raw(Some(429))).await.unwrap();
    assert_eq!(
        (failure.class, failure.scope, failure.status),
        (Class::RateLimited, Scope::Credential, Some(429))
    );
    assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(7)));
    assert_eq!(failure.message, "slow down");
    assert_eq!(adapter.classify(&target("m"), raw(None)).await.unwrap().class, Class::ServerError);
    let fault = adapter.classify(&target("bad:classify-trap"), raw(Some(500))).await.unwrap_err();
    assert_eq!(fault.code, "P030");
}

#[tokio::test]
async fn a_decoder_reads_a_stream_and_gives_its_instance_back() {
    let house = House::good();
    let adapter = house.adapter("p");
    let mut decoder = adapter.decoder(Protocol::Chat, &target("m")).await.unwrap();
    let first = whats(decoder.feed(vec![wire("Hel"), wire("lo")]).await.unwrap());
    assert_eq!(
        first,
        [
            Event::Start { id: Some("1".into()), model: None },
            Event::Text("Hel".into()),
            Event::Text("lo".into())
        ]
    );
    let rest = whats(decoder.feed(vec![wire("raw"), wire("error"), wire("[DONE]")]).await.unwrap());
    assert!(
        matches!(&rest[..], [Event::RawChoice(_), Event::Failed(f), Event::Done] if f.class == Class::Overloaded)
    );
    let end = whats(decoder.finish().await.unwrap());
    assert!(matches!(&end[..], [Event::Finish(finish)] if finish.reason == FinishReason::Stop));
    drop(decoder);
    assert_eq!(house.status("good").version.unwrap().instances, 1, "one instance serves it all");
    assert_eq!(mark(&adapter).await, "1");
}

#[tokio::test]
async fn a_decoder_that_fails_stays_failed() {
    let house = House::good();
    let adapter = house.adapter("p");
    for (model, code) in [("bad:feed-trap", "P030"), ("bad:feed-spin", "P031"), ("bad:feed-bomb", "P032")] {
        let mut decoder = adapter.decoder(Protocol::Chat, &target(model)).await.unwrap();
        assert_eq!(decoder.feed(vec![wire("x")]).await.unwrap_err().code, code, "{model}");
        assert_eq!(decoder.feed(vec![wire("x")]).await.unwrap_err().code, "P038", "{model}");
        assert_eq!(decoder.finish().await.unwrap_err().code, "P038", "{model}");
    }
    let mut decoder = adapter.decoder(Protocol::Chat, &target("m")).await.unwrap();
    assert_eq!(decoder.feed(vec![wire("raw-bad")]).await.unwrap_err().code, "P046");
    let trapped = adapter.decoder(Protocol::Chat, &target("bad:decoder-trap")).await;
    assert_eq!(trapped.err().map(|fault| fault.code), Some("P030"));
    let mut decoder = adapter.decoder(Protocol::Chat, &target("bad:finish-trap")).await.unwrap();
    assert_eq!(decoder.finish().await.unwrap_err().code, "P030");
}

#[tokio::test]
async fn render_speaks_the_providers_dialect() {
    let house = House::good();
    let shape = Shape::Failure { class: Class::Overloaded, retry_after: Some("3".into()), in_stream: false };
    let reply = house.adapter("p").render(shape).await.unwrap().unwrap();
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (529, "3"));
    let answer = Shape::Answer { text: "x".into(), finish: FinishReason::Stop, streaming: false };
    assert!(house.adapter("p").render(answer).await.unwrap().is_none());
}
