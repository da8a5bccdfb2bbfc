//! The only place that spawns: one task that accepts, and one per connection, owned by the first, so that stopping or
//! dropping the simulator ends them all.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::connection::{Line, Socket};
use crate::service::Service;

/// After a failed accept (out of file descriptors, mostly): long enough not to spin, short enough not to matter.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The running tasks. Dropped, they end at once.
#[derive(Debug)]
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Tasks {
    /// Must be called within a runtime.
    #[expect(clippy::disallowed_methods, reason = "this is the tasks module")]
    pub(crate) fn start(listener: TcpListener, service: Service) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self { stop, accepting: tokio::spawn(accept(listener, service, stopping)) }
    }

    /// Accepts nothing more, lets open requests finish for at most `grace`, then ends them.
    pub(crate) async fn stop(mut self, grace: Duration) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(grace, &mut self.accepting).await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: Service, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, service.clone(), stopping.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, service: Service, mut stopping: watch::Receiver<bool>) {
    // Events must not wait for each other in the kernel; failing to say so costs latency only.
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::default());
    let socket = TokioIo::new(Socket::new(stream, line.clone()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Small chunks are gathered into one buffer and written together, as real providers' proxies do.
    builder.http1().writev(false).max_buf_size(256 << 10);
    let on_request = service_fn(|request| {
        let (service, line) = (service.clone(), line.clone());
        async move { Ok::<_, Infallible>(service.answer(request, line).await) }
    });
    let mut connection = pin!(builder.serve_connection(socket, on_request));
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::trace!(%error, "connection ended");
            }
            return;
        }
        () = line.reset_asked() => return,
        _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = line.reset_asked() => {}
    }
}
