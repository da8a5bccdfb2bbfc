use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use hyper_util::service::TowerToHyperService;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::listener::{Bounds, Listener, Term};
use super::{Running, StartOptions, start};
use crate::config::{Config, Environment, Source};
use crate::shutdown::{Phase, Shutdown};
use crate::tasks::Tasks;

const SOON: Duration = Duration::from_secs(10);
/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_millis(300);

struct Desk {
    addr: SocketAddr,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Desk {
    async fn serving(router: Router, max_connections: usize) -> Self {
        let listener = Listener::bind("test", ([127, 0, 0, 1], 0).into()).await.unwrap();
        let (tasks, shutdown, addr) = (Tasks::new(), Shutdown::new(), listener.addr());
        let term = Term { watch: shutdown.watch(), until: Phase::Draining };
        let bounds = Bounds { connections: max_connections, send: PATIENCE };
        listener.serve(TowerToHyperService::new(router), &tasks, term, bounds);
        Self { addr, tasks, shutdown }
    }
}

async fn ask(addr: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Reads until the text is there or the connection ends.
async fn read_until(socket: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains(wanted) {
        let length = timeout(SOON, socket.read(&mut piece)).await.expect("bytes in time").unwrap_or(0);
        if length == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    text
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let slow = get(move || async move {
        wait.notified().await;
        "finished"
    });
    let desk =
        Desk::serving(Router::new().route("/slow", slow).route("/", get(|| async { "hello" })), 10).await;
    let mut idle = ask(desk.addr, "/").await;
    assert!(read_until(&mut idle, "hello").await.contains("200 OK"));
    let mut running = ask(desk.addr, "/slow").await;
    while desk.tasks.live() < 3 {
        tokio::task::yield_now().await;
    }

    desk.shutdown.advance(Phase::Draining);
    assert_eq!(read_until(&mut idle, "never").await, "", "an idle connection is closed");
    assert!(!desk.tasks.drained(Duration::from_millis(50)).await, "the running one is waited for");
    assert!(TcpStream::connect(desk.addr).await.is_err(), "nothing new is accepted");
    go.notify_one();
    assert!(read_until(&mut running, "finished").await.contains("finished"));
    assert!(desk.tasks.drained(SOON).await);
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let desk = Desk::serving(Router::new().route("/", get(|| async { "hello" })), 1).await;
    let mut first = ask(desk.addr, "/").await;
    read_until(&mut first, "hello").await;
    let mut second = ask(desk.addr, "/").await;
    let early = timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "it is not served while the first is open");
    drop(first);
    assert!(read_until(&mut second, "hello").await.contains("hello"));
}

/// Says when it is dropped.
struct Tell(Option<oneshot::Sender<()>>);

impl Tell {
    fn new() -> (Self, oneshot::Receiver<()>) {
        let (dropped, told) = oneshot::channel();
        (Self(Some(dropped)), told)
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.take().map(|tell| tell.send(()));
    }
}

/// A route that answers one request with these pieces and then with nothing more, or without end.
fn streams(tell: Tell, piece: &'static [u8], endless: bool) -> MethodRouter {
    let tell = Arc::new(Mutex::new(Some(tell)));
    get(move || async move {
        let tell = tell.lock().unwrap().take();
        let pieces = stream::unfold((tell, true), move |(tell, first)| async move {
            if !first && !endless {
                std::future::pending::<()>().await;
            }
            Some((Ok::<_, std::io::Error>(piece), (tell, false)))
        });
        Body::from_stream(pieces)
    })
}

/// While the answer is awaited, and while it is streamed.
#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let check = async |path: &str, router: MethodRouter, told: oneshot::Receiver<()>, first: &str| {
        let desk = Desk::serving(Router::new().route(path, router), 10).await;
        let mut socket = ask(desk.addr, path).await;
        if first.is_empty() {
            while desk.tasks.live() < 2 {
                tokio::task::yield_now().await;
            }
        } else {
            assert!(read_until(&mut socket, first).await.contains(first));
        }
        drop(socket);
        assert!(timeout(SOON, told).await.expect("in time").is_ok(), "{path}");
    };
    let (tell, told) = Tell::new();
    let tell = Arc::new(Mutex::new(Some(tell)));
    let never = get(move || async move {
        let _tell = tell.lock().unwrap().take();
        std::future::pending::<()>().await;
    });
    check("/never", never, told, "").await;
    let (tell, told) = Tell::new();
    check("/streams", streams(tell, b"piece", false), told, "piece").await;
}

