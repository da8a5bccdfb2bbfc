mod simulated;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use seawall_core::ports::{Auth, ByteSource, TransportFailure, Upstream as _, WireReply, WireRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::address::Addresses;
use super::{Credentials, Transport, TransportSettings};
use crate::tasks::Tasks;

const SECRET: &str = "sk-never-shown";

/// A server that sees raw requests and answers each connection with these bytes, then closes it.
struct Raw {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: mpsc::Receiver<String>,
    _tasks: Tasks,
}

impl Raw {
    async fn answering(answer: &'static [u8]) -> Self {
        Self::start(answer, false).await
    }

    async fn start(answer: &'static [u8], reset: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::channel(16);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let tasks = Tasks::new();
        tasks.spawn("raw server", async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                seen.send(read_request(&mut socket).await).await.unwrap();
                socket.write_all(answer).await.unwrap();
                if reset {
                    socket.set_zero_linger().unwrap();
                }
            }
        });
        Self { addr, connections, requests, _tasks: tasks }
    }

    fn base(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = socket.read(&mut piece).await.unwrap();
        text.extend_from_slice(&piece[..length]);
        if length == 0 || text.ends_with(b"{}") {
            return String::from_utf8(text).unwrap();
        }
    }
}

fn transport(limit: usize) -> Transport {
    let secret = ("left".into(), format!("{SECRET}\n").into());
    let settings = TransportSettings { max_answer_bytes: limit, ..TransportSettings::default() };
    Transport::new(&settings, Credentials::new([secret]).unwrap()).unwrap()
}

fn request(base_url: &str, auth: Auth) -> WireRequest {
    WireRequest {
        provider: "left".into(),
        auth,
        base_url: base_url.into(),
        path_and_query: "/chat?beta=true".to_owned(),
        method: Method::POST,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        connect_timeout: Duration::from_secs(2),
    }
}

async fn send(base_url: &str, auth: Auth) -> Result<WireReply, TransportFailure> {
    transport(1 << 20).send(request(base_url, auth)).await
}

async fn drain(mut body: Box<dyn ByteSource>) -> Result<Vec<u8>, TransportFailure> {
    let mut all = Vec::new();
    while let Some(bytes) = poll_fn(|cx| body.poll_bytes(cx)).await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_request_arrives_with_its_credential_and_nothing_it_should_not_carry() {
    let check = async |auth, expect: &str| {
        let mut server = Raw::answering(OK).await;
        let reply = send(&server.base(), auth).await.unwrap();
        assert_eq!((reply.status, drain(reply.body).await.unwrap()), (200, b"hello".to_vec()));
        let seen = server.requests.recv().await.unwrap().to_ascii_lowercase();
        assert!(seen.contains(expect), "{expect:?} is missing in {seen}");
        assert!(seen.contains("accept-encoding: identity\r\n"), "{seen}");
        assert!(!seen.contains("cookie") && !seen.contains("referer"), "{seen}");
        seen
    };
    check(Auth::Bearer, &format!("authorization: bearer {SECRET}\r\n")).await;
    check(Auth::Header(HeaderName::from_static("x-api-key")), &format!("x-api-key: {SECRET}\r\n")).await;
    check(Auth::Query("key".to_owned()), &format!("post /v1/chat?beta=true&key={SECRET} http/1.1\r\n")).await;
    let open = check(Auth::None, "post /v1/chat?beta=true http/1.1\r\n").await;
    assert!(!open.contains(SECRET), "{open}");
}

#[tokio::test]
async fn a_provider_without_credential_is_asked_without() {
    let mut server = Raw::answering(OK).await;
    let mut request = request(&server.base(), Auth::Bearer);
    request.provider = "right".into();
    transport(100).send(request).await.unwrap();
    assert!(!server.requests.recv().await.unwrap().contains("uthorization"));
}

#[tokio::test]
async fn credentials_can_be_replaced() {
    let mut server = Raw::answering(OK).await;
    let transport = transport(100);
    transport.replace_credentials(Credentials::new([("left".into(), "second".into())]).unwrap());
    transport.send(request(&server.base(), Auth::Bearer)).await.unwrap();
    assert!(server.requests.recv().await.unwrap().contains("Bearer second"));
}

#[test]
fn an_unusable_credential_is_named_by_its_owner_only() {
    for bad in ["", " \n", "two\nlines", "sn\u{0}wman"] {
        let error = Credentials::new([("left".into(), bad.into())]).unwrap_err();
        assert!(error.to_string().contains("`left`"), "{error}");
        assert!(bad.trim().is_empty() || !error.to_string().contains(bad), "{error}");
    }
    let table = Credentials::new([("left".into(), SECRET.into())]).unwrap();
    assert_eq!(format!("{table:?}"), r#"{"left"}"#);
}

#[tokio::test]
async fn redirects_are_answers() {
    let server =
        Raw::answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
            .await;
    assert_eq!(send(&server.base(), Auth::Bearer).await.unwrap().status, 302);
    assert_eq!(server.connections(), 1);
}

/// No failure is retried, and none of its words give anything away.
#[tokio::test]
async fn failures_say_when_they_happened() {
    let check = async |answer, reset, expect: fn(&TransportFailure) -> bool| {
        let server = Raw::start(answer, reset).await;
        let failure = match send(&server.base(), Auth::Query("key".to_owned())).await {
            Ok(reply) => drain(reply.body).await.unwrap_err(),
            Err(failure) => failure,
        };
        assert!(expect(&failure), "{failure:?}");
        assert_eq!(server.connections(), 1, "sent more than once: {failure:?}");
        let words = failure.to_string();
        assert!(!words.contains(SECRET) && !words.contains("http:") && !words.contains("127."), "{words}");
    };
    let early: fn(&TransportFailure) -> bool = |f| matches!(f, TransportFailure::Reset(_));
    let late: fn(&TransportFailure) -> bool = |f| matches!(f, TransportFailure::Body(_));
    check(b"", false, early).await;
    check(b"", true, early).await;
    check(b"HTTP/1.1 200", true, early).await;
    check(b"SSH-2.0-banner\r\n\r\n", false, early).await;
    check(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false, late).await;
    check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", false, late).await;
    check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", true, late).await;
}

#[tokio::test]
async fn a_refused_connection_is_not_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = send(&base, Auth::None).await.unwrap_err();
    assert_eq!(failure, TransportFailure::Connect("connection refused".to_owned()));
}

#[tokio::test]
async fn a_server_that_never_takes_the_handshake_is_a_connect_timeout() {
    // TLS to a listener that accepts and stays silent: the connection never becomes usable.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = request(&format!("https://{}", listener.local_addr().unwrap()), Auth::None);
    request.connect_timeout = Duration::from_millis(50);
    let failure = transport(100).send(request).await.unwrap_err();
    assert_eq!(failure, TransportFailure::ConnectTimeout);
}

#[tokio::test]
async fn an_answer_over_the_cap_is_cut() {
    let check = async |limit, fits: bool| {
        let server = Raw::answering(OK).await;
        let reply = transport(limit).send(request(&server.base(), Auth::None)).await.unwrap();
        let read = drain(reply.body).await;
        assert_eq!(read.is_ok(), fits, "{limit}: {read:?}");
        if !fits {
            assert_eq!(read.unwrap_err(), TransportFailure::TooLarge { limit_bytes: limit });
        }
    };
    check(5, true).await;
    check(4, false).await;
}

/// Fifty chunks in one packet: handed on together, byte for byte, and the break after them is still told.
#[tokio::test]
async fn what_one_read_brought_is_handed_on_together() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let check = async |end: &str, breaks: bool| {
        let answer: &'static str = format!("{HEAD}{}{end}", "5\r\nhello\r\n".repeat(50)).leak();
        let server = Raw::answering(answer.as_bytes()).await;
        let mut body = send(&server.base(), Auth::None).await.unwrap().body;
        let (mut pieces, mut bytes, mut broken) = (0, Vec::new(), false);
        while let Some(piece) = poll_fn(|cx| body.poll_bytes(cx)).await {
            let Ok(piece) = piece else {
                broken = true;
                break;
            };
            pieces += 1;
            bytes.extend_from_slice(&piece);
        }
        assert_eq!((bytes, broken), ("hello".repeat(50).into_bytes(), breaks));
        assert!(pieces <= 5, "{pieces} pieces");
    };
    check("0\r\n\r\n", false).await;
    check("", true).await;
}

