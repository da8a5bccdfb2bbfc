//! The trail through its public door, with real files and threads.

mod accounting;
mod reading;
mod troubles;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::class::{Class, Failure};
use seawall_core::note::{Circuit, Note, Outcome};
use seawall_core::ports::PluginRef;
use seawall_core::record::{Attempted, End, Purpose, Record};
use seawall_core::request::RequestId;
use seawall_core::target::TargetId;
use serde_json::Value;

use super::{Audit, Deed, Figures, Filter, Kind, Listed, Settings};

/// A trail in a folder of its own.
fn settings(dir: &Path) -> Settings {
    Settings { queue: 4_096, ..Settings::usual(dir.join("audit")) }
}

fn start(settings: &Settings) -> Audit {
    Audit::start(settings.clone(), None).unwrap()
}

fn target() -> TargetId {
    TargetId::new("left", "m")
}

/// A request of this trail that ended.
fn request(audit: &Audit, outcome: Outcome) -> RequestId {
    let id = audit.ids().next();
    let failure = Failure { status: Some(503), ..Failure::new(Class::Overloaded, "busy") };
    let end = if outcome == Outcome::Failed { End::from(&failure) } else { End::Answered };
    let attempt = Attempted { end, ..Attempted::new(target(), PluginRef::made_up("adapter"), Purpose::Turn) };
    let class = (outcome == Outcome::Failed).then_some(Class::Overloaded);
    let record = Record {
        started: std::time::SystemTime::now(),
        outcome,
        class,
        attempts: vec![attempt],
        ..Record::new(id, "chat")
    };
    audit.note(&Note::RequestEnded(Arc::new(record)));
    id
}

/// Waits until something holds.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

#[track_caller]
fn settled(audit: &Audit) -> Figures {
    eventually("everything is somewhere", || audit.figures().under_way == 0);
    audit.figures()
}

#[track_caller]
fn check_sum(figures: &Figures) {
    assert_eq!(figures.produced, figures.stored + figures.spilled + figures.dropped, "{figures:?}");
}

fn all(audit: &Audit, filter: Filter) -> Vec<Listed> {
    audit.reader().page(&Filter { limit: Some(1_000), ..filter }).unwrap().entries
}

fn requests(audit: &Audit) -> usize {
    all(audit, Filter { kinds: vec![Kind::Request], ..Filter::default() }).len()
}

fn body(listed: &Listed) -> Value {
    serde_json::from_str(listed.entry.get()).unwrap()
}

fn opened(causes: Vec<RequestId>) -> Note {
    let (target, from, to) = (target(), Circuit::Closed, Circuit::Open);
    Note::CircuitChanged { target, from, to, reason: "consecutive", open_for: None, causes }
}

fn deed(order: &str) -> Deed {
    Deed {
        method: "POST".to_owned(),
        path: "/admin/chaos/faults".to_owned(),
        order: order.to_owned(),
        status: 201,
    }
}
