//! One client: asks, reads at its own pace, leaves when it has had enough.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use seawall_core::reply::Reply;
use seawall_core::settings::Alias;
use seawall_core::target::TargetId;
use tokio::time::{Instant, sleep, timeout};

use crate::engine::Gateway;
use crate::heard::Heard;
use crate::order::Order;

/// How a visit went.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When the answer began, from the asking; none when it never did.
    pub first: Option<Duration>,
    /// Who answered.
    pub by: Option<TargetId>,
    /// What was heard; none when the client left.
    pub heard: Option<Heard>,
}

/// Asks and reads until the end, or until the client's own patience is over.
pub async fn visit(gateway: Arc<Gateway>, alias: Arc<Alias>, order: &Order) -> Visit {
    let mut visit = Visit { first: None, by: None, heard: None };
    let talk = talk(&gateway, &alias, order, &mut visit);
    let heard = match order.leaves_after {
        Some(patience) => timeout(patience, talk).await.ok(),
        None => Some(talk.await),
    };
    Visit { heard, ..visit }
}

async fn talk(gateway: &Arc<Gateway>, alias: &Arc<Alias>, order: &Order, visit: &mut Visit) -> Heard {
    let request = match order.request() {
        Ok(request) => request,
        Err(why) => return Heard::refusal(400, &why),
    };
    let asked = Instant::now();
    let reply = gateway.answer(request, alias).await;
    visit.first = Some(asked.elapsed());
    match reply {
        Reply::Failed { error, .. } => {
            visit.first = None;
            Heard::refusal(error.status, &error.code)
        }
        Reply::Plain { body, trail } => {
            visit.by = trail.target;
            Heard::document(order.protocol, &body)
        }
        Reply::Stream { mut body, trail } => {
            visit.by = trail.target;
            let mut bytes = BytesMut::new();
            loop {
                if !order.reads_every.is_zero() {
                    sleep(order.reads_every).await;
                }
                let Some(piece) = body.next().await else { break };
                bytes.extend_from_slice(&piece);
            }
            if order.reads_closely { Heard::stream(order.protocol, &bytes) } else { Heard::skimmed(&bytes) }
        }
    }
}
