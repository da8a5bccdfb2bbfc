//! The simulator as a whole: its sockets, its lanes, its end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::dialect::Dialect;
use crate::lane::{Lane, Lanes};
use crate::service::{Service, Shared};
use crate::tasks::Tasks;

const BACKLOG: u32 = 1_024;

/// How to start a simulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Decides ids and the faults with a probability; the same seed and requests give the same answers.
    pub seed: u64,
    /// How long [`Sim::stop`] waits for open requests.
    pub grace: Duration,
}

impl Default for SimOptions {
    /// Loopback, any port, seed 0, one second of grace.
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into(), seed: 0, grace: Duration::from_secs(1) }
    }
}

/// A running simulator. Dropped, it ends at once and breaks what is open; [`Sim::stop`] is polite.
#[derive(Debug)]
pub struct Sim {
    shared: Arc<Shared>,
    addr: SocketAddr,
    grace: Duration,
    tasks: Tasks,
    /// Bound and never listening: who connects is refused, and nobody else can take the port meanwhile.
    _refusing: TcpSocket,
}

impl Sim {
    /// Starts listening. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No runtime, or the address cannot be bound.
    pub fn start(options: SimOptions) -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        let listener = listen(options.listen)?;
        let addr = listener.local_addr()?;
        let refusing = socket_for(addr)?;
        refusing.bind(SocketAddr::new(addr.ip(), 0))?;
        let shared = Arc::new(Shared {
            lanes: Lanes::new(options.seed),
            bench: Bench::default(),
            refused: format!("http://{}", reachable(refusing.local_addr()?)),
            started: Instant::now(),
        });
        let tasks = Tasks::start(listener, Service(shared.clone()));
        Ok(Self { shared, addr, grace: options.grace, tasks, _refusing: refusing })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL of a lane, with the API version: what a gateway's configuration wants. Official clients differ:
    /// Anthropic's adds `/v1` by itself, so it gets this without the ending.
    pub fn base_url(&self, lane: &str, dialect: Dialect) -> String {
        format!("http://{}/{lane}{}", reachable(self.addr), dialect.base_path())
    }

    /// A base URL whose connections are refused as long as the simulator lives.
    pub fn refused_base_url(&self, lane: &str, dialect: Dialect) -> String {
        format!("{}/{lane}{}", self.shared.refused, dialect.base_path())
    }

    /// The lane of that name, created if need be. A name that is none, or one lane too many ([`MOST_LANES`]), gives a
    /// lane that no URL reaches.
    ///
    /// [`MOST_LANES`]: crate::MOST_LANES
    pub fn lane(&self, name: &str) -> Lane {
        self.shared.lanes.get(name).unwrap_or_else(|| {
            tracing::warn!(name, "not a lane's name, or too many lanes: no URL reaches it");
            self.shared.lanes.detached(name)
        })
    }

    /// All lanes so far.
    pub fn lanes(&self) -> Vec<Lane> {
        self.shared.lanes.all()
    }

    /// Accepts nothing more, lets open requests finish within the grace, then ends.
    pub async fn stop(self) {
        self.tasks.stop(self.grace).await;
    }
}

fn socket_for(addr: SocketAddr) -> io::Result<TcpSocket> {
    if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(addr)?;
    // A restart must not wait for the connections of the last run to time out.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// An address that a client can use where the simulator listens on all of them.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, addr.port()).into() } else { addr }
}
