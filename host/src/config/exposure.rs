//! Who can reach the gateway, and whether that is meant.

use std::net::SocketAddr;

use super::Problem;
use super::raw::{RawAdmin, RawClient, RawServer};
use super::reader::Context;
use super::resolve::{default_admin_listen, default_server};

/// Whoever can reach a port can use it: beyond this machine that needs keys, or the operator's word.
pub(super) fn check_exposure(
    server: &RawServer,
    admin: &RawAdmin,
    clients: &[RawClient],
    context: &Context<'_>,
) {
    let open = server.open.as_ref().filter(|open| open.value);
    if let (Some(open), false) = (open, clients.is_empty()) {
        let problem = Problem::new("contradiction", "`open = true` has no effect, clients need their keys");
        context.report(problem.at(open.at.clone()).fix("remove it, or remove [[clients]]"));
    }
    if let Some(listen) = &server.listen
        && !is_loopback(listen.value)
        && clients.is_empty()
        && open.is_none()
    {
        context.report(open_to_strangers(listen.value).at(listen.at.clone()));
    }
    if let Some(listen) = &admin.listen
        && !is_loopback(listen.value)
        && admin.token.is_none()
    {
        let problem = Problem::new(
            "open-to-strangers",
            format!(
                "the admin address {} can be reached from elsewhere and has no token of yours",
                listen.value
            ),
        );
        context.report(
            problem
                .at(listen.at.clone())
                .fix("add token = { env = \"SEAWALL_ADMIN_TOKEN\" }, or listen on 127.0.0.1"),
        );
    }
    let data = server.listen.as_ref().map_or(default_server().listen, |found| found.value);
    let ops = admin.listen.as_ref().map_or_else(default_admin_listen, |found| found.value);
    if data == ops && data.port() != 0 {
        let at = admin.listen.as_ref().or(server.listen.as_ref()).map(|found| found.at.clone());
        let problem = Problem::new("same-address", format!("[server] and [admin] both listen on {data}"))
            .fix("choose another port for one of them");
        context.report(match at {
            Some(at) => problem.at(at),
            None => problem,
        });
    }
}

pub(super) fn open_to_strangers(listen: SocketAddr) -> Problem {
    Problem::new("open-to-strangers", format!("anybody who reaches {listen} could spend your keys"))
        .fix("add [[clients]] with keys, listen on 127.0.0.1, or say `open = true` in [server]")
}

pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
