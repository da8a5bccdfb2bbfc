//! One experiment under way.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Lab;
use super::report::{End, ExperimentReport, FaultFigures, Material};
use super::scenario::Scenario;
use super::watch::Watch;
use crate::fault::{Armed, Chaos, FaultOrder};
use crate::note::Note;
use crate::ports::{Clock, PluginSource};
use crate::settings::Alias;

/// How often success is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Where an experiment takes place.
pub struct Setting {
    /// Arms the faults.
    pub chaos: Arc<Chaos>,
    /// The plugins that serve at each moment.
    pub plugins: Arc<dyn PluginSource>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whose availability is judged.
    pub aliases: Vec<Arc<Alias>>,
    /// Hash of the configuration, for the report.
    pub config: Arc<str>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("config", &self.config).finish_non_exhaustive()
    }
}

/// One experiment under way.
pub struct Run {
    id: u64,
    scenario: Scenario,
    setting: Setting,
    /// What its faults are known by.
    tag: Arc<str>,
    watch: Watch,
    started: SystemTime,
    stopped: AtomicBool,
    wake: Notify,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// With the time of its arming from the beginning.
    faults: Vec<(Duration, Arc<Armed>)>,
    /// When the last of them ended.
    over: Option<Instant>,
    ended: Option<(Instant, End)>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Run {
    pub(super) fn new(id: u64, scenario: Scenario, setting: Setting) -> Self {
        let tag: Arc<str> = format!("{}#{id}", scenario.name).into();
        let now = setting.clock.now();
        Self {
            id,
            watch: Watch::new(&scenario, Arc::clone(&tag), &setting.aliases, now),
            started: setting.clock.wall(),
            scenario,
            setting,
            tag,
            stopped: AtomicBool::new(false),
            wake: Notify::new(),
            progress: Mutex::default(),
        }
    }

    /// To ask for its report.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn note(&self, note: &Note, now: Instant) {
        self.watch.note(note, now);
    }

    /// Ends it, with all its faults.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.disarm();
        self.wake.notify_one();
    }

    /// Arms what is due at the very beginning: whoever is told that it has begun finds it so.
    pub(super) async fn begin(&self) {
        for (at, order) in self.scenario.timeline().into_iter().take_while(|(at, _)| at.is_zero()) {
            self.arm(at, order).await;
        }
    }

    /// Arms what is due, gives up when success falls under the hypothesis, and leaves the report in the lab.
    pub async fn drive(self: Arc<Self>, lab: Arc<Lab>) -> Arc<ExperimentReport> {
        let began = self.watch.began();
        let end = began + self.scenario.lasts;
        let mut timeline = self.scenario.timeline().into_iter().skip_while(|(at, _)| at.is_zero()).peekable();
        let reason = loop {
            let now = self.setting.clock.now();
            while let Some((at, order)) = timeline.next_if(|(at, _)| began + *at <= now) {
                self.arm(at, order).await;
            }
            if self.stopped.load(Ordering::Acquire) {
                break End::Stopped;
            }
            if let Some(why) = self.has_failed(now) {
                break End::Aborted(why);
            }
            if now >= end {
                break End::Done;
            }
            self.tell_ends(now);
            let next = timeline.peek().map_or(end, |(at, _)| began + *at).min(end).min(now + TICK);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.wake.notified() => {}
            }
        };
        self.end(reason);
        lab.finish(&self)
    }

    async fn arm(&self, at: Duration, order: FaultOrder) {
        let kind = order.kind.clone();
        let order = FaultOrder { experiment: Some(Arc::clone(&self.tag)), ..order };
        let armed = self.setting.chaos.arm_watched(&self.setting.plugins.current(), order).await;
        let now = self.setting.clock.now();
        match armed {
            Ok(armed) => {
                let order = &armed.order;
                let to = serde_json::to_string(&order.matching).unwrap_or_default();
                let text = format!("{kind} for {} ms on {to}", order.ttl.as_millis());
                self.watch.tell("armed", text, now);
                self.progress().faults.push((at, armed));
            }
            Err(error) => self.watch.tell("not-armed", format!("{kind}: {error}"), now),
        }
    }

    /// Why it is to be given up, if it is.
    fn has_failed(&self, now: Instant) -> Option<String> {
        let abort = &self.scenario.abort;
        let least = abort.success_below.unwrap_or(self.scenario.hypothesis.success);
        let (all, good) = self.watch.lately(abort.window, now);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let success = good as f64 / all.max(1) as f64;
        (all >= abort.min_requests.max(1) && success < least).then(|| {
            format!(
                "{:.2} % of the last {all} requests were answered, under {:.2} % it is given up",
                success * 100.0,
                least * 100.0
            )
        })
    }

    /// Puts the end of faults on the timeline.
    fn tell_ends(&self, now: Instant) {
        let mut progress = self.progress();
        let last = progress.faults.iter().map(|(_, armed)| armed.ends()).max();
        if let (Some(last), None) = (last, progress.over)
            && last <= now
        {
            progress.over = Some(last);
            drop(progress);
            self.watch.tell("ended", "no fault is armed any more".to_owned(), last);
        } else if last.is_some_and(|last| last > now) {
            progress.over = None;
        }
    }

    fn end(&self, reason: End) {
        let now = self.setting.clock.now();
        self.tell_ends(now);
        self.disarm();
        let (what, text) = match &reason {
            End::Done => ("done", "its time is over".to_owned()),
            End::Aborted(why) => ("aborted", why.clone()),
            End::Stopped => ("stopped", "an operator stopped it".to_owned()),
        };
        self.watch.tell(what, text, now);
        let mut progress = self.progress();
        progress.over = progress.over.or(Some(now)).filter(|_| !progress.faults.is_empty());
        progress.ended = Some((now, reason));
    }

    fn disarm(&self) {
        let ids: Vec<u64> = self.progress().faults.iter().map(|(_, armed)| armed.id).collect();
        for id in ids {
            self.setting.chaos.disarm(id);
        }
    }

    /// What has been found out so far.
    pub fn report(&self) -> ExperimentReport {
        let (faults, last_fault_ended, ended) = {
            let progress = self.progress();
            let figures = progress.faults.iter().map(|(at, armed)| FaultFigures {
                at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                ttl_ms: u64::try_from(armed.order.ttl.as_millis()).unwrap_or(u64::MAX),
                kind: armed.order.kind.clone(),
                matching: armed.order.matching.clone(),
                counts: armed.counts(),
            });
            (figures.collect(), progress.over, progress.ended.clone())
        };
        Material {
            id: self.id,
            scenario: &self.scenario,
            config: &self.setting.config,
            watch: &self.watch,
            faults,
            last_fault_ended,
            started: self.started,
            ended,
            now: self.setting.clock.now(),
        }
        .report()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
