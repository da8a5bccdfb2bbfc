//! Many cases side by side on one runtime, and what failed among them told in one go.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::Instant;

/// One case and what is wrong with it; nothing if it is as it must be.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The case.
    pub name: String,
    /// One line a complaint.
    pub complaints: Vec<String>,
}

/// Checks as they are made: a case says all that is wrong with it, not only the first thing.
#[derive(Clone, Debug, Default)]
pub struct Complaints(pub Vec<String>);

impl Complaints {
    /// Notes `what` unless it holds.
    pub fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// Runs the named cases, `most` at a time; one that panics is a complaint.
pub async fn together<C>(
    most: usize,
    cases: impl IntoIterator<Item = (String, C)>,
    check: impl AsyncFn(C) -> Vec<String>,
) -> Vec<Verdict> {
    let check = &check;
    let run = |(name, case): (String, C)| async move {
        let complaints = AssertUnwindSafe(check(case)).catch_unwind().await;
        Verdict { name, complaints: complaints.unwrap_or_else(|panic| vec![said(panic.as_ref())]) }
    };
    let mut verdicts: Vec<Verdict> = stream::iter(cases).map(run).buffer_unordered(most).collect().await;
    verdicts.sort_by(|one, other| one.name.cmp(&other.name));
    verdicts
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    format!("panicked: {}", text.unwrap_or_default())
}

/// A report is for reading; whoever needs more runs fewer cases.
const MOST_SHOWN: usize = 40;

/// Prints `what: N of M in T s` and every complaint.
///
/// # Panics
/// Unless all are as they must be.
pub fn all_of(what: &str, began: Instant, verdicts: &[Verdict]) {
    let bad: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.complaints.is_empty()).collect();
    let good = verdicts.len() - bad.len();
    let head = format!("{what}: {good} of {} in {:.0} s", verdicts.len(), began.elapsed().as_secs_f64());
    println!("{head}");
    for verdict in bad.iter().take(MOST_SHOWN) {
        println!("  {}: {}", verdict.name, verdict.complaints.join("; "));
    }
    if bad.len() > MOST_SHOWN {
        println!("  ... and {} more", bad.len() - MOST_SHOWN);
    }
    assert!(bad.is_empty() && good > 0, "{head}");
}