/// The buffers between the two are full, the client takes nothing: its answer is dropped, and with it the upstream call.
#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
    let (tell, told) = Tell::new();
    let desk = Desk::serving(Router::new().route("/", streams(tell, &PIECE, true)), 10).await;
    let mut socket = ask(desk.addr, "/").await;
    assert!(timeout(SOON, told).await.expect("in time").is_ok());
    assert!(desk.tasks.live() <= 2, "only who listens is left");
    assert!(read_until(&mut socket, "200 OK").await.starts_with("HTTP/1.1 200 OK"), "it had begun");
}

/// Of many streams on one connection that works, one is not read.
#[tokio::test]
async fn an_http2_stream_that_is_not_read_is_given_up_alone() {
    static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
    let (tell, told) = Tell::new();
    let router =
        Router::new().route("/endless", streams(tell, &PIECE, true)).route("/", get(|| async { "hello" }));
    let desk = Desk::serving(router, 10).await;
    // Already installed is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let at = |path: &str| format!("http://{}{path}", desk.addr);
    let mut unread = client.get(at("/endless")).send().await.unwrap();
    assert!(timeout(SOON, told).await.expect("in time").is_ok());
    assert_eq!(client.get(at("/")).send().await.unwrap().text().await.unwrap(), "hello");
    let end = async {
        loop {
            match unread.chunk().await {
                Ok(Some(_)) => {}
                end => return end.is_err(),
            }
        }
    };
    assert!(timeout(SOON, end).await.expect("in time"), "it is reset, not ended as if it were whole");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    let desk = Desk::serving(Router::new().route("/", get(|| async { "hello" })), 10).await;
    for opening in ["", "P", "PRI * HTTP/2.0", "GET / HTTP/1.1\r\nhos"] {
        let mut socket = TcpStream::connect(desk.addr).await.unwrap();
        socket.write_all(opening.as_bytes()).await.unwrap();
        let read = timeout(Duration::from_secs(100), socket.read(&mut [0; 100])).await;
        assert!(read.is_ok(), "{opening:?} is kept open");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_with_a_way_out() {
    let desk = Desk::serving(Router::new(), 1).await;
    let error = Listener::bind("client", desk.addr).await.unwrap_err().to_string();
    assert!(error.contains(&desk.addr.to_string()) && error.contains("another process uses it"), "{error}");
}

async fn gateway(state: &Path, provider: SocketAddr) -> Running {
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        [admin]
        listen = "127.0.0.1:0"
        [state]
        dir = "state"
        [providers.left]
        adapter = "nobody"
        base_url = "http://{provider}"
        [models.fast]
        targets = ["left/m"]
        "#
    );
    let config = Config::parse(Source::new("t", text), state, &Environment::fixed([])).unwrap();
    let options =
        StartOptions { pause: Duration::ZERO, bundled: Some(Vec::new()), ..StartOptions::default() };
    start(config, options).await.unwrap()
}

#[tokio::test]
async fn a_gateway_without_plugins_starts_says_why_it_is_not_ready_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = ([127, 0, 0, 1], 9).into();
    let running = gateway(dir.path(), nobody).await;
    let (data, admin) = (running.data_addr, running.admin_addr);
    assert!(read_until(&mut ask(data, "/health").await, "}").await.contains(r#"{"status":"ok"}"#));
    assert!(read_until(&mut ask(admin, "/readyz").await, "]}").await.contains("no_adapter"));
    assert!(running.admin_token.fresh);

    let token = running.admin_token.secret.expose_secret().to_owned();
    let mut status = TcpStream::connect(admin).await.unwrap();
    let request =
        format!("GET /admin/plugins HTTP/1.1\r\nhost: {admin}\r\nauthorization: Bearer {token}\r\n\r\n");
    status.write_all(request.as_bytes()).await.unwrap();
    let plugins = read_until(&mut status, "]}").await;
    assert!(plugins.contains("200 OK") && plugins.contains("P025"), "{plugins}");

    let body = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
    let mut client = TcpStream::connect(data).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {data}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "}}").await;
    assert!(answer.starts_with("HTTP/1.1 50") && answer.contains("x-seawall-request-id: req_"), "{answer}");
    assert!(answer.contains("x-seawall-attempts: 0"), "{answer}");

    timeout(SOON, running.shutdown()).await.expect("nothing holds it up");
    assert!(TcpStream::connect(data).await.is_err());
    assert!(TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn several_gateways_run_in_one_process() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nobody = ([127, 0, 0, 1], 9).into();
    let (one, other) = (gateway(one.path(), nobody).await, gateway(other.path(), nobody).await);
    assert_ne!(one.data_addr, other.data_addr);
    assert_ne!(one.admin_token.secret.expose_secret(), other.admin_token.secret.expose_secret());
    one.shutdown().await;
    assert!(read_until(&mut ask(other.data_addr, "/health").await, "}").await.contains("ok"));
    other.shutdown().await;
}
