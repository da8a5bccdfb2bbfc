//! Accepting connections and serving them: bounded in number, in the time a client may take over its headers and over
//! taking its answer, and in how long they outlive the end of accepting.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Version;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::patience::Patient;
use crate::ingress::{Serve, relayed};
use crate::shutdown::{Phase, PhaseWatch};
use crate::tasks::Tasks;

/// From the start of a connection, or the end of an answer, to the end of the next request's headers. Pooled client
/// connections idle for as long.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// When the system has no more sockets, somebody must finish first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound socket that nobody is served on yet.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    what: &'static str,
}

/// How long a listener takes connections and requests.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) watch: PhaseWatch,
    /// The first phase that it does not serve in.
    pub(super) until: Phase,
}

impl Term {
    async fn over(&mut self) {
        self.watch.reached(self.until).await;
    }
}

/// What connections may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// At the same time; more wait in the system's queue.
    pub(super) connections: usize,
    /// How long a client may take no bytes of its answer.
    pub(super) send: Duration,
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the {what} listener cannot use {addr}: {cause}; {fix}")]
pub struct ListenError {
    what: &'static str,
    addr: SocketAddr,
    cause: io::Error,
    fix: &'static str,
}

impl Listener {
    pub(super) async fn bind(what: &'static str, addr: SocketAddr) -> Result<Self, ListenError> {
        let refuse = |cause: io::Error| ListenError { what, addr, fix: fix(&cause), cause };
        let socket = TcpListener::bind(addr).await.map_err(refuse)?;
        let addr = socket.local_addr().map_err(refuse)?;
        Ok(Self { socket, addr, what })
    }

    /// With the port that was really taken.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves connections until its term ends; those under way then finish by themselves.
    pub(super) fn serve(self, what: impl Serve, tasks: &Tasks, term: Term, bounds: Bounds) {
        let connections = tasks.clone();
        tasks.spawn(self.what, async move {
            let mut accepting = term.clone();
            tokio::select! {
                () = accepting.over() => {}
                () = self.accept(what, &connections, &term, bounds) => {}
            }
        });
    }

    async fn accept(&self, what: impl Serve, tasks: &Tasks, term: &Term, bounds: Bounds) {
        let places = Arc::new(Semaphore::new(bounds.connections));
        // A full house leaves new connections in the system's queue, where they cost nothing.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let socket = match self.socket.accept().await {
                Ok((socket, _peer)) => socket,
                Err(error) => {
                    if !is_peers_fault(&error) {
                        tracing::warn!(%error, listener = self.what, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            let socket = Patient::new(prepared(socket), bounds.send);
            let connection = serve_connection(socket, what.clone(), tasks.clone(), term.clone(), bounds.send);
            tasks.spawn("connection", async move {
                connection.await;
                drop(place);
            });
        }
    }
}

/// Tokens are worth a packet each. A failure only costs latency.
fn prepared(socket: TcpStream) -> TcpStream {
    drop(socket.set_nodelay(true));
    socket
}

async fn serve_connection(
    socket: Patient<TcpStream>,
    what: impl Serve,
    tasks: Tasks,
    mut term: Term,
    send: Duration,
) {
    let mut server = auto::Builder::new(tasks.clone());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    let asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        let shares_connection = (request.version() == Version::HTTP_2).then(|| tasks.clone());
        let answer = what.serve(request);
        async move {
            let response = answer.await;
            Ok::<_, Infallible>(match shares_connection {
                Some(tasks) => response.map(|body| relayed(body, &tasks, send)),
                None => response,
            })
        }
    });
    let connection = server.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    // The server's own time limit begins when it knows the version: whoever stops within the first word would stay.
    let silent = async {
        sleep(HEADERS_WITHIN).await;
        if asked.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return,
        () = term.over() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The peer gave up before we took the connection; nothing is wrong with the listener.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn fix(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "another process uses it: stop that one, or set another `listen`",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: set `listen` to one it has",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: set `listen` to a higher one",
        _ => "check `listen`",
    }
}
