//! What an experiment found out, for people and programs.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::scenario::Scenario;
use super::watch::{Book, Bucket, Moment, Watch, percentile};
use crate::availability::Estimate;
use crate::fault::{Counts, FaultMatch};

/// Whether what was believed held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ExperimentVerdict)]
pub enum Verdict {
    /// It is still running.
    Running,
    /// It held.
    Held,
    /// It did not.
    Broken,
    /// It was given up: success fell under the hypothesis.
    Aborted,
    /// An operator stopped it.
    Stopped,
    /// Too few requests to say anything.
    TooFew,
}

impl Verdict {
    /// The word of the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Aborted => "aborted",
            Self::Stopped => "stopped",
            Self::TooFew => "too-few",
        }
    }
}

/// The whole report.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExperimentReport {
    /// To ask for it.
    pub id: u64,
    /// The scenario's name.
    pub name: String,
    /// Whether the hypothesis held.
    pub verdict: Verdict,
    /// In words.
    pub because: String,
    /// When it began, ms since 1970.
    pub started_ms: u64,
    /// How long it has lasted.
    pub lasted_ms: u64,
    /// Hash of the configuration it ran on.
    pub config: Arc<str>,
    /// Sum over all decisions: equal for runs that decided the same.
    pub decisions: String,
    /// What clients saw.
    pub requests: Requests,
    /// What it cost upstream.
    pub calls: Calls,
    /// How quickly it was noticed and healed.
    pub times: Times,
    /// What the formula says of these minutes beside what clients saw, by alias.
    pub availability: Vec<AliasFigures>,
    /// Each fault of the timeline.
    pub faults: Vec<FaultFigures>,
    /// What happened when.
    pub timeline: Vec<Moment>,
    /// The plot.
    pub series: Vec<Point>,
    /// The scenario as it ran, seed and hypothesis included.
    pub scenario: Scenario,
}

/// What clients saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentRequests)]
pub struct Requests {
    /// That ended, client's own mistakes and those who left aside.
    pub judged: u64,
    /// Answered by the first choice.
    pub primary: u64,
    /// Answered by another target.
    pub fallback: u64,
    /// Not answered, or not to the end.
    pub failed: u64,
    /// Whose client left.
    pub cancelled: u64,
    /// That would have failed everywhere.
    pub own_fault: u64,
    /// Share of the judged that were answered.
    pub success: Option<f64>,
    /// That met a fault of this experiment.
    pub touched: u64,
    /// Share of the touched that were answered.
    pub touched_success: Option<f64>,
    /// Met a fault and were not answered.
    pub harmed: u64,
    /// Half of the answers began within this time.
    pub p50_ms: Option<u32>,
    /// 95 of 100 did.
    pub p95_ms: Option<u32>,
}

/// What it cost upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentCalls)]
pub struct Calls {
    /// Calls of requests.
    pub attempts: u64,
    /// Beyond one for each request that was called for, with hidden copies.
    pub extra: u64,
    /// Late calls that were doubled.
    pub hedges: u64,
    /// Hidden copies.
    pub twins: u64,
    /// Broken streams that went on elsewhere.
    pub splices: u64,
    /// Faults injected.
    pub injected: u64,
}

/// How quickly it was noticed and healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentTimes)]
pub struct Times {
    /// The first fault, from the beginning.
    pub first_injection_ms: Option<u64>,
    /// From there to the first failed call of a target that was hit.
    pub detect_ms: Option<u64>,
    /// From there to the first open breaker.
    pub open_ms: Option<u64>,
    /// From the end of the last fault until every breaker that had opened was closed again.
    pub recover_ms: Option<u64>,
    /// Targets that were still away in the end.
    pub still_away: usize,
}

/// What the formula says of these minutes beside what clients saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentAvailability)]
pub struct AliasFigures {
    /// Which alias.
    pub alias: Arc<str>,
    /// R_ind: as if targets failed independently.
    pub predicted: Estimate,
    /// R_chain: from what happened after failures.
    pub chain: Estimate,
    /// R_obs: what clients saw.
    pub observed: Estimate,
}

/// One fault of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentFault)]
pub struct FaultFigures {
    /// When it was armed.
    pub at_ms: u64,
    /// For how long.
    pub ttl_ms: u64,
    /// Its kind.
    pub kind: String,
    /// Whom it was for.
    #[serde(rename = "match")]
    pub matching: FaultMatch,
    /// What it counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A point of the plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExperimentPoint)]
pub struct Point {
    /// From the beginning.
    pub at_ms: u64,
    /// Answered by the first choice.
    pub primary: u64,
    /// By another.
    pub fallback: u64,
    /// Not.
    pub failed: u64,
    /// Whose client left.
    pub cancelled: u64,
    /// Faults.
    pub injected: u64,
    /// Half of the answers began within this time.
    pub p50_ms: Option<u32>,
    /// 95 of 100 did.
    pub p95_ms: Option<u32>,
}

/// What a report is made of.
pub(super) struct Material<'a> {
    pub(super) id: u64,
    pub(super) scenario: &'a Scenario,
    pub(super) config: &'a Arc<str>,
    pub(super) watch: &'a Watch,
    pub(super) faults: Vec<FaultFigures>,
    pub(super) last_fault_ended: Option<Instant>,
    pub(super) started: SystemTime,
    pub(super) ended: Option<(Instant, End)>,
    pub(super) now: Instant,
}

