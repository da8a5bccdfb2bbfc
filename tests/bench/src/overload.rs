//! `--overload`: five times as many requests as the gateway is told to work on at a time. What it takes it must serve as
//! well as before; what it refuses it must refuse at once, and say when to come back.
//!
//! The limit is the gateway's own bound on requests under way, over an upstream that takes a fixed time: the machine has
//! CPU to spare, so the figures tell how admission behaves and not how fast the machine is.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::load::Load;
use crate::stage::Stage;

/// Requests that the gateway works on at a time.
const PLACES: u32 = 48;
/// What may wait for a place.
const QUEUED: u32 = 6;
/// How long the upstream takes for an answer.
const UPSTREAM: Duration = Duration::from_millis(100);
const OVERLOAD: f64 = 5.0;
const MEASURED: Duration = Duration::from_secs(6);
const WARM_UP: Duration = Duration::from_secs(1);

/// The bars of the design.
const LEAST_GOODPUT: f64 = 0.9;
const MOST_SLOWER: f64 = 2.0;
const REFUSED_WITHIN: Duration = Duration::from_millis(5);

/// Lines for `[server]` of the gateway's configuration.
pub(crate) fn limits() -> String {
    format!("max_requests = {PLACES}\nmax_queued = {QUEUED}\nqueue_timeout = \"250ms\"\n")
}

/// What came back for one request.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// It says when to come back.
    pub(crate) hinted: bool,
    pub(crate) took: Duration,
}

#[derive(Default)]
struct Tally {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    unhinted: usize,
    other: Vec<u16>,
}

impl Tally {
    fn add(&mut self, reply: &Reply) {
        match reply.status {
            200 => self.served.push(reply.took),
            429 | 503 => {
                self.refused.push(reply.took);
                self.unhinted += usize::from(!reply.hinted);
            }
            status => self.other.push(status),
        }
    }

    fn goodput(&self) -> f64 {
        self.served.len() as f64 / MEASURED.as_secs_f64()
    }
}

/// Whether all bars hold.
pub(crate) async fn measure(stage: &Stage) -> bool {
    stage.slow_upstream(UPSTREAM).await;
    let load = Load::new(&stage.gateway_base, "openai/bench-2048", false);
    full_house(&load, WARM_UP).await;
    let full = full_house(&load, MEASURED).await;
    let rate = full.goodput() * OVERLOAD;
    let storm = storm(&load, rate).await;

    let (before, after) = (quantile(&full.served, 0.99), quantile(&storm.served, 0.99));
    println!("full house: {:.0}/s served, p99 {:.1} ms", full.goodput(), millis(before));
    println!(
        "{OVERLOAD:.0} x that ({rate:.0}/s): {:.0}/s served, p99 {:.1} ms; {:.0}/s refused, p50 {:.2} ms, p99 {:.2} ms, {} without Retry-After; {} other answers {:?}",
        storm.goodput(),
        millis(after),
        storm.refused.len() as f64 / MEASURED.as_secs_f64(),
        millis(quantile(&storm.refused, 0.5)),
        millis(quantile(&storm.refused, 0.99)),
        storm.unhinted,
        storm.other.len(),
        storm.other.first(),
    );
    let bars = [
        ("goodput at least 90 % of a full house", storm.goodput() >= LEAST_GOODPUT * full.goodput()),
        ("p99 of the served at most twice a full house's", after <= before.mul_f64(MOST_SLOWER)),
        ("somebody is refused", !storm.refused.is_empty()),
        ("99 % of refusals within 5 ms", quantile(&storm.refused, 0.99) <= REFUSED_WITHIN),
        ("every refusal says when to come back", storm.unhinted == 0),
        ("nothing but answers and refusals", storm.other.is_empty() && full.other.is_empty()),
        ("a full house is not refused", full.refused.is_empty()),
    ];
    for (bar, holds) in bars {
        println!("  {:<6} {bar}", if holds { "ok" } else { "MISSED" });
    }
    bars.iter().all(|(_, holds)| *holds)
}

/// As many clients as there are places, each asking again as soon as it has its answer.
async fn full_house(load: &Load, time: Duration) -> Tally {
    let until = Instant::now() + time;
    let clients = (0..PLACES).map(|_| async move {
        let mut replies = Vec::new();
        while Instant::now() < until {
            replies.push(load.ask().await);
        }
        replies
    });
    let mut tally = Tally::default();
    futures_util::future::join_all(clients).await.iter().flatten().for_each(|reply| tally.add(reply));
    tally
}

/// So many requests a second, whatever becomes of those before.
async fn storm(load: &Load, rate: f64) -> Tally {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut replies = JoinSet::new();
    let began = Instant::now();
    let mut sent = 0.0;
    while began.elapsed() < MEASURED {
        ticks.tick().await;
        while sent < rate * began.elapsed().as_secs_f64() {
            let load = load.clone();
            replies.spawn(async move { load.ask().await });
            sent += 1.0;
        }
    }
    let mut tally = Tally::default();
    while let Some(reply) = replies.join_next().await {
        tally.add(&reply.expect("no panic"));
    }
    tally
}

fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let index = ((times.len() as f64 - 1.0).max(0.0) * share).round() as usize;
    times.get(index).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
