use std::time::Duration;

use seawall_core::note::Outcome;
use seawall_core::record::Record;
use seawall_core::request::{Protocol, RequestId};
use serde_json::{Value, json};
use tokio::time::{advance, timeout};

use super::watcher::Watcher;
use super::*;
use crate::tasks::Tasks;

struct Stillness;

impl Scene for Stillness {
    fn whole(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(&json!({"whole": true})).unwrap()
    }
    fn sums(&self, targets: bool) -> Box<RawValue> {
        serde_json::value::to_raw_value(&json!({"targets": targets})).unwrap()
    }
}

struct House {
    live: Arc<Live>,
    _tasks: Tasks,
}

fn house() -> House {
    let (live, tasks) = (Arc::new(Live::new()), Tasks::new());
    tasks.spawn("live stream", Arc::clone(&live).run(Arc::new(Stillness)));
    House { live, _tasks: tasks }
}

impl House {
    fn watch(&self, behind: Option<&str>) -> Option<Watcher> {
        self.live.watch(Arc::new(Stillness), behind)
    }

    /// As `Notes` does it.
    fn note(&self, note: Note) {
        if self.live.is_awake() {
            self.live.offer(note);
        }
    }
}

/// A message as a client reads it.
#[derive(Debug)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

impl Message {
    fn seqs(&self) -> Vec<u64> {
        self.data["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    }
}

async fn next(watcher: &mut Watcher) -> Message {
    let text = timeout(Duration::from_secs(20), watcher.next()).await.expect("in time").unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1, "{text}");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    };
    Message { id: field("id"), event: field("event"), data: serde_json::from_str(&field("data")).unwrap() }
}

fn started(id: u64) -> Note {
    Note::RequestStarted { id: RequestId(id), protocol: Protocol::Chat, model: "m".into(), stream: false }
}

fn ended(id: u64, outcome: Outcome) -> Note {
    Note::RequestEnded(Arc::new(Record { outcome, ..Record::new(RequestId(id), "m") }))
}

#[tokio::test(start_paused = true)]
async fn first_the_whole_then_what_happens() {
    let house = house();
    house.note(started(0));
    let mut watcher = house.watch(None).unwrap();
    let first = next(&mut watcher).await;
    assert_eq!((first.event.as_str(), &first.data["state"]), ("snapshot", &json!({"whole": true})));
    house.note(started(1));
    house.note(ended(1, Outcome::Primary));
    let batch = next(&mut watcher).await;
    assert_eq!((batch.event.as_str(), batch.seqs()), ("batch", vec![1, 2]), "{batch:?}");
    assert_eq!(batch.data.pointer("/events/1/outcome"), Some(&"primary".into()));
    assert_eq!((&batch.data["dropped"], &batch.data["agg"]), (&json!(0), &json!({"targets": true})));
    let silence = next(&mut watcher).await;
    assert!(silence.seqs().is_empty(), "something comes though nothing happens: {silence:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_was_missed_or_the_whole() {
    let house = house();
    let mut watcher = house.watch(None).unwrap();
    next(&mut watcher).await;
    house.note(started(1));
    let seen = next(&mut watcher).await;
    drop(watcher);
    for id in 2..5 {
        house.note(started(id));
        advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    let mut again = house.watch(Some(&seen.id)).unwrap();
    let mut missed = Vec::new();
    while missed.len() < 3 {
        let message = next(&mut again).await;
        assert_eq!(message.event, "batch");
        missed.extend(message.seqs());
    }
    assert_eq!(missed, [2, 3, 4], "each once, in order");
    let boot = seen.id.split_once('-').unwrap().0;
    for unknown in ["nonsense", "ffffffffff-1", &format!("{boot}-999"), "00000000-1"] {
        assert_eq!(next(&mut house.watch(Some(unknown)).unwrap()).await.event, "snapshot", "{unknown}");
    }
    drop(again);
    // Nobody watches for long: what happens then is not kept, and nobody is told that it was.
    advance(LINGER * 2).await;
    tokio::task::yield_now().await;
    advance(LINGER).await;
    tokio::task::yield_now().await;
    assert!(!house.live.is_awake());
    let last = format!("{boot}-4");
    assert_eq!(next(&mut house.watch(Some(&last)).unwrap()).await.event, "snapshot");
}

#[tokio::test(start_paused = true)]
async fn a_laggard_is_told_of_the_gap_and_begins_afresh() {
    let house = house();
    let mut watcher = house.watch(None).unwrap();
    next(&mut watcher).await;
    for id in 0..200 {
        house.note(started(id));
        advance(BEAT).await;
        tokio::task::yield_now().await;
    }
    assert!(house.live.batches.len() <= LAG, "what is kept for it is bounded");
    let gap = next(&mut watcher).await;
    assert_eq!(gap.event, "gap");
    assert!(gap.data["missed_batches"].as_u64().unwrap() > 0);
    let afresh = next(&mut watcher).await;
    assert_eq!(afresh.event, "snapshot");
    house.note(started(999));
    let batch = next(&mut watcher).await;
    assert_eq!(batch.seqs().first(), afresh.data["seq"].as_u64().map(|seq| seq + 1).as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_loses_notes_counts_them_and_blocks_nobody() {
    let house = house();
    let mut watcher = house.watch(None).unwrap();
    next(&mut watcher).await;
    for id in 0..QUEUE as u64 + 500 {
        house.note(ended(id, Outcome::Failed));
    }
    let batch = next(&mut watcher).await;
    assert_eq!(batch.data["dropped"], 500);
    assert_eq!(batch.seqs().len(), QUEUE, "failures are not sampled");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_too_much_failures_stay_and_requests_stay_whole() {
    let house = house();
    let mut watcher = house.watch(None).unwrap();
    next(&mut watcher).await;
    next(&mut watcher).await;
    for id in 0..1_000 {
        house.note(started(id));
        house.note(ended(id, if id % 100 == 0 { Outcome::Fallback } else { Outcome::Primary }));
    }
    let batch = next(&mut watcher).await;
    let events = batch.data["events"].as_array().unwrap();
    let of = |kind: &str, outcome: Option<&str>| -> Vec<&str> {
        let wanted = events.iter().filter(|event| event["event"] == kind);
        let wanted = wanted.filter(|event| outcome.is_none_or(|outcome| event["outcome"] == outcome));
        wanted.map(|event| event["request"].as_str().unwrap()).collect()
    };
    assert_eq!(of("request.ended", Some("fallback")).len(), 10);
    let begun = of("request.started", None);
    for request in of("request.ended", Some("primary")) {
        assert!(begun.contains(&request), "{request} is shown without its beginning");
    }
    let shown = batch.data["sampled"]["shown"].as_u64().unwrap();
    assert_eq!(batch.data["sampled"]["routine"], 1_990);
    assert!((100..400).contains(&shown), "about 200 in a tenth of a second: {shown}");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_watch_and_who_leaves_makes_room() {
    let house = house();
    let mut watchers: Vec<Watcher> = (0..MOST_WATCHERS).map(|_| house.watch(None).unwrap()).collect();
    assert!(house.watch(None).is_none());
    watchers.pop();
    assert!(house.watch(None).is_some());
}
