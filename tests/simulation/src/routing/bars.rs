//! What the table has to show.

use super::scenario::Scenario;
use super::table::Row;

/// Which bars count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// All of them.
    Asserted,
    /// They are printed and not asserted.
    Shown,
}

/// Extra calls in percent, at most.
const EXTRA_CALLS: f64 = 8.0;
/// Healthy calls that the requested provider answers, in percent, at least.
const ON_REQUESTED: f64 = 95.0;
/// First choices that still go to the dying provider, in percent, at most.
const STAYED: f64 = 10.0;

/// The highest p99 of the first-token time in seconds; none where nothing is promised.
fn p99_of(scenario: Scenario) -> Option<f64> {
    match scenario {
        Scenario::Errors
        | Scenario::Gradual
        | Scenario::Brownout
        | Scenario::RateLimit
        | Scenario::SlowThenDead => Some(2.0),
        Scenario::BlackHole | Scenario::Tail => Some(3.5),
        Scenario::Correlated => Some(4.5),
        Scenario::Healthy | Scenario::LongPrompts => None,
    }
}

/// Every bar that a row misses.
pub fn broken(row: &Row) -> Vec<String> {
    let Row { scenario, mean, .. } = row;
    let mut broken = Vec::new();
    let mut bar = |what: &str, is: f64, most: f64| {
        if is > most {
            broken.push(format!("{}: {what} is {is:.2}, the bar is {most:.2}", scenario.name()));
        }
    };
    if let Some(most) = p99_of(*scenario) {
        bar("p99 in s", mean.p99, most);
    }
    if *scenario != Scenario::LongPrompts {
        bar("clients that failed", mean.failures, 0.0);
        bar("extra calls in %", mean.extra_calls, EXTRA_CALLS);
    }
    match scenario {
        Scenario::Healthy => {
            bar("share off the requested provider in %", 100.0 - mean.on_requested, 100.0 - ON_REQUESTED)
        }
        Scenario::SlowThenDead => bar("share that stayed in %", mean.stayed, STAYED),
        _ => {}
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::super::table::Figures;
    use super::*;

    fn row(scenario: Scenario, change: impl FnOnce(&mut Figures)) -> Row {
        let mut good = Figures {
            p99: 1.9,
            extra_calls: 5.0,
            on_requested: 98.0,
            requests: 1_000.0,
            ..Figures::default()
        };
        change(&mut good);
        Row::of(scenario, &[good])
    }

    #[test]
    fn each_bar_can_be_missed() {
        for scenario in Scenario::ALL {
            assert_eq!(broken(&row(scenario, |_| {})), Vec::<String>::new());
        }
        assert!(!broken(&row(Scenario::Gradual, |f| f.p99 = 2.1)).is_empty());
        assert!(!broken(&row(Scenario::Tail, |f| f.p99 = 3.6)).is_empty());
        assert!(!broken(&row(Scenario::Correlated, |f| f.p99 = 4.6)).is_empty());
        assert!(!broken(&row(Scenario::Errors, |f| f.failures = 1.0)).is_empty());
        assert!(!broken(&row(Scenario::Brownout, |f| f.extra_calls = 8.1)).is_empty());
        assert!(!broken(&row(Scenario::Healthy, |f| f.on_requested = 94.0)).is_empty());
        assert!(!broken(&row(Scenario::SlowThenDead, |f| f.stayed = 11.0)).is_empty());
    }
}
