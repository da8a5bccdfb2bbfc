//! Everything that is exported, gathered from the rooms that know it, and `/metrics`.
//!
//! Reading changes nothing but what time alone would change, such as a breaker whose open time is over.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use seawall_core::availability::{ByHalfLife, Estimate};
use seawall_core::targets::TargetStatus;
use tokio::time::Instant;

use super::json::{AdminError, ErrorBody};
use super::{Admin, Shared};
use crate::audit::Audit;
use crate::telemetry::figures::{Label, Sheet};
use crate::telemetry::names::{self, Metric, key};
use crate::telemetry::otlp::Source;
use crate::telemetry::prometheus;

/// Everything that is counted, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "status", responses(
    (status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String),
    (status = 500, description = "`unwritable`", body = ErrorBody),
))]
pub(super) async fn metrics(State(admin): State<Shared>) -> Response {
    match prometheus::text(admin.sheet()) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::CONTENT_TYPE));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(_) => {
            let message = "the metrics could not be written; this is a defect";
            AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "unwritable", message).into_response()
        }
    }
}

impl Source for Admin {
    fn sheet(&self) -> Sheet {
        Admin::sheet(self)
    }

    fn provider(&self, name: &str) -> Option<String> {
        self.plugins.current().adapters.get(name).map(|adapter| adapter.telemetry_name().to_owned())
    }
}

impl Admin {
    /// Everything that is exported.
    pub(crate) fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        let plugins = self.plugins.current();
        self.notes.gather(&mut sheet, &|provider| {
            plugins.adapters.get(provider).map(|adapter| adapter.telemetry_name().to_owned())
        });
        for target in self.targets.status() {
            put_target(&mut sheet, &target);
        }
        self.put_availability(&mut sheet);
        self.put_plugins(&mut sheet);
        self.put_audit(&mut sheet);
        sheet.put(&names::FAULTS_ARMED, [], self.chaos.list().len());
        self.ingress.gather(&mut sheet);
        sheet.put(&names::TASKS_PANICKED, [], self.tasks.panicked());
        sheet.put(&names::UPTIME, [], self.started.elapsed());
        sheet.put(&names::BUILD, [(key::VERSION, env!("CARGO_PKG_VERSION").into())], 1_u64);
        sheet
    }

    fn put_availability(&self, sheet: &mut Sheet) {
        let report = self.notes.availability().report(Instant::now());
        let mut told = std::collections::BTreeSet::new();
        for alias in report.aliases {
            let label = (key::ALIAS, Cow::Owned(alias.alias.to_string()));
            for (half_life, figures) in by_half_life(&alias.availability) {
                let named = [
                    ("independent", figures.independent),
                    ("chain", figures.chain.estimate),
                    ("observed", figures.observed),
                ];
                for (figure, estimate) in named {
                    let labels =
                        [label.clone(), (key::FIGURE, figure.into()), (key::HALF_LIFE, half_life.into())];
                    put_estimate(sheet, &names::AVAILABILITY, &labels, estimate);
                }
            }
            for target in alias.targets {
                // A target of two aliases has one figure.
                if told.insert(target.target.clone()) {
                    for (half_life, estimate) in by_half_life(&target.availability) {
                        let label = (key::TARGET, Cow::Owned(target.target.clone()));
                        let labels = [label, (key::HALF_LIFE, half_life.into())];
                        put_estimate(sheet, &names::TARGET_AVAILABILITY, &labels, *estimate);
                    }
                }
            }
        }
    }

    fn put_audit(&self, sheet: &mut Sheet) {
        let Some(figures) = self.audit.as_ref().map(Audit::figures) else { return };
        let entries = [
            ("produced", figures.produced),
            ("stored", figures.stored),
            ("dropped", figures.dropped),
            ("recovered", figures.recovered),
        ];
        for (result, count) in entries {
            sheet.put(&names::AUDIT_ENTRIES, [(key::RESULT, result.into())], count);
        }
        sheet.put(&names::AUDIT_SPILLED, [], figures.spilled);
        sheet.put(&names::AUDIT_LOST, [], figures.lost_at_most);
        sheet.put(&names::AUDIT_TROUBLE, [], u64::from(figures.trouble.is_some()));
        sheet.put(&names::AUDIT_SIZE, [], figures.database_bytes);
    }

    fn put_plugins(&self, sheet: &mut Sheet) {
        for plugin in self.control.figures() {
            let label = || [(key::PLUGIN, Cow::Owned(plugin.id.to_string()))];
            sheet.put(&names::PLUGIN_CALLS, label(), plugin.calls);
            sheet.put(&names::PLUGIN_TIME, label(), plugin.time);
            sheet.put(&names::PLUGIN_FAILED, label(), plugin.faults);
            sheet.put(&names::PLUGIN_INSTANCES, label(), u64::from(plugin.instances));
            sheet.put(&names::PLUGIN_GENERATION, label(), plugin.generation);
        }
    }
}

fn put_target(sheet: &mut Sheet, status: &TargetStatus) {
    let label = || (key::TARGET, Cow::Owned(status.target.clone()));
    sheet.put(&names::BREAKER_STATE, [label(), (key::CIRCUIT, status.circuit.into())], 1_u64);
    sheet.put(&names::TARGET_IN_FLIGHT, [label()], u64::from(status.stats.in_flight));
    for forecast in &status.forecasts {
        if forecast.samples > 0 {
            let labels = [label(), (key::MODE, forecast.kind.into())];
            sheet.put(&names::TARGET_PREDICTED, labels, forecast.score_ms / 1e3);
        }
    }
}

/// Nothing, where there are too few samples to say anything.
fn put_estimate(sheet: &mut Sheet, metric: &'static Metric, labels: &[Label], estimate: Estimate) {
    for (bound, value) in [("value", estimate.value), ("low", estimate.low), ("high", estimate.high)] {
        if let Some(value) = value {
            sheet.put(metric, labels.iter().cloned().chain([(key::BOUND, bound.into())]), value);
        }
    }
}

fn by_half_life<T>(figures: &ByHalfLife<T>) -> [(&'static str, &T); 3] {
    [("5m", &figures.minutes), ("1h", &figures.hour), ("30d", &figures.month)]
}
