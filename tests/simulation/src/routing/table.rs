//! The table: one row a scenario, over all its seeds.

use super::run::Samples;
use super::scenario::Scenario;

/// The requested provider.
const REQUESTED: Option<usize> = Some(0);
/// The last seconds before the provider of S8 falls silent.
const BEFORE_SILENCE_S: std::ops::Range<f64> = 405.0..420.0;

/// What one seed gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// First-token times in seconds.
    pub p50: f64,
    /// The same, 95th percentile.
    pub p95: f64,
    /// The same, 99th percentile.
    pub p99: f64,
    /// Clients without a whole answer.
    pub failures: f64,
    /// Upstream calls beyond one a request, in percent.
    pub extra_calls: f64,
    /// Requests that the requested provider answered, in percent.
    pub on_requested: f64,
    /// Breakers that opened, over the whole run.
    pub trips: f64,
    /// First choices that still go to the first provider in the 15 s before it falls silent in S8, in percent.
    pub stayed: f64,
    /// Requests measured.
    pub requests: f64,
}

impl Figures {
    /// Of one run, within the scenario's window.
    pub fn of(scenario: Scenario, samples: &Samples) -> Self {
        let (from, until) = scenario.window();
        let visits: Vec<_> = samples.visits.iter().filter(|v| from <= v.at_s && v.at_s < until).collect();
        let mut times: Vec<f64> = visits.iter().filter_map(|visit| visit.first_s).collect();
        times.sort_by(f64::total_cmp);
        let calls: f64 = visits.iter().map(|visit| f64::from(visit.calls.made)).sum();
        let last = samples.visits.iter().filter(|visit| BEFORE_SILENCE_S.contains(&visit.at_s));
        let (stayed, all) = last.fold((0.0, 0.0), |(stayed, all), visit| {
            (stayed + f64::from(u8::from(visit.calls.first == REQUESTED)), all + 1.0)
        });
        let share = |part: usize| 100.0 * number(part) / number(visits.len()).max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let trips = samples.trips as f64;
        Self {
            p50: percentile(&times, 0.50),
            p95: percentile(&times, 0.95),
            p99: percentile(&times, 0.99),
            failures: number(visits.iter().filter(|visit| !visit.good).count()),
            extra_calls: 100.0 * (calls / number(visits.len()).max(1.0) - 1.0),
            on_requested: share(visits.iter().filter(|visit| visit.by == REQUESTED).count()),
            trips,
            stayed: 100.0 * stayed / f64::max(all, 1.0),
            requests: number(visits.len()),
        }
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index, at most the length"
    )]
    let index = (number(sorted.len()) * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// One scenario over its seeds: means, and the worst p99; failures and requests are sums.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub scenario: Scenario,
    /// Means and sums.
    pub mean: Figures,
    /// The highest p99 of a seed.
    pub worst_p99: f64,
}

impl Row {
    /// From each seed's figures.
    pub fn of(scenario: Scenario, seeds: &[Figures]) -> Self {
        let sum = |of: fn(&Figures) -> f64| seeds.iter().map(of).sum::<f64>();
        let mean = |of: fn(&Figures) -> f64| sum(of) / number(seeds.len()).max(1.0);
        let mean = Figures {
            p50: mean(|f| f.p50),
            p95: mean(|f| f.p95),
            p99: mean(|f| f.p99),
            failures: sum(|f| f.failures),
            extra_calls: mean(|f| f.extra_calls),
            on_requested: mean(|f| f.on_requested),
            trips: mean(|f| f.trips),
            stayed: mean(|f| f.stayed),
            requests: sum(|f| f.requests),
        };
        Self { scenario, mean, worst_p99: seeds.iter().map(|f| f.p99).fold(0.0, f64::max) }
    }
}

/// The table's first line.
pub fn header() -> String {
    format!(
        "{:<20} {:>6} {:>6} {:>6} {:>9} {:>8} {:>7} {:>9} {:>6} {:>7} {:>8}",
        "scenario",
        "p50 s",
        "p95 s",
        "p99 s",
        "worst p99",
        "failures",
        "extra %",
        "requested",
        "trips",
        "stayed",
        "requests"
    )
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figures { p50, p95, p99, failures, extra_calls, on_requested, trips, stayed, requests } =
            self.mean;
        let stayed = match self.scenario {
            Scenario::SlowThenDead => format!("{stayed:.1} %"),
            _ => "-".to_owned(),
        };
        write!(
            f,
            "{:<20} {p50:>6.2} {p95:>6.2} {p99:>6.2} {:>9.2} {failures:>8.0} {extra_calls:>7.1} {on_requested:>7.1} % \
             {trips:>6.1} {stayed:>7} {requests:>8.0}",
            self.scenario.name(),
            self.worst_p99,
        )
    }
}
