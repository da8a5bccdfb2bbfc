mod trace;

use std::future::{pending, ready};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request as HttpRequest};
use http_body_util::BodyExt as _;
use seawall_core::reply::{ClientError, Degraded, Reply, Trail};
use seawall_core::request::{Protocol, Request, RequestId};
use seawall_core::target::TargetId;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Handler, Handling, Ingress};
use crate::config::{Config, Environment, Source};
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry::figures::Sheet;
use crate::telemetry::{HttpFigures, prometheus};

const OPEN: &str = r#"
    [server]
    listen = "127.0.0.1:0"
    max_body_bytes = 200
    [state]
    dir = "unused"
    [providers.left]
    adapter = "x"
    [models.fast]
    targets = ["left/m"]
"#;
const KEYED: &str = r#"
    [[clients]]
    name = "app"
    key = { env = "APP_KEY" }
    tenant = "blue"
"#;
const CHAT: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
const STREAMED: &str = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

type Script = Box<dyn Fn(&Request) -> Handling + Send + Sync>;

struct Fake {
    script: Script,
    seen: Mutex<Vec<Arc<Request>>>,
}

impl Handler for Fake {
    fn handle(self: Arc<Self>, request: Arc<Request>) -> Handling {
        let handling = (self.script)(&request);
        self.seen.lock().unwrap().push(request);
        handling
    }
}

struct Gate {
    ingress: Arc<Ingress>,
    http: Arc<HttpFigures>,
    handler: Arc<Fake>,
    shutdown: Shutdown,
}

impl Gate {
    fn new(config: &str, script: impl Fn(&Request) -> Handling + Send + Sync + 'static) -> Self {
        let env = Environment::fixed([("APP_KEY", "right")]);
        let config = Config::parse(Source::new("test.toml", config), Path::new(""), &env).unwrap();
        let handler = Arc::new(Fake { script: Box::new(script), seen: Mutex::default() });
        let shutdown = Shutdown::new();
        let config = Arc::new(ArcSwap::from_pointee(config));
        let (http, ids) = (Arc::default(), Arc::default());
        let ingress = Ingress::new(handler.clone(), config, Arc::clone(&http), shutdown.watch(), ids);
        Self { ingress, http, handler, shutdown }
    }

    /// What has been counted at the door.
    fn counted(&self) -> String {
        let mut sheet = Sheet::default();
        self.http.gather(&mut sheet);
        prometheus::text(sheet).unwrap()
    }

    async fn call(&self, request: HttpRequest<Body>) -> Response {
        Arc::clone(&self.ingress).respond(request).await
    }
}

fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> HttpRequest<Body> {
    let mut request = HttpRequest::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn get(path: &str, headers: &[(&str, &str)]) -> HttpRequest<Body> {
    let mut request = post(path, headers, Body::empty());
    *request.method_mut() = http::Method::GET;
    request
}

fn trail(id: RequestId, target: Option<TargetId>) -> Trail {
    Trail {
        id,
        target,
        attempts: 2,
        degraded: Degraded::Fallback,
        lost: vec!["top_k", "documents"],
        faults: Vec::new(),
    }
}

fn answer(request: &Request) -> Handling {
    let trail = trail(request.id, Some(TargetId::new("left", "m")));
    Box::pin(ready(Reply::Plain { body: Bytes::from_static(b"{\"ok\":1}"), trail }))
}

fn failure(request: &Request) -> Handling {
    let mut error = ClientError::new(429, "rate_limited", "slow down");
    error.retry_after = Some(Duration::from_millis(1200));
    error.should_retry = Some(false);
    Box::pin(ready(Reply::Failed { error, trail: trail(request.id, None) }))
}

fn streamed(request: &Request) -> Handling {
    let items = ["data: 1\n\n", "data: 2\n\n"].map(Bytes::from);
    let body = Box::pin(stream::iter(items));
    Box::pin(ready(Reply::Stream { body, trail: trail(request.id, Some(TargetId::new("left", "m"))) }))
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("-", |value| value.to_str().unwrap())
}

/// Whatever is refused before the cascade is refused in the client's own protocol.
#[tokio::test]
async fn refusals() {
    async fn check(config: &str, request: HttpRequest<Body>, status: u16, code: &str, says: &str) {
        let gate = Gate::new(config, answer);
        let messages = request.uri().path().starts_with("/v1/messages");
        let what = format!("{} {}", request.method(), request.uri());
        let response = gate.call(request).await;
        assert_eq!(response.status(), status, "{what}");
        let headers = response.headers().clone();
        assert!(header(&headers, "x-seawall-request-id").starts_with("req_"), "{headers:?}");
        assert_eq!(header(&headers, "x-request-id"), header(&headers, "x-seawall-request-id"));
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body.pointer("/error/code"), Some(&code.into()), "{what}: {body}");
        assert!(body.pointer("/error/message").unwrap().as_str().unwrap().contains(says), "{what}: {body}");
        assert_eq!(body.get("type").is_some(), messages, "{what}: {body}");
        assert!(gate.handler.seen.lock().unwrap().is_empty(), "{what} reached the cascade");
    }
    let keyed = &format!("{OPEN}{KEYED}");
    let large = || format!("{CHAT}{}", " ".repeat(200));
    let pieces = |text: String| Body::from_stream(stream::iter([Ok::<_, std::io::Error>(text)]));
    let chat = "/v1/chat/completions";
    for path in [chat, "/v1/messages?beta=true", "/v1/embeddings"] {
        check(OPEN, post(path, &[], "{"), 400, "invalid_json", "JSON").await;
        check(
            OPEN,
            post(path, &[("content-encoding", "gzip")], CHAT),
            415,
            "unsupported_content_encoding",
            "",
        )
        .await;
        check(OPEN, post(path, &[], large()), 413, "request_too_large", "200 bytes").await;
        check(OPEN, post(path, &[], pieces(large())), 413, "request_too_large", "200 bytes").await;
        check(OPEN, post(path, &[("x-request-timeout-ms", "0")], CHAT), 400, "invalid_header", "above 0")
            .await;
        check(OPEN, post(path, &[("x-request-timeout-ms", "1s")], CHAT), 400, "invalid_header", "").await;
        check(keyed, post(path, &[], CHAT), 401, "invalid_api_key", "Bearer").await;
        check(keyed, post(path, &[("authorization", "Bearer wrong")], CHAT), 401, "invalid_api_key", "")
            .await;
        check(keyed, post(path, &[("authorization", "Basic right")], CHAT), 401, "invalid_api_key", "").await;
        check(keyed, post(path, &[("x-api-key", "wrong")], CHAT), 401, "invalid_api_key", "").await;
        check(OPEN, get(path, &[]), 405, "method_not_allowed", "POST /v1/chat/completions").await;
    }
    check(OPEN, post("/v1/completions", &[], CHAT), 404, "unknown_url", "POST /v1/chat/completions").await;
    check(OPEN, post("/v1/messages/count_tokens", &[], CHAT), 404, "unknown_url", "POST /v1/messages").await;
    check(OPEN, get("/v1/models/lefd/m", &[]), 404, "model_not_found", "`left/m`").await;
    check(keyed, get("/v1/models", &[]), 401, "invalid_api_key", "").await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_400_and_one_that_stops_coming_a_408() {
    tokio::time::pause();
    let check = async |body: Body, status: u16, code: &str| {
        let response = Gate::new(OPEN, answer).call(post("/v1/chat/completions", &[], body)).await;
        assert_eq!(response.status(), status);
        assert!(text(response).await.contains(code));
    };
    let broken = stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    check(Body::from_stream(broken), 400, "broken_body").await;
    check(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()), 408, "request_timeout")
        .await;
}

