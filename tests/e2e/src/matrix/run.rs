//! Runs cells: a few gateways beside each other, each with a handful of cells that share nothing but the gateway.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use seawall_core::class::Class;
use seawall_core::note::Note;
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::cell::{Cell, Position};
use super::faults::{Expect, LIMIT_MS};
use crate::client::{Ending, Question, Seen};
use crate::{Stage, Verdict, eventually};

/// Three lanes a cell; a simulator has room for 64.
const CELLS_A_HOUSE: usize = 20;
const HOUSES_AT_ONCE: usize = 4;
const MODEL: &str = "count-12";
const TEXT: &str = "1 2 3 4 5 6 7 8 9 10 11 12";
/// A report is for reading: so many complaints of one cell are enough.
const MOST_COMPLAINTS: usize = 3;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// One a cell, and one a gateway whose counters do not add up.
    pub verdicts: Vec<Verdict>,
    /// Requests that clients sent.
    pub requests: usize,
    /// Attempts that failed, by class.
    pub classes: BTreeMap<&'static str, u64>,
    /// The longest that this process stood still: a pause near the time limits makes healthy targets late.
    pub longest_pause: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = self.verdicts.iter().filter(|verdict| !verdict.complaints.is_empty()).count();
        write!(
            f,
            "{} cells, {} requests, {bad} cells with complaints; failed attempts {:?}; longest pause {:.1?}",
            self.verdicts.len(),
            self.requests,
            self.classes,
            self.longest_pause
        )
    }
}

/// Sends `requests` requests to each cell, one after the other.
pub async fn run(cells: &[Cell], requests: usize) -> Report {
    let pauses = Pauses::watch();
    let houses = cells.chunks(CELLS_A_HOUSE).map(|cells| house(cells, requests));
    let found: Vec<_> = stream::iter(houses).buffer_unordered(HOUSES_AT_ONCE).collect().await;
    let mut report = Report {
        verdicts: Vec::new(),
        requests: cells.len() * requests,
        classes: BTreeMap::new(),
        longest_pause: pauses.longest(),
    };
    for (verdicts, classes) in found {
        report.verdicts.extend(verdicts);
        for (class, count) in classes {
            *report.classes.entry(class).or_default() += count;
        }
    }
    report.verdicts.sort_by(|one, other| one.name.cmp(&other.name));
    report
}

/// Watches how late a timer of the runtime is.
struct Pauses(Arc<AtomicU64>);

