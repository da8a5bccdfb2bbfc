//! Free ports for the demo: the wanted one, or any other when somebody has it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A loopback address for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) addr: SocketAddr,
    /// The wanted port was taken.
    pub(super) moved: bool,
}

impl Place {
    /// The wanted port if it is free, else one that the system chooses. Somebody may still take it before we listen;
    /// then the start fails and says so.
    pub(super) fn near(wanted: u16) -> std::io::Result<Self> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(loopback(wanted)).is_ok() {
            return Ok(Self { addr: loopback(wanted), moved: false });
        }
        let addr = TcpListener::bind(loopback(0))?.local_addr()?;
        Ok(Self { addr, moved: true })
    }

    /// For the list of what is running.
    pub(super) fn remark(self, wanted: u16) -> String {
        if self.moved { format!("  (port {wanted} is taken)") } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let place = Place::near(taken).unwrap();
        assert!(place.moved);
        assert_ne!(place.addr.port(), taken);
        assert_eq!(place.remark(taken), format!("  (port {taken} is taken)"));
        drop(holder);
        assert!(!Place::near(taken).unwrap().moved);
    }
}
