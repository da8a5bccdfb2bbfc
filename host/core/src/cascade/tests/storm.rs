//! Everything fails at once, and heals.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, interval, sleep};

use super::{Saw, ask, whole_stream};
use crate::request::Protocol;
use crate::testing::{Script, World, error};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A request every 50 ms for this long; what each saw, with the moment it was asked.
async fn traffic(world: &World, time: Duration) -> Vec<(Duration, Saw)> {
    let began = Instant::now();
    let mut tick = interval(Duration::from_millis(50));
    let (mut under_way, mut saw) = (FuturesUnordered::new(), Vec::new());
    while began.elapsed() < time {
        tokio::select! {
            _ = tick.tick() => under_way.push(async {
                let at = began.elapsed();
                (at, ask(world, &NAMES, Protocol::Chat, true).await)
            }),
            Some(one) = under_way.next() => saw.push(one),
        }
    }
    saw.extend(under_way.collect::<Vec<_>>().await);
    saw
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_all_is_left_alone_and_its_end_is_seen() {
    const S: fn(u64) -> Duration = Duration::from_secs;
    let world = World::new(&NAMES);
    let all = |script: Script| NAMES.iter().for_each(|name| world.script(name, [script.clone()]));
    all(error(503, ""));
    let storm = async {
        sleep(S(5)).await;
        let at_first = world.calls().len();
        sleep(S(55)).await;
        all(whole_stream(&["well"]));
        (at_first, world.calls().len() - at_first)
    };
    let (saw, (at_first, later)) = join(traffic(&world, S(90)), storm).await;
    assert!(at_first <= 2 * 100, "{at_first} calls for a hundred requests");
    // A last resort for every hundred requests, and a probe of each target whenever its open time is over.
    assert!(later <= 55 * 20 / 100 + 3 * 55 / 8, "{later} calls in 55 s");
    let failed = |(at, saw): &(Duration, Saw)| matches!(saw, Saw::Error(..)).then_some(*at);
    let last_failure = saw.iter().filter_map(failed).max().unwrap();
    assert!((S(59)..S(70)).contains(&last_failure), "{last_failure:?}");
}