impl Pauses {
    fn watch() -> Self {
        const PACE: Duration = Duration::from_millis(20);
        let longest = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&longest);
        crate::background(async move {
            loop {
                let began = Instant::now();
                tokio::time::sleep(PACE).await;
                let late = began.elapsed().saturating_sub(PACE).as_millis();
                let Some(longest) = watched.upgrade() else { return };
                longest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self(longest)
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn provider(cell: usize, place: usize) -> String {
    format!("c{cell}-{place}")
}

fn configuration(cells: &[Cell], sim: &Sim) -> String {
    let mut config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmax_answer_bytes = \"256KiB\"\nmax_event_bytes = \"64KiB\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[defaults.timeouts]\nfirst_token = \"{LIMIT_MS}ms\"\n\
         answer = \"{LIMIT_MS}ms\"\nstall = \"{LIMIT_MS}ms\"\ntotal = \"20s\"\n"
    );
    for (number, cell) in cells.iter().enumerate() {
        for (place, dialect) in cell.dialects().into_iter().enumerate() {
            let name = provider(number, place);
            let faulty = place == cell.faulty();
            let base = match cell.fault.kind {
                None if faulty => sim.refused_base_url(&name, dialect),
                _ => sim.base_url(&name, dialect),
            };
            let window = if faulty { 8_192 } else { 131_072 };
            config.push_str(&format!(
                "[providers.{name}]\nadapter = \"{}\"\nbase_url = \"{base}\"\n\
                 [providers.{name}.models.{MODEL}]\ncontext_window = {window}\n",
                adapter(dialect)
            ));
        }
        let targets = [0, 1, 2].map(|place| format!("\"{}/{MODEL}\"", provider(number, place)));
        config.push_str(&format!("[models.cell-{number}]\ntargets = [{}]\n", targets.join(", ")));
    }
    config
}

fn adapter(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "openai",
        Dialect::Anthropic => "anthropic",
        Dialect::Gemini => "gemini",
        Dialect::Groq => "groq",
    }
}

type Classes = BTreeMap<&'static str, u64>;

async fn house(cells: &[Cell], requests: usize) -> (Vec<Verdict>, Classes) {
    let sim = Sim::start(SimOptions::default()).expect("a free port");
    let stage = Stage::start(&configuration(cells, &sim)).await;
    let mut notes = stage.running().notes.subscribe();
    for (number, cell) in cells.iter().enumerate() {
        if let Some(kind) = cell.fault.kind {
            sim.lane(&provider(number, cell.faulty())).arm(kind().into());
        }
    }
    let mut heard = Heard::default();
    let all = join_all(cells.iter().enumerate().map(|(number, cell)| play(&stage, number, cell, requests)));
    let mut complaints = tokio::select! {
        complaints = all => complaints,
        () = heard.listen(&mut notes) => Vec::new(),
    };
    heard.settle(&stage, &mut notes).await;
    let mut verdicts = Vec::new();
    for (number, (cell, complaints)) in cells.iter().zip(&mut complaints).enumerate() {
        complaints.extend(heard.complaints(cell, &provider(number, cell.faulty())));
        verdicts.push(Verdict { name: cell.name(), complaints: std::mem::take(complaints) });
    }
    let counters = heard.counters_complaint();
    verdicts
        .extend(counters.map(|complaint| Verdict { name: "counters".into(), complaints: vec![complaint] }));
    (verdicts, heard.classes())
}

async fn play(stage: &Stage, number: usize, cell: &Cell, requests: usize) -> Vec<String> {
    let mut complaints = Vec::new();
    for turn in 0..requests {
        // Every second request finds the first target out of order, so that one in the middle gets its turn.
        let mark = match cell.position {
            Position::Middle | Position::Last if turn % 2 == 0 => {
                format!(
                    "[[sim:{{\"kind\":\"status\",\"status\":503,\"lane\":\"{}\"}}]] ",
                    provider(number, 0)
                )
            }
            _ => String::new(),
        };
        let question = Question {
            front: cell.front,
            model: format!("cell-{number}"),
            stream: cell.stream,
            text: format!("{mark}go"),
        };
        let seen = stage.ask(&question).await;
        let must_be_told = turn == 0 && cell.position == Position::First;
        if let Some(complaint) = complaint(cell, &seen, must_be_told)
            && complaints.len() < MOST_COMPLAINTS
        {
            complaints.push(format!("request {}: {complaint}", turn + 1));
        }
    }
    complaints
}

/// What is wrong with one answer. Who did not meet the faulty target has the whole answer.
fn complaint(cell: &Cell, seen: &Seen, must_be_told: bool) -> Option<String> {
    let expect = (cell.fault.expect)(cell.dialect);
    let ending = seen.ending(TEXT);
    let filtered = seen.reading.finish.as_deref() == Some("content_filter") && seen.reading.text.is_empty();
    let fine = match (expect, &ending) {
        (_, Ending::Whole) => !must_be_told || expect == Expect::Whole,
        (Expect::Told(status), Ending::Error(_)) => seen.reading.status == status,
        (Expect::Filtered, Ending::Error(_)) => seen.reading.status == 400,
        (Expect::Filtered, Ending::Wrong(_)) => filtered && seen.reading.error.is_none(),
        _ => false,
    };
    let why = match &ending {
        Ending::Wrong(why) => why.clone(),
        Ending::Whole | Ending::Error(_) => seen.short(),
    };
    (!fine).then(|| format!("expected {expect:?}: {why}"))
}

/// What the gateway said about failed attempts.
#[derive(Debug, Default)]
struct Heard {
    /// By provider.
    failed: Vec<(String, Class)>,
    missed: u64,
    counted: Value,
}

impl Heard {
    fn note(&mut self, note: &Note) {
        if let Note::AttemptFailed { target, failure, .. } = note {
            self.failed.push((target.provider.to_string(), failure.class));
        }
    }

    async fn listen(&mut self, notes: &mut Receiver<Arc<Note>>) {
        loop {
            match notes.recv().await {
                Ok(note) => self.note(&note),
                Err(RecvError::Lagged(missed)) => self.missed += missed,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Waits until notes and counters say the same; a probe of a request that is over may still be under way.
    async fn settle(&mut self, stage: &Stage, notes: &mut Receiver<Arc<Note>>) {
        let this = &mut *self;
        let agree = async || {
            this.counted = stage.admin(Method::GET, "/admin/status", None).await.1["counters"].clone();
            while let Ok(note) = notes.try_recv() {
                this.note(&note);
            }
            this.counters_complaint().is_none() || this.missed > 0
        };
        eventually("the counters say what the notes say", agree).await;
    }

    fn classes(&self) -> Classes {
        let mut classes = Classes::new();
        for (_, class) in &self.failed {
            *classes.entry(class.label()).or_default() += 1;
        }
        classes
    }

    /// The admin port's counters by class, beside the notes. Missed notes leave nothing to compare.
    fn counters_complaint(&self) -> Option<String> {
        let counted = &self.counted["attempts_failed"];
        let told: Classes = self.classes();
        let same = told.iter().all(|(class, count)| counted[*class] == *count)
            && counted.as_object().map_or(0, serde_json::Map::len) == told.len();
        (!same && self.missed == 0).then(|| format!("counters {counted}, notes {told:?}"))
    }

    /// Classes that this cell's fault must not have, and their absence where one must be.
    fn complaints(&self, cell: &Cell, provider: &str) -> Vec<String> {
        let of_cell = self.failed.iter().filter(|(name, _)| name == provider);
        let classes: Vec<Class> = of_cell.map(|(_, class)| *class).collect();
        let wrong = classes.iter().find(|class| !cell.fault.classes.contains(class));
        let wrong = wrong.map(|class| format!("classified as {class}"));
        let late = cell.stream && cell.fault.late;
        let must_fail = cell.fault.fails && !late && cell.position == Position::First;
        let refusal_passes = (cell.fault.expect)(cell.dialect) == Expect::Filtered;
        let silent = must_fail && !refusal_passes && classes.is_empty() && self.missed == 0;
        wrong.into_iter().chain(silent.then(|| "no failed attempt was noted".to_owned())).collect()
    }
}