#[tokio::test]
async fn a_request_reaches_the_cascade_as_the_client_meant_it() {
    let gate = Gate::new(&format!("{OPEN}{KEYED}"), answer);
    let headers = [
        ("Authorization", "bearer right"),
        ("cookie", "a=b"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("anthropic-beta", "tools"),
        ("x-request-timeout-ms", "1500"),
        ("content-encoding", "identity"),
    ];
    let pieces: Vec<_> =
        CHAT.as_bytes().chunks(20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let response =
        gate.call(post("/v1/messages?beta=true", &headers, Body::from_stream(stream::iter(pieces)))).await;
    assert_eq!(response.status(), 200);
    let seen = gate.handler.seen.lock().unwrap().remove(0);
    assert_eq!((seen.protocol, &*seen.tenant), (Protocol::Messages, "blue"));
    assert_eq!((seen.facts.model.as_str(), seen.facts.stream), ("fast", false));
    assert_eq!(seen.deadline, Some(Duration::from_millis(1500)));
    assert_eq!(seen.body.bytes(), CHAT.as_bytes());
    assert_eq!(seen.body.header("anthropic-beta"), Some("tools"));
    for gone in ["authorization", "x-api-key", "cookie", "connection", "x-hop"] {
        assert_eq!(seen.body.header(gone), None, "{gone}");
    }
    let open = Gate::new(OPEN, answer);
    open.call(post("/v1/chat/completions", &[("x-api-key", "whatever")], CHAT)).await;
    assert_eq!(&*open.handler.seen.lock().unwrap()[0].tenant, "default");
}

#[tokio::test]
async fn an_answer_says_how_it_came_about() {
    let response = Gate::new(OPEN, answer).call(post("/v1/messages", &[], CHAT)).await;
    let headers = response.headers().clone();
    let expect = [
        ("content-type", "application/json"),
        ("x-seawall-target", "left/m"),
        ("x-seawall-attempts", "2"),
        ("x-seawall-cache", "none"),
        ("x-seawall-degraded", "fallback"),
        ("x-seawall-lost", "top_k, documents"),
    ];
    for (name, value) in expect {
        assert_eq!(header(&headers, name), value, "{name}");
    }
    assert_eq!(header(&headers, "request-id"), header(&headers, "x-seawall-request-id"));
    assert_eq!(text(response).await, r#"{"ok":1}"#);
}

#[tokio::test]
async fn a_failure_tells_clients_whether_and_when_to_come_back() {
    let response = Gate::new(OPEN, failure).call(post("/v1/chat/completions", &[], STREAMED)).await;
    assert_eq!(response.status(), 429);
    let headers = response.headers().clone();
    for (name, value) in [("retry-after", "2"), ("retry-after-ms", "1200"), ("x-should-retry", "false")] {
        assert_eq!(header(&headers, name), value, "{name}");
    }
    assert!(text(response).await.contains("rate_limit_error"));
}

#[tokio::test]
async fn a_stream_is_passed_on_item_by_item() {
    let response = Gate::new(OPEN, streamed).call(post("/v1/chat/completions", &[], STREAMED)).await;
    let headers = response.headers().clone();
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
    {
        assert_eq!(header(&headers, name), value, "{name}");
    }
    assert_eq!(text(response).await, "data: 1\n\ndata: 2\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_long_begins_with_comments() {
    let check = async |then: fn(&Request) -> Handling, path: &str, end: &str| {
        let gate = Gate::new(OPEN, move |request| {
            let reply = then(request);
            Box::pin(async move {
                sleep(Duration::from_secs(25)).await;
                reply.await
            })
        });
        let start = Instant::now();
        let response = gate.call(post(path, &[], STREAMED)).await;
        assert_eq!((response.status().as_u16(), start.elapsed().as_secs()), (200, 10));
        assert_eq!(header(response.headers(), "content-type"), "text/event-stream");
        let text = text(response).await;
        let comments = text.lines().filter(|line| line.starts_with(':')).count();
        assert_eq!((comments, start.elapsed().as_secs()), (2, 25), "{text}");
        assert!(text.ends_with(end), "{text}");
        assert!(!text.contains("[DONE]"));
    };
    check(streamed, "/v1/chat/completions", "data: 2\n\n").await;
    check(failure, "/v1/chat/completions", "\"code\":\"rate_limited\"}}\n\n").await;
    check(failure, "/v1/messages", "\"code\":\"rate_limited\"}}\n\n").await;
    check(answer, "/v1/messages", "\"code\":\"not_a_stream\"}}\n\n").await;
}

#[tokio::test]
async fn a_door_says_which_methods_it_takes() {
    let check = async |method: &str, path: &str, status: u16, allow: &str| {
        let mut request = post(path, &[], Body::empty());
        *request.method_mut() = method.parse().unwrap();
        let response = Gate::new(OPEN, answer).call(request).await;
        assert_eq!(
            (response.status().as_u16(), header(response.headers(), "allow")),
            (status, allow),
            "{path}"
        );
    };
    check("GET", "/v1/chat/completions", 405, "POST").await;
    check("POST", "/v1/models", 405, "GET, HEAD").await;
    check("DELETE", "/v1/models/fast", 405, "GET, HEAD").await;
    for path in ["/health", "/v1/models", "/v1/models/left%2Fm"] {
        check("HEAD", path, 200, "-").await;
    }
}

/// In pieces of a letter, each so many seconds after the last.
#[tokio::test(start_paused = true)]
async fn a_body_may_be_silent_for_half_a_minute_and_take_three_minutes() {
    let check = async |pause_s: u64, status: u16, after_s: u64| {
        let pieces = stream::unfold(CHAT.chars(), move |mut rest| async move {
            sleep(Duration::from_secs(pause_s)).await;
            Some((Ok::<_, std::io::Error>(rest.next()?.to_string()), rest))
        });
        let start = Instant::now();
        let response =
            Gate::new(OPEN, answer).call(post("/v1/chat/completions", &[], Body::from_stream(pieces))).await;
        assert_eq!((response.status().as_u16(), start.elapsed().as_secs()), (status, after_s), "{pause_s} s");
    };
    let pieces = CHAT.len() as u64 + 1;
    check(0, 200, 0).await;
    check(2, 200, 2 * pieces).await;
    // A refused body is read on for two seconds.
    check(29, 408, 180 + 2).await;
    check(31, 408, 30 + 2).await;
}

/// Before the first content, within a stream, and while a plain answer is awaited.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_closes_says_so_to_whom_it_still_serves() {
    fn never(_: &Request) -> Handling {
        Box::pin(pending())
    }
    fn half(request: &Request) -> Handling {
        let trail = trail(request.id, Some(TargetId::new("left", "m")));
        let first = stream::iter([Bytes::from_static(b"data: 1\n\n")]);
        let body = Box::pin(futures_util::StreamExt::chain(first, stream::pending()));
        Box::pin(ready(Reply::Stream { body, trail }))
    }
    async fn check(then: fn(&Request) -> Handling, path: &str, body: &str, status: u16, parts: &[&str]) {
        let gate = Gate::new(OPEN, then);
        let read = async {
            let response = gate.call(post(path, &[], body.to_owned())).await;
            (response.status(), text(response).await)
        };
        let close = async {
            sleep(Duration::from_secs(15)).await;
            gate.shutdown.advance(Phase::Draining);
            sleep(Duration::from_secs(15)).await;
            gate.shutdown.advance(Phase::Closing);
        };
        let start = Instant::now();
        let ((answered, text), ()) = tokio::join!(read, close);
        assert_eq!((answered.as_u16(), start.elapsed().as_secs()), (status, 30), "{text}");
        for part in parts {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        assert!(!text.contains("[DONE]") && !text.contains("message_stop"), "{text}");
        // It is counted as what the client was told, not as a client that left.
        assert!(
            gate.counted().contains(&format!("http_response_status_code=\"{status}\"")),
            "{}",
            gate.counted()
        );
    }
    let (chat, messages) = ("/v1/chat/completions", "/v1/messages");
    check(half, chat, STREAMED, 200, &["data: 1\n\ndata: {\"error\"", "\"stream_interrupted\""]).await;
    check(half, messages, STREAMED, 200, &["event: error\ndata: {", "\"stream_interrupted\""]).await;
    check(never, chat, STREAMED, 200, &[": ", "\"stream_interrupted\""]).await;
    check(never, messages, CHAT, 503, &["\"shutting_down\"", "overloaded_error"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_is_waited_for_and_dropped_with_its_client() {
    struct Tell(Arc<Mutex<bool>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    let dropped = Arc::new(Mutex::new(false));
    let tell = Arc::clone(&dropped);
    let gate = Gate::new(OPEN, move |_| {
        let tell = Tell(Arc::clone(&tell));
        Box::pin(async move {
            let _tell = tell;
            pending().await
        })
    });
    let call = gate.call(post("/v1/chat/completions", &[], CHAT));
    assert!(tokio::time::timeout(Duration::from_secs(60), call).await.is_err());
    assert!(*dropped.lock().unwrap(), "the request is cancelled with its connection");
}

#[tokio::test]
async fn models_and_health() {
    let gate = Gate::new(OPEN, answer);
    let list: Value = serde_json::from_str(&text(gate.call(get("/v1/models", &[])).await).await).unwrap();
    assert_eq!(list.pointer("/data/0/id"), Some(&"fast".into()), "{list}");
    assert_eq!(list.pointer("/data/1/id"), Some(&"left/m".into()), "{list}");
    let one: Value =
        serde_json::from_str(&text(gate.call(get("/v1/models/left/m", &[])).await).await).unwrap();
    assert_eq!((one.get("id"), one.get("object")), (Some(&"left/m".into()), Some(&"model".into())));
    let other = gate.call(get("/v1/models/fast", &[("anthropic-version", "1")])).await;
    assert!(text(other).await.contains(r#""type":"model""#));
    assert_eq!(gate.call(get("/health", &[])).await.status(), 200);
    gate.shutdown.advance(Phase::Leaving);
    assert_eq!(gate.call(get("/health", &[])).await.status(), 503);
    let late = post("/v1/chat/completions", &[], CHAT);
    assert_eq!(gate.call(late).await.status(), 200, "who still comes is still served");
}

#[tokio::test]
async fn a_draining_gateway_sends_clients_elsewhere() {
    let gate = Gate::new(OPEN, answer);
    gate.shutdown.advance(Phase::Draining);
    let response = gate.call(post("/v1/chat/completions", &[], CHAT)).await;
    assert_eq!((response.status().as_u16(), header(response.headers(), "retry-after")), (503, "1"));
}

/// One place, no queue: who comes second is told so in its own protocol, before its body is asked for, and the place
/// comes back with the end of the first, be it a plain answer, a stream, or a client that left.
#[tokio::test(start_paused = true)]
async fn a_full_gateway_refuses_at_once_and_every_end_makes_room() {
    const ONE: &str = "max_requests = 1\nmax_queued = 0";
    fn held(request: &Request) -> Handling {
        if request.facts.stream { streamed(request) } else { Box::pin(pending()) }
    }
    let gate = Gate::new(&OPEN.replace("max_body_bytes = 200", ONE), held);
    let refused = async |path: &str| {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let start = Instant::now();
        let response = gate.call(post(path, &[("expect", "100-continue")], never)).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "the body is not waited for");
        assert_eq!((response.status().as_u16(), header(response.headers(), "x-should-retry")), (503, "true"));
        let hint: u64 = header(response.headers(), "retry-after").parse().unwrap();
        assert!((1..=3).contains(&hint));
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body.pointer("/error/code"), Some(&"gateway_overloaded".into()), "{body}");
        assert_eq!(body.get("type").is_some(), path.starts_with("/v1/messages"), "{body}");
    };
    let first = gate.call(post("/v1/chat/completions", &[], STREAMED)).await;
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/embeddings"] {
        refused(path).await;
    }
    assert_eq!(gate.call(get("/v1/models", &[])).await.status(), 200, "what costs nothing needs no place");
    drop(text(first).await);
    drop(gate.call(post("/v1/chat/completions", &[], STREAMED)).await);
    let leaving = gate.call(post("/v1/chat/completions", &[], CHAT));
    assert!(tokio::time::timeout(Duration::from_secs(1), leaving).await.is_err());
    assert_eq!(gate.call(post("/v1/chat/completions", &[], STREAMED)).await.status(), 200);
}