/// Why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its time was over.
    Done,
    /// Success fell under the hypothesis.
    Aborted(String),
    /// An operator.
    Stopped,
}

impl Material<'_> {
    pub(super) fn report(self) -> ExperimentReport {
        let until = self.ended.as_ref().map_or(self.now, |(at, _)| *at);
        let report = self.watch.availability().report(until);
        let availability = report.aliases.into_iter().map(|alias| AliasFigures {
            alias: alias.alias,
            predicted: alias.availability.minutes.independent,
            chain: alias.availability.minutes.chain.estimate,
            observed: alias.availability.minutes.observed,
        });
        let availability: Vec<_> = availability.filter(|figures| figures.observed.samples > 0.0).collect();
        let book = self.watch.book();
        let requests = requests(&book);
        let (verdict, because) = self.verdict(&requests);
        let decisions = self.faults.iter().fold(0_u64, |sum, fault| sum.wrapping_add(fault.counts.decisions));
        ExperimentReport {
            id: self.id,
            name: self.scenario.name.clone(),
            verdict,
            because,
            started_ms: ms(self.started.duration_since(UNIX_EPOCH).unwrap_or_default()),
            lasted_ms: self.watch.ms(until),
            config: Arc::clone(self.config),
            decisions: format!("{decisions:016x}"),
            requests,
            calls: calls(&book),
            times: self.times(&book, until),
            availability,
            timeline: book.moments.clone(),
            series: series(&book.buckets, self.watch.width()),
            faults: self.faults,
            scenario: self.scenario.clone(),
        }
    }

    fn verdict(&self, requests: &Requests) -> (Verdict, String) {
        let hypothesis = &self.scenario.hypothesis;
        let Some((_, end)) = &self.ended else { return (Verdict::Running, "it is still running".to_owned()) };
        match end {
            End::Aborted(why) => return (Verdict::Aborted, why.clone()),
            End::Stopped => return (Verdict::Stopped, "an operator stopped it".to_owned()),
            End::Done => {}
        }
        let wanted = hypothesis.success * 100.0;
        let Some(success) = requests.success.filter(|_| requests.judged >= hypothesis.min_requests) else {
            let because = format!(
                "{} requests, and it takes {} to say anything",
                requests.judged, hypothesis.min_requests
            );
            return (Verdict::TooFew, because);
        };
        if success < hypothesis.success {
            let because = format!(
                "{:.2} % of {} requests were answered, at least {wanted:.2} % should be",
                success * 100.0,
                requests.judged
            );
            return (Verdict::Broken, because);
        }
        if let (Some(most), Some(p95)) = (hypothesis.p95, requests.p95_ms)
            && u128::from(p95) > most.as_millis()
        {
            let because = format!("95 of 100 answers began within {p95} ms, {} should do", most.as_millis());
            return (Verdict::Broken, because);
        }
        let because = format!("{:.2} % of {} requests were answered", success * 100.0, requests.judged);
        (Verdict::Held, because)
    }

    fn times(&self, book: &Book, until: Instant) -> Times {
        let since_first =
            |at: Option<Instant>| Some(ms(at?.saturating_duration_since(book.first_injection?)));
        let over = self.last_fault_ended.filter(|over| *over <= until);
        let recover_ms = match (over, book.away.is_empty(), book.opened) {
            (Some(over), true, Some(_)) => {
                book.last_return.map(|back| ms(back.saturating_duration_since(over)))
            }
            _ => None,
        };
        Times {
            first_injection_ms: book.first_injection.map(|at| self.watch.ms(at)),
            detect_ms: since_first(book.detected),
            open_ms: since_first(book.opened),
            recover_ms,
            still_away: book.away.len(),
        }
    }
}

fn requests(book: &Book) -> Requests {
    let sums = book.sums;
    let answered = sums.primary + sums.fallback;
    let judged = answered + sums.failed;
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    let mut times: Vec<u32> = book.buckets.iter().flat_map(|bucket| &bucket.times).copied().collect();
    Requests {
        judged,
        primary: sums.primary,
        fallback: sums.fallback,
        failed: sums.failed,
        cancelled: sums.cancelled,
        own_fault: sums.own_fault,
        success: share(answered, judged),
        touched: sums.touched,
        touched_success: share(sums.touched_answered, sums.touched_answered + sums.harmed),
        harmed: sums.harmed,
        p50_ms: percentile(&mut times, 0.5),
        p95_ms: percentile(&mut times, 0.95),
    }
}

fn calls(book: &Book) -> Calls {
    let sums = book.sums;
    Calls {
        attempts: sums.attempts,
        extra: sums.attempts.saturating_sub(sums.asked) + sums.twins,
        hedges: sums.hedges,
        twins: sums.twins,
        splices: sums.splices,
        injected: sums.injected,
    }
}

fn series(buckets: &[Bucket], width: Duration) -> Vec<Point> {
    let point = |(place, bucket): (usize, &Bucket)| {
        let mut times = bucket.times.clone();
        Point {
            at_ms: ms(width.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX))),
            primary: bucket.primary,
            fallback: bucket.fallback,
            failed: bucket.failed,
            cancelled: bucket.cancelled,
            injected: bucket.injected,
            p50_ms: percentile(&mut times, 0.5),
            p95_ms: percentile(&mut times, 0.95),
        }
    };
    buckets.iter().enumerate().map(point).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
