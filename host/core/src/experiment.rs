//! Experiments: faults on a timeline, with a hypothesis, a time limit and a report.
//!
//! Nothing runs by itself: whoever starts an experiment also drives it ([`Run::drive`]). Faults are armed with the time
//! that they have on the timeline, so that the engine ends them even if nobody drives on. An experiment whose clients fare
//! worse than its hypothesis says is given up. At a restart nothing goes on by itself; reports may be given back to the
//! lab ([`Lab::remember`]). Nothing of any request's content is ever held.

mod board;
mod page;
mod report;
mod run;
mod scenario;
pub mod span;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::board::{Action, ActionInfo, Press};
pub use self::page::page;
pub use self::report::{
    AliasFigures, Calls, ExperimentReport, FaultFigures, Point, Requests, Times, Verdict,
};
pub use self::run::{Run, Setting};
pub use self::scenario::{Abort, Hypothesis, Scenario, ScenarioError, Step};
pub use self::watch::Moment;
use crate::fault::ArmError;
use crate::note::Note;

/// At most so many run at once.
pub const MAX_RUNNING: usize = 8;
/// Reports that are kept.
pub const KEPT_REPORTS: usize = 50;

/// All experiments: those that run, and reports of the last ones that did.
#[derive(Default)]
pub struct Lab {
    /// Spares everybody the lock while nothing runs.
    any: AtomicBool,
    running: RwLock<Vec<Arc<Run>>>,
    finished: Mutex<VecDeque<Arc<ExperimentReport>>>,
    last_id: AtomicU64,
}

/// Why an experiment did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The scenario cannot be right.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A step could not be armed.
    #[error("step {place} ({kind}): {error}")]
    Step {
        /// Its place on the timeline, repetitions counted.
        place: usize,
        /// Its kind.
        kind: String,
        /// Why not.
        error: ArmError,
    },
    /// Too many.
    #[error("{MAX_RUNNING} experiments run already; stop one first")]
    Full,
}

/// An experiment in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ExperimentSummary)]
pub struct Summary {
    /// To ask for its report.
    pub id: u64,
    /// The scenario's name.
    pub name: String,
    /// How it stands.
    pub verdict: Verdict,
    /// In words.
    pub because: String,
    /// When it began, ms since 1970.
    pub started_ms: u64,
    /// How long it has lasted.
    pub lasted_ms: u64,
    /// Share of requests that were answered.
    pub success: Option<f64>,
    /// Requests that the faults cost their answer.
    pub harmed: u64,
}

impl Lab {
    /// Nothing runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a scenario with all its steps and takes it up, with what is due at once; somebody has to drive it.
    ///
    /// # Errors
    /// Nothing has begun then.
    pub async fn start(&self, scenario: Scenario, setting: Setting) -> Result<Arc<Run>, StartError> {
        scenario.check()?;
        let plugins = setting.plugins.current();
        for (place, (_, order)) in scenario.timeline().iter().enumerate() {
            let checked = setting.chaos.check(&plugins, order).await;
            checked.map_err(|error| StartError::Step { place, kind: order.kind.clone(), error })?;
        }
        let run = self.take_up(scenario, setting).ok_or(StartError::Full)?;
        run.begin().await;
        Ok(run)
    }

    /// None where too many run.
    fn take_up(&self, scenario: Scenario, setting: Setting) -> Option<Arc<Run>> {
        let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= MAX_RUNNING {
            return None;
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let run = Arc::new(Run::new(id, scenario, setting));
        running.push(Arc::clone(&run));
        self.any.store(true, Ordering::Release);
        Some(run)
    }

    /// Tells every running experiment what happened.
    pub fn note(&self, note: &Note, now: Instant) {
        if self.any.load(Ordering::Acquire) {
            for run in self.read().iter() {
                run.note(note, now);
            }
        }
    }

    /// Stops one; whether it was running.
    pub fn stop(&self, id: u64) -> bool {
        let running = self.read();
        let found = running.iter().find(|run| run.id() == id);
        found.inspect(|run| run.stop()).is_some()
    }

    /// Stops all; how many were running.
    pub fn stop_all(&self) -> usize {
        let running = self.read();
        running.iter().for_each(|run| run.stop());
        running.len()
    }

    /// All that is known, the latest first.
    pub fn list(&self) -> Vec<Summary> {
        let running = self.read();
        let mut reports: Vec<Arc<ExperimentReport>> =
            running.iter().map(|run| Arc::new(run.report())).collect();
        drop(running);
        reports.extend(self.finished.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        reports.sort_by_key(|report| std::cmp::Reverse(report.id));
        reports.iter().map(|report| Summary::of(report)).collect()
    }

    /// One report; of a running experiment as it stands.
    pub fn report(&self, id: u64) -> Option<Arc<ExperimentReport>> {
        if let Some(run) = self.read().iter().find(|run| run.id() == id) {
            return Some(Arc::new(run.report()));
        }
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.iter().find(|report| report.id == id).cloned()
    }

    /// Takes reports of an earlier process in, the latest last. Experiments from now on get other ids.
    pub fn remember(&self, reports: impl IntoIterator<Item = ExperimentReport>) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports {
            self.last_id.fetch_max(report.id, Ordering::Relaxed);
            finished.push_front(Arc::new(report));
        }
        finished.truncate(KEPT_REPORTS);
    }

    /// Keeps the report of what has ended.
    fn finish(&self, run: &Run) -> Arc<ExperimentReport> {
        let report = Arc::new(run.report());
        let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|other| other.id() != run.id());
        self.any.store(!running.is_empty(), Ordering::Release);
        finished.push_front(Arc::clone(&report));
        finished.truncate(KEPT_REPORTS);
        report
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Run>>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Summary {
    fn of(report: &ExperimentReport) -> Self {
        Self {
            id: report.id,
            name: report.name.clone(),
            verdict: report.verdict,
            because: report.because.clone(),
            started_ms: report.started_ms,
            lasted_ms: report.lasted_ms,
            success: report.requests.success,
            harmed: report.requests.harmed,
        }
    }
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("running", &self.read().len()).finish_non_exhaustive()
    }
}
