//! `[breaker]`: when a target is left alone, for how long, and what brings it back.

use std::time::Duration;

use seawall_core::breaker::BreakerSettings;

use super::reader::{At, Context, Section};
use super::{Problem, value};

/// A breaker that waits for more has no effect.
const MOST_FAILURES: usize = 1_000;
/// As many good probes in a row keep a healthy target away for minutes.
const MOST_PROBES: usize = 20;

/// `[breaker]` as typed.
#[derive(Debug, Default)]
pub(super) struct RawBreaker {
    consecutive: Option<At<usize>>,
    failure_rate: Option<At<f64>>,
    rate_minimum: Option<At<usize>>,
    window: Option<At<Duration>>,
    open_base: Option<At<Duration>>,
    open_cap: Option<At<Duration>>,
    hint_cap: Option<At<Duration>>,
    probes: Option<At<usize>>,
    ramp: Option<At<Duration>>,
    forgive: Option<At<Duration>>,
}

impl RawBreaker {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            consecutive: section.get("consecutive", |_, item| value::count(item, 1, MOST_FAILURES)),
            failure_rate: section.get("failure_rate", value::share),
            rate_minimum: section.get("rate_minimum", |_, item| value::count(item, 1, MOST_FAILURES)),
            window: section.get("window", value::duration),
            open_base: section.get("open_base", value::duration),
            open_cap: section.get("open_cap", value::duration),
            hint_cap: section.get("hint_cap", value::duration),
            probes: section.get("probes", |_, item| value::count(item, 1, MOST_PROBES)),
            ramp: section.get("ramp", value::duration),
            forgive: section.get("forgive", value::duration),
        }
    }

    /// What is not set stays as the design has it. A first open time above the longest would be cut to it silently, so
    /// it is a mistake.
    pub(super) fn resolve(&self, context: &Context<'_>) -> BreakerSettings {
        let usual = BreakerSettings::default();
        let time = |own: &Option<At<Duration>>, usual| own.as_ref().map_or(usual, |found| found.value);
        let count = |own: &Option<At<usize>>, usual| {
            own.as_ref().map_or(usual, |found| u32::try_from(found.value).unwrap_or(u32::MAX))
        };
        let settings = BreakerSettings {
            consecutive: count(&self.consecutive, usual.consecutive),
            failure_rate: self.failure_rate.as_ref().map_or(usual.failure_rate, |found| found.value),
            rate_minimum: count(&self.rate_minimum, usual.rate_minimum),
            window: time(&self.window, usual.window),
            open_base: time(&self.open_base, usual.open_base),
            open_cap: time(&self.open_cap, usual.open_cap),
            hint_cap: time(&self.hint_cap, usual.hint_cap),
            probes: count(&self.probes, usual.probes),
            ramp: time(&self.ramp, usual.ramp),
            forgive: time(&self.forgive, usual.forgive),
        };
        if settings.open_base > settings.open_cap
            && let Some(at) = self.open_cap.as_ref().or(self.open_base.as_ref()).map(|found| &found.at)
        {
            let cause = format!(
                "the first open time ({:?}) is longer than the longest ({:?})",
                settings.open_base, settings.open_cap
            );
            let fix = "set open_base to at most open_cap";
            context.report(Problem::new("contradiction", cause).at(at.clone()).fix(fix));
        }
        settings
    }
}