#[tokio::test]
async fn dropping_a_call_ends_it_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let transport = transport(100);
    let call = transport.send(request(&base, Auth::None));
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket
    };
    let mut socket = tokio::select! {
        _ = call => panic!("nothing answers"),
        socket = server => socket,
    };
    assert_eq!(socket.read(&mut [0; 16]).await.unwrap_or(0), 0, "the connection is closed");
}

/// The connector is called within the task of the call that needs it, so that it knows whose connection it makes.
#[tokio::test]
async fn what_connections_take_is_learned_per_upstream() {
    let (one, other) = (Raw::answering(OK).await, Raw::answering(OK).await);
    let transport = transport(100);
    for base in [one.base(), one.base(), other.base()] {
        drain(transport.send(request(&base, Auth::None)).await.unwrap().body).await.unwrap();
    }
    let mut learned = transport.clients.learned();
    learned.sort();
    let mut expected = [(one.base(), 2), (other.base(), 1)];
    expected.sort();
    assert_eq!(learned, expected);
}

#[test]
fn urls_stay_on_the_provider() {
    let check = |base: &str, path: &str, expect: Option<&str>| {
        assert_eq!(
            Addresses::default().of(&base.into(), path).ok().map(String::from).as_deref(),
            expect,
            "{base} + {path}"
        );
    };
    check("https://api.test/v1", "/chat?a=b", Some("https://api.test/v1/chat?a=b"));
    check("https://API.test:443/v1", "/chat", Some("https://api.test/v1/chat"));
    check("https://api.test", "/chat", Some("https://api.test/chat"));
    check("https://api.test", ".evil.test/chat", None);
    check("https://api.test", "@evil.test/chat", None);
    check("https://api.test", ":1/chat", None);
    check("https://api.test/v1", "/../admin", None);
    check("https://user:pass@api.test", "/chat", None);
    check("ftp://api.test", "/chat", None);
    check("api.test", "/chat", None);
}

#[test]
fn clients_are_kept_per_timeout_and_bounded() {
    let clients = super::clients::Clients::new(&TransportSettings::default()).unwrap();
    for ms in 1..40 {
        clients.for_timeout(Duration::from_millis(ms)).unwrap();
        clients.for_timeout(Duration::from_millis(ms)).unwrap();
    }
    assert_eq!(clients.kept(), 16);
}
